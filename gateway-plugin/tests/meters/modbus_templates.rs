//! What the Modbus source reads: each template of the catalogue, and the models of `SunSpec`.

use std::path::Path;

use dcnet_gateway::source::SourceState;
use dcnet_gateway::source::modbus::Fault;
use dcnet_obis::{ObisCode, ScaledInteger, Unit};
use dcnet_profiles::modbus::Direction;

use crate::support::modbus::{Server, Source, Table, Trick, obis, over_tcp};

fn words(bits: u64, count: usize) -> Vec<u16> {
    let bytes = bits.to_be_bytes();
    let words: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    words[4 - count..].to_vec()
}

fn float32(text: &str) -> Vec<u16> {
    words(text.parse::<f32>().unwrap().to_bits().into(), 2)
}

/// Bits and number of registers of `digits` × 10^-`decimals` (floats) or of the integer `digits`.
fn encoded(kind: &str, digits: i64, decimals: i8) -> (u64, usize) {
    let text = format!("{digits}e-{decimals}");
    let low =
        |count: usize| u64::from_ne_bytes(digits.to_ne_bytes()) & (u64::MAX >> (64 - 16 * count));
    match kind {
        "float32" => (text.parse::<f32>().unwrap().to_bits().into(), 2),
        "float64" => (text.parse::<f64>().unwrap().to_bits(), 4),
        "int16" | "uint16" => (low(1), 1),
        "int32" | "uint32" => (low(2), 2),
        "int64" | "uint64" => (low(4), 4),
        kind => panic!("{kind}"),
    }
}

/// One line of the list of registers that the templates were written after.
struct Fact {
    meter: String,
    obis: ObisCode,
    address: u16,
    function: u8,
    kind: String,
    swapped: bool,
    /// The register counts 10^scale of the unit.
    scale: i8,
    unit: Unit,
}

fn facts() -> Option<Vec<Fact>> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED names no folder with the list of registers");
        return None;
    };
    let list = Path::new(&shared).join("meters/modbus-registers.tsv");
    let text = std::fs::read_to_string(list).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    let rows = rows.map(|line| line.split('\t').collect::<Vec<_>>());
    let fact = |row: Vec<&str>| {
        let divisor = match row[7] {
            "0.001" => 3,
            "1" => 0,
            "10" => -1,
            "100" => -2,
            "1000" => -3,
            other => panic!("{other}"),
        };
        let (kilo, unit) = match row[8].strip_prefix('k') {
            Some(unit) => (3, unit),
            None => (0, row[8]),
        };
        Fact {
            meter: row[0].to_owned(),
            obis: obis(row[1]),
            address: match row[3].strip_prefix("0x") {
                Some(digits) => u16::from_str_radix(digits, 16).unwrap(),
                None => row[3].parse().unwrap(),
            },
            function: row[4].parse().unwrap(),
            kind: row[5].to_owned(),
            swapped: row[6] == "swapped",
            scale: divisor + kilo,
            unit: unit.parse().unwrap(),
        }
    };
    Some(rows.filter(|row| row[1] != "-").map(fact).collect())
}

fn put(table: &mut Table, fact: &Fact, bits: u64, count: usize) {
    let mut words = words(bits, count);
    if fact.swapped {
        words.reverse();
    }
    table.put(fact.function, fact.address, &words);
}

#[tokio::test]
async fn each_template_of_the_catalogue_reads_what_the_list_of_registers_says() {
    let Some(facts) = facts() else { return };
    let mut meters: Vec<&str> = facts.iter().map(|fact| fact.meter.as_str()).collect();
    meters.dedup();
    assert_eq!(meters.len(), 13);
    for meter in meters {
        let facts: Vec<&Fact> = facts.iter().filter(|fact| fact.meter == meter).collect();
        let (mut table, mut expected) = (Table::default(), Vec::new());
        for (number, fact) in (1_i64..).zip(&facts) {
            let decimals = if fact.kind.starts_with("float") { 2 } else { 0 };
            let negative = fact.obis.to_bytes()[2] == 16 || fact.obis.to_bytes()[2] == 76;
            // Above 16 bits, so that the order of words shows.
            let digits = (654_300 + number) * if negative { -1 } else { 1 };
            let (bits, count) = encoded(&fact.kind, digits, decimals);
            put(&mut table, fact, bits, count);
            let value = ScaledInteger::new(digits.into(), fact.scale - decimals);
            expected.push((fact.obis, value, fact.unit));
        }
        let server = Server::start(table, Trick::None).await;
        let mut source = Source::catalogue(over_tcp(&server.address, meter));
        let telegram = source.telegram().await;
        assert!(
            telegram.server_id.is_empty(),
            "{meter} tells no serial number"
        );
        assert_eq!(
            telegram.entries.len(),
            expected.len(),
            "{meter}: {telegram:?}"
        );
        for (obis, value, unit) in expected {
            assert_eq!(telegram.number(obis), Some(value), "{meter} {obis}");
            assert_eq!(
                telegram.entry(obis).unwrap().unit,
                Some(unit),
                "{meter} {obis}"
            );
        }

        // Not available: no number for floats, the rule of the ABB B23 for integers.
        let mut left_out = 0;
        for fact in &facts {
            let (bits, count) = match fact.kind.as_str() {
                "float32" => (f32::NAN.to_bits().into(), 2),
                "float64" => (f64::NAN.to_bits(), 4),
                "uint64" if meter == "abb-b23" => (u64::MAX, 4),
                "int32" if meter == "abb-b23" => (0x7fff_ffff, 2),
                _ => continue,
            };
            put(&mut server.table.lock().unwrap(), fact, bits, count);
            left_out += 1;
        }
        let without = loop {
            let next = source.telegram().await;
            if left_out == 0 || next.entries.len() < facts.len() {
                break next; // the first may have been read before the table changed
            }
        };
        assert_eq!(without.entries.len(), facts.len() - left_out, "{meter}");
    }
}

/// Points of the models in their order, with the number of registers; what is not read is only
/// counted.
fn points(float: bool) -> Vec<(&'static str, u16)> {
    let integer = "A AphA AphB AphC A_SF PhV PhVphA PhVphB PhVphC PPV PPVphAB PPVphBC PPVphCA V_SF Hz \
                   Hz_SF W WphA WphB WphC W_SF VA VAphA VAphB VAphC VA_SF VAR VARphA VARphB VARphC \
                   VAR_SF PF PFphA PFphB PFphC PF_SF TotWhExp TotWhExpPhA TotWhExpPhB TotWhExpPhC \
                   TotWhImp TotWhImpPhA TotWhImpPhB TotWhImpPhC TotWh_SF";
    let names = integer.split_whitespace();
    if float {
        let names = names.filter(|name| !name.ends_with("_SF"));
        names.map(|name| (name, 2)).collect()
    } else {
        let long = |name: &str| name.starts_with("TotWh") && !name.ends_with("_SF");
        names
            .map(|name| (name, if long(name) { 2 } else { 1 }))
            .collect()
    }
}

/// A device with the common model, an inverter's model and a meter model, in this order.
fn sunspec(base: u16, model: u16, put: &dyn Fn(&str) -> Option<Vec<u16>>) -> Table {
    let text = |text: &str, count: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(count * 2, 0);
        let pairs = bytes.chunks(2);
        pairs
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect::<Vec<u16>>()
    };
    let mut table = Table::default();
    table.put(3, base, &[0x5375, 0x6e53]);
    let common = base + 2;
    table.put(3, common, &[1, 66]);
    table.put(3, common + 2, &[0; 66]);
    table.put(3, common + 2, &text("Fronius", 16));
    table.put(3, common + 18, &text("Smart Meter TS 65A-3", 16));
    table.put(3, common + 50, &text("1234567890", 16));
    let inverter = common + 68;
    table.put(3, inverter, &[103, 50]);
    table.put(3, inverter + 2, &[7; 50]);
    let meter = inverter + 52;
    let float = model > 210;
    let length = if float { 124 } else { 105 };
    table.put(3, meter, &[model, length]);
    table.put(3, meter + 2, &vec![0; length.into()]);
    let mut offset = 2;
    for (name, size) in points(float) {
        let absent = match (float, size) {
            (true, _) => vec![0x7fc0, 0],
            (false, 1) => vec![0x8000],
            _ => vec![0, 0],
        };
        let words = put(name).unwrap_or(absent);
        assert_eq!(words.len(), usize::from(size), "{name}");
        table.put(3, meter + offset, &words);
        offset += size;
    }
    table.put(3, meter + length + 2, &[0xffff, 0]);
    table
}

fn integers(name: &str) -> Option<Vec<u16>> {
    Some(match name {
        "TotWhImp" => vec![0x0012, 0xd687], // 1234567
        "TotWhExp" => vec![0xfedc, 0xba98], // unsigned
        "TotWh_SF" => vec![1],
        "W" => vec![u16::from_ne_bytes((-1234_i16).to_ne_bytes())],
        "WphA" => vec![100],
        "WphB" => vec![0xff38], // -200
        "W_SF" => vec![0xffff], // -1
        "PhVphA" => vec![23_010],
        "V_SF" => vec![0xfffe],
        "Hz" => vec![5001],
        "Hz_SF" => vec![0xfff5], // -11: no scale factor
        _ => return None,
    })
}

fn floats(name: &str) -> Option<Vec<u16>> {
    Some(float32(match name {
        "TotWhImp" => "12345670",
        "TotWhExp" => "76500.5",
        "W" => "-123.4",
        "WphA" => "10",
        "WphB" => "-20",
        "PhVphA" => "230.1",
        _ => return None,
    }))
}

#[tokio::test]
async fn all_eight_meter_models_of_sunspec_are_found_and_read() {
    for (number, model) in [201, 202, 203, 204, 211, 212, 213, 214]
        .into_iter()
        .enumerate()
    {
        let base = [40000, 0, 50000][number % 3];
        let float = model > 210;
        let table = sunspec(base, model, if float { &floats } else { &integers });
        let server = Server::start(table, Trick::None).await;
        let mut source = Source::catalogue(over_tcp(&server.address, "sunspec"));
        let telegram = source.telegram().await;
        assert_eq!(telegram.server_id, b"1234567890", "{model}");
        assert_eq!(telegram.maker().as_deref(), Some("Fronius"));
        let expected = [
            ("1.8.0", Some((12_345_670, 0))),
            (
                "2.8.0",
                Some(if float {
                    (765_005, -1)
                } else {
                    (0xfedc_ba98, 1)
                }),
            ),
            ("16.7.0", Some((-1234, -1))),
            ("36.7.0", Some((100, -1))),
            ("56.7.0", Some((-200, -1))),
            ("76.7.0", None),
            ("32.7.0", Some((2301, -1))),
            ("52.7.0", None),
            ("14.7.0", None),
        ];
        for (code, value) in expected {
            let value = value.map(|(mantissa, exponent)| ScaledInteger::new(mantissa, exponent));
            assert_eq!(telegram.number(obis(code)), value, "{model} {code}");
        }
    }
}

#[tokio::test]
async fn a_meter_that_counts_power_the_other_way_round_is_turned() {
    let table = sunspec(40000, 203, &integers);
    let server = Server::start(table, Trick::None).await;
    let mut profile = over_tcp(&server.address, "sunspec");
    profile.positive = Direction::Export;
    let telegram = Source::catalogue(profile).telegram().await;
    let number = |code| telegram.number(obis(code)).unwrap();
    assert_eq!(number("16.7.0"), ScaledInteger::new(1234, -1));
    assert_eq!(number("56.7.0"), ScaledInteger::new(200, -1));
    assert_eq!(number("1.8.0"), ScaledInteger::new(12_345_670, 0));
    assert_eq!(number("32.7.0"), ScaledInteger::new(2301, -1));
}

#[tokio::test]
async fn devices_without_a_meter_of_sunspec_are_named() {
    let state = async |table: Table| {
        let server = Server::start(table, Trick::None).await;
        let mut source = Source::catalogue(over_tcp(&server.address, "sunspec"));
        assert_eq!(source.state().await, SourceState::Open);
        source.state().await
    };
    let none = SourceState::Modbus(Fault::NoSunSpec);
    assert_eq!(state(Table::default()).await, none);
    let inverter = sunspec(40000, 104, &integers);
    assert_eq!(
        state(inverter).await,
        SourceState::Modbus(Fault::NoMeterModel)
    );

    let mut short = sunspec(40000, 203, &integers);
    short.put(3, 40122, &[203, 104]);
    let mut endless = Table::default();
    endless.put(3, 0, &[0x5375, 0x6e53]);
    endless.put(3, 2, &vec![64; 20_000]);
    let mut beyond = Table::default();
    beyond.put(3, 50000, &[0x5375, 0x6e53, 64, 60_000]);
    for (table, what) in [
        (short, "a meter model is too short"),
        (endless, "it has no end"),
        (beyond, "a model reaches beyond the last register"),
    ] {
        match state(table).await {
            SourceState::Modbus(Fault::BrokenModels { what: got, .. }) => assert_eq!(got, what),
            state => panic!("{state:?}"),
        }
    }
}

#[tokio::test]
async fn the_owners_template_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my-meter.yaml");
    let mut table = Table::default();
    table.put(4, 0x48, &[0, 4711]);
    let server = Server::start(table, Trick::None).await;
    let mut profile = over_tcp(&server.address, "my-meter");
    profile.templates = Some(folder.path().to_owned());
    let mut source = Source::by_profile(profile);
    // `check` has seen it, but it is gone.
    let state = source.state().await.to_string();
    assert!(state.contains("no template `my-meter`"), "{state}");
    // Somebody is writing it.
    let template = "name: my-meter\nmaker: Someone\nmodel: M1\nregisters:\n  - { obis: 1.8.0, address: \
                    0x48, function: 4, type: uint32, unit: Wh }\n";
    std::fs::write(&file, &template[..20]).unwrap();
    let state = source.state().await.to_string();
    assert!(state.contains("my-meter.yaml"), "{state}");
    std::fs::write(&file, template).unwrap();
    assert_eq!(source.state().await, SourceState::Open);
    let register = source.telegram().await.number(obis("1.8.0"));
    assert_eq!(register, Some(ScaledInteger::new(4711, 0)));
}
