//! Billing registers and series as CSV and as XML of the transparency software, and back.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use dcnet_obis::{ObisCode, PtbLevel, StatusWord, Unit};
use dcnet_profiles::export::{
    AnalysisProfile, ReadError, ReadingStatus, Series, SeriesReading, Span, TariffStage,
    UsagePoint, billing_csv, series_csv,
};
use dcnet_profiles::meter::DeviceId;
use dcnet_profiles::tariff::{BillingState, ClosedPeriod, RegisterReading, Zone};
use dcnet_profiles::{Profile, TariffProfile};
use dcnet_protocol::round::UnixTime;
use proptest::prelude::*;

fn at(text: &str) -> UnixTime {
    let time: jiff::Timestamp = text.parse().unwrap();
    UnixTime::from_millis(time.as_millisecond().try_into().unwrap())
}

fn register(time: &str, value: i64) -> RegisterReading {
    RegisterReading {
        time: at(time),
        device: DeviceId::from([1].as_slice()),
        value,
    }
}

fn day_night() -> TariffProfile {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/tariff-day-night.yaml");
    Profile::load(&catalog).unwrap().tariffs.remove(0)
}

/// November 2026, from the 30th on: 10 Wh low, a gap of 25 Wh, 7 Wh high, 2 Wh low.
fn november() -> Vec<ClosedPeriod> {
    let readings = [
        register("2026-11-30T04:30:00Z", 1_000),
        register("2026-11-30T04:45:00Z", 1_100),
        register("2026-11-30T05:15:00Z", 1_350),
        register("2026-11-30T21:00:00Z", 1_420),
        register("2026-11-30T23:00:00Z", 1_440),
    ];
    let mut state = BillingState::default();
    let mut closed = Vec::new();
    for reading in &readings {
        let (next, period) = state.advance(&day_night(), reading).unwrap();
        state = next;
        closed.extend(period);
    }
    closed
}

fn point(series: Vec<Series>) -> UsagePoint {
    UsagePoint {
        kind: 0,
        usage_point_id: "DE00056266802AO6G56M11SN51G21M24S".to_owned(),
        customer_id: "A & B <c>".to_owned(),
        invoicing_party_id: "\"quoted\"".to_owned(),
        cert_id: 1,
        smgw_id: "EXXX0012345678".to_owned(),
        tariff_name: "day and night".to_owned(),
        analysis: Some(AnalysisProfile {
            use_case: 2,
            tariff_id: "day-night".to_owned(),
            period: Span {
                begin: at("2026-10-31T23:00:00Z"),
                seconds: 2_592_000,
            },
            stages: vec![TariffStage {
                number: 1,
                description: String::new(),
                obis: "0100010801FF".to_owned(),
            }],
            default_stage: 1,
        }),
        series,
    }
}

#[test]
fn closed_periods_are_written_as_csv() {
    let expected = "\
tariff,begin,end,from,to,register,obis,value,unit,closed_by
day-night,2026-11-01T00:00:00+01:00,2026-12-01T00:00:00+01:00,2026-11-30T05:30:00+01:00,2026-12-01T00:00:00+01:00,total,1-0:1.8.0*255,44.0,Wh,end
day-night,2026-11-01T00:00:00+01:00,2026-12-01T00:00:00+01:00,2026-11-30T05:30:00+01:00,2026-12-01T00:00:00+01:00,high,1-0:1.8.0*255,7.0,Wh,end
day-night,2026-11-01T00:00:00+01:00,2026-12-01T00:00:00+01:00,2026-11-30T05:30:00+01:00,2026-12-01T00:00:00+01:00,low,1-0:1.8.0*255,12.0,Wh,end
day-night,2026-11-01T00:00:00+01:00,2026-12-01T00:00:00+01:00,2026-11-30T05:30:00+01:00,2026-12-01T00:00:00+01:00,error,1-0:1.8.0*255,25.0,Wh,end
";
    let text = billing_csv(&day_night(), &november(), None).unwrap();
    assert_eq!(text, expected);
}

#[test]
fn registers_of_a_tariff_have_codes_of_their_own() {
    let series = Series::of_periods("1ABC", &day_night(), &november());
    let values: Vec<_> = series
        .iter()
        .map(|series| (series.obis.to_string(), series.readings[0].value))
        .collect();
    let expected = [
        ("1-0:1.8.0*255", 440),
        ("1-0:1.8.1*255", 70),
        ("1-0:1.8.2*255", 120),
        ("1-0:1.8.63*255", 250),
    ];
    let expected = expected.map(|(obis, value)| (obis.to_owned(), value));
    assert_eq!(values, expected);
    let taken = series[0].readings[0].taken;
    assert_eq!(taken.begin, at("2026-11-30T04:30:00Z"));
    assert_eq!(taken.seconds, 66_600);
    let point = point(series);
    let text = point.write(&Zone::berlin()).unwrap();
    assert_eq!(UsagePoint::read(&text), Ok(point));
}

#[test]
fn a_series_is_written_as_csv_with_its_gaps() {
    let readings = [
        (register("2026-10-25T00:45:00Z", 12_345), PtbLevel::Ok),
        (
            register("2026-10-25T01:15:00Z", 12_400),
            PtbLevel::TemporaryError,
        ),
    ];
    let register = (ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WATT_HOUR, -1);
    let series = Series::of_register("1ABC", register, 900, &readings);
    let expected = "\
meter,obis,time,taken,value,unit,ptb_level
1ABC,1-0:1.8.0*255,2026-10-25T02:45:00+02:00,2026-10-25T02:45:00+02:00,1234.5,Wh,0
1ABC,1-0:1.8.0*255,2026-10-25T02:15:00+01:00,2026-10-25T02:15:00+01:00,1240.0,Wh,2
";
    assert_eq!(series_csv(&[series], &Zone::berlin()).unwrap(), expected);
}

#[test]
fn status_words_are_written_as_gateways_write_them() {
    let register = (ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WATT_HOUR, -1);
    let readings = [(register_at_noon(), PtbLevel::Ok)];
    let mut series = Series::of_register("1ABC", register, 900, &readings);
    let words = [
        ("A000000020000000", PtbLevel::Ok),
        ("A008000020000000", PtbLevel::Warning), // bit 12 of the gateway
        ("A080000020000000", PtbLevel::Fatal),   // bit 8 of the gateway
        ("A000000020004000", PtbLevel::Fatal),   // bit 17 of the meter
    ];
    for (hex, level) in words {
        let status = ReadingStatus::Fnn(StatusWord::from_gateway_hex(hex).unwrap());
        assert_eq!(status.ptb_level(), level, "{hex}");
        series.readings[0].status = Some(status);
        let point = point(vec![series.clone()]);
        let text = point.write(&Zone::berlin()).unwrap();
        assert!(
            text.contains(&format!("<statusFNN>{hex}</statusFNN>")),
            "{text}"
        );
        assert_eq!(UsagePoint::read(&text), Ok(point));
        let none = text.replacen(hex, "0000000000000000", 1);
        assert!(UsagePoint::read(&none).is_err(), "no word of a gateway");
    }
}

fn register_at_noon() -> RegisterReading {
    register("2026-11-23T11:00:00Z", 1)
}

#[test]
fn what_is_no_such_file_is_refused_with_the_reason() {
    let good = point(vec![]).write(&Zone::berlin()).unwrap();
    let message = |text: &str| UsagePoint::read(text).unwrap_err().to_string();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        message(&good.replacen(from, to, 1))
    };
    assert_eq!(
        changed("<customerId>A &amp; B &lt;c&gt;</customerId>", ""),
        "Customer has no customerId"
    );
    assert_eq!(
        changed("<certId>1<", "<certId>one<"),
        "certId is \"one\", a number that fits is needed"
    );
    assert_eq!(
        changed("2026-11-01T00:00:00+01:00", "2026-11-01"),
        "start is \"2026-11-01\", a time with its offset, from 1970 on is needed"
    );
    assert!(changed("</Customer>", "</Costumer>").starts_with("is no XML at byte"));
    assert!(changed("A &amp; B", "&secret;").ends_with("an entity of its own"));
    assert!(
        changed("<UsagePoints", "<!DOCTYPE x [<!ENTITY a 'b'>]><UsagePoints")
            .ends_with("a document type")
    );
    assert!(message("").ends_with("there is no element"));
    assert!(message("<UsagePoints>").starts_with("is no XML"));
    assert!(matches!(
        UsagePoint::read(&"<a>".repeat(100_000)),
        Err(ReadError::TooDeep { limit: 16, .. })
    ));
    assert!(matches!(
        UsagePoint::read(&" ".repeat(40_000_000)),
        Err(ReadError::TooLarge { .. })
    ));
}

/// A month of two registers as the transparency software stored it, if it is at hand.
#[test]
fn the_recording_of_a_month_goes_there_and_back() {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED names no folder of recordings");
        return;
    };
    let file = Path::new(&shared).join("captures/trudi/TAF-7-Ablesung_Jan_2018.xml");
    let text = std::fs::read_to_string(file).unwrap();
    let point = UsagePoint::read(&text).unwrap();
    let registers: Vec<_> = point.series.iter().map(|series| series.obis).collect();
    let both = [
        ObisCode::ACTIVE_ENERGY_EXPORT,
        ObisCode::ACTIVE_ENERGY_IMPORT,
    ];
    assert_eq!(registers, both);
    let (mut levels, expected) = ([0; 5], [5_558, 3, 386, 7, 0]);
    for series in &point.series {
        assert_eq!((series.uom, series.scaler), (72, -4));
        assert_eq!(series.period, Some(900));
        assert_eq!(series.readings.len(), 2_977); // 31 days of 96, and the last midnight
        for reading in &series.readings {
            let level = reading.status.unwrap().ptb_level();
            levels[usize::from(level.code())] += 1;
        }
        let targets = series
            .readings
            .iter()
            .map(|reading| reading.target.unwrap());
        assert!(
            targets
                .collect::<Vec<_>>()
                .windows(2)
                .all(|pair| { pair[1].millis_since(pair[0]) == 900_000 })
        );
    }
    assert_eq!(levels, expected);
    let last = point.series[1].readings.last().unwrap();
    assert_eq!(last.target, Some(at("2018-01-31T23:00:00Z")));
    assert_eq!(last.taken.begin, at("2018-01-31T22:59:59Z"));
    assert_eq!(point.series[1].exact(last).to_string(), "490217.8100");
    assert_eq!(point.customer_id, "44332211");
    assert_eq!(point.invoicing_party_id, "987654321");
    assert_eq!(
        (point.cert_id, point.smgw_id.as_str()),
        (1, "EXXX0012345678")
    );
    let analysis = point.analysis.as_ref().unwrap();
    assert_eq!(
        (analysis.use_case, analysis.period.seconds),
        (7, 12_668_625)
    );

    let written = point.write(&Zone::berlin()).unwrap();
    assert_eq!(UsagePoint::read(&written).as_ref(), Ok(&point));
    // Element by element as it was recorded: whose it is, and the first series.
    let between = |text: &str, begin: &str, end: &str| {
        let (_, rest) = text.split_once(begin).unwrap();
        let (part, _) = rest.split_once(end).unwrap();
        let words: Vec<_> = part.split_whitespace().map(str::to_owned).collect();
        words
    };
    for (begin, end) in [
        ("<UsagePoint>", "</SMGW>"),
        ("<MeterReading>", "</MeterReading>"),
    ] {
        let (written, recorded) = (between(&written, begin, end), between(&text, begin, end));
        assert!(written == recorded, "{begin} differs");
    }
    let csv = series_csv(&point.series, &Zone::berlin()).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * 2_977);
}

proptest! {
    /// Whatever the values, names and statuses are: what is written is read again.
    #[test]
    fn a_written_file_is_read_again(
        name in "[ -~]{0,12}",
        readings in prop::collection::vec(
            (any::<i64>(), 0_u64..4_000_000_000_000, 0_u64..100_000, prop::option::of(0_u8..5), any::<u64>()),
            0..20,
        ),
        scaler in any::<i8>(),
        period in prop::option::of(any::<u32>()),
    ) {
        let mut series = Series::of_register(
            name.trim(),
            (ObisCode::ACTIVE_POWER, Unit::WATT, scaler),
            900,
            &[],
        );
        series.period = period;
        series.readings = readings.iter().map(|(value, begin, seconds, level, word)| SeriesReading {
            value: *value,
            taken: Span { begin: UnixTime::from_millis(*begin), seconds: *seconds },
            target: (word % 2 == 0).then(|| UnixTime::from_millis(*begin)),
            status: match level {
                Some(level) => PtbLevel::from_code(*level).map(ReadingStatus::Ptb),
                None => StatusWord::of_gateway(word | 0x0000_0005_0000_0004)
                    .filter(|_| word % 3 > 0)
                    .map(ReadingStatus::Fnn),
            },
        }).collect();
        let point = point(vec![series]);
        let text = point.write(&Zone::berlin()).unwrap();
        prop_assert_eq!(UsagePoint::read(&text), Ok(point));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[<>/a&;#x!\\[\\]\"'= -]{0,60}") {
        let _ = UsagePoint::read(&text);
    }
}
