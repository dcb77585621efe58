//! The XML of the transparency software to its values.

use dcnet_obis::{ObisCode, PtbLevel, StatusWord};
use dcnet_protocol::round::UnixTime;
use jiff::Timestamp;

use super::tree::{Element, ReadError, parse};
use super::{AnalysisProfile, ReadingStatus, Series, SeriesReading, Span, TariffStage, UsagePoint};

impl UsagePoint {
    /// Reads the first metering point of a file. Namespaces are not looked at, elements that are
    /// not known are passed over.
    ///
    /// # Errors
    ///
    /// What is no such file, or what an element lacks.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let root = parse(text)?;
        let point = root.get("UsagePoint")?;
        let gateway = point.get("SMGW")?;
        Ok(Self {
            kind: point.get("ServiceCategory")?.number("kind")?,
            usage_point_id: point.text_of("usagePointId")?,
            customer_id: point.get("Customer")?.text_of("customerId")?,
            invoicing_party_id: point.get("InvoicingParty")?.text_of("invoicingPartyId")?,
            cert_id: gateway.number("certId")?,
            smgw_id: gateway.text_of("smgwId")?,
            tariff_name: point.text_of("tariffName")?,
            analysis: point.find("AnalysisProfile").map(analysis).transpose()?,
            series: point
                .all("MeterReading")
                .map(series)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn analysis(profile: &Element) -> Result<AnalysisProfile, ReadError> {
    let stage = |stage: &Element| {
        Ok(TariffStage {
            number: stage.number("tariffNumber")?,
            description: stage.text_of("description")?,
            obis: stage.text_of("obisCode")?,
        })
    };
    Ok(AnalysisProfile {
        use_case: profile.number("tariffUseCase")?,
        tariff_id: profile.text_of("tariffId")?,
        period: span(profile.get("billingPeriod")?)?,
        stages: profile
            .all("TariffStage")
            .map(stage)
            .collect::<Result<_, _>>()?,
        default_stage: profile.number("defaultTariffNumber")?,
    })
}

fn series(reading: &Element) -> Result<Series, ReadError> {
    let kind = reading.get("ReadingType")?;
    let block = reading.get("IntervalBlock")?;
    let period = kind.find("measurementPeriod");
    Ok(Series {
        meter_id: reading.get("Meter")?.text_of("meterId")?,
        reading_id: reading.text_of("meterReadingId")?,
        multiplier: kind.number("powerOfTenMultiplier")?,
        uom: kind.number("uom")?,
        scaler: kind.number("scaler")?,
        obis: obis(kind.get("obisCode")?)?,
        qualified_name: kind.text_of("qualifiedLogicalName")?,
        period: period
            .map(|_| kind.number("measurementPeriod"))
            .transpose()?,
        span: span(block.get("interval")?)?,
        readings: block
            .all("IntervalReading")
            .map(value)
            .collect::<Result<_, _>>()?,
    })
}

fn value(reading: &Element) -> Result<SeriesReading, ReadError> {
    Ok(SeriesReading {
        value: reading.number("value")?,
        taken: span(reading.get("timePeriod")?)?,
        target: reading.find("targetTime").map(time).transpose()?,
        status: status(reading)?,
    })
}

fn status(reading: &Element) -> Result<Option<ReadingStatus>, ReadError> {
    if let Some(word) = reading.find("statusFNN") {
        let parsed = StatusWord::from_gateway_hex(word.text.trim());
        let parsed = parsed.ok_or_else(|| word.wrong("a word of 16 hexadecimal digits"))?;
        return Ok(Some(ReadingStatus::Fnn(parsed)));
    }
    let Some(level) = reading.find("statusPTB") else {
        return Ok(None);
    };
    let number = PtbLevel::from_code(reading.number("statusPTB")?);
    let number = number.ok_or_else(|| level.wrong("a level from 0 to 4"))?;
    Ok(Some(ReadingStatus::Ptb(number)))
}

fn span(element: &Element) -> Result<Span, ReadError> {
    Ok(Span {
        begin: time(element.get("start")?)?,
        seconds: element.number("duration")?,
    })
}

fn time(element: &Element) -> Result<UnixTime, ReadError> {
    let parsed: Option<Timestamp> = element.text.trim().parse().ok();
    let millis = parsed.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let wrong = || element.wrong("a time with its offset, from 1970 on");
    millis.map(UnixTime::from_millis).ok_or_else(wrong)
}

fn obis(element: &Element) -> Result<ObisCode, ReadError> {
    let bytes = crate::text::hex(element.text.trim()).ok();
    let bytes = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    let wrong = || element.wrong("a code of 12 hexadecimal digits");
    bytes.map(ObisCode::from).ok_or_else(wrong)
}
