//! Values to the XML of the transparency software.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{
    AnalysisProfile, ReadingStatus, Series, SeriesReading, Span, TariffStage, UsagePoint, hex,
};
use crate::tariff::Zone;

type Out = Writer<Vec<u8>>;

/// Namespaces of the format.
const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns", "http://vde.de/AR_2418-6.xsd"),
    ("xmlns:espi", "http://naesb.org/espi"),
    ("xmlns:atom", "http://www.w3.org/2005/Atom"),
];

impl UsagePoint {
    /// Writes a file with this one metering point; times with their offset in `zone`.
    ///
    /// # Errors
    ///
    /// A time lies after the year 9999.
    pub fn write(&self, zone: &Zone) -> io::Result<String> {
        let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
        out.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
        out.create_element("UsagePoints")
            .with_attributes(NAMESPACES)
            .write_inner_content(|out| {
                out.create_element("UsagePoint")
                    .write_inner_content(|out| self.point(out, zone))?;
                Ok(())
            })?;
        String::from_utf8(out.into_inner()).map_err(io::Error::other)
    }

    fn point(&self, out: &mut Out, zone: &Zone) -> io::Result<()> {
        within(out, "espi:ServiceCategory", |out| {
            text(out, "espi:kind", &self.kind)
        })?;
        text(out, "usagePointId", &self.usage_point_id)?;
        within(out, "Customer", |out| {
            text(out, "customerId", &self.customer_id)
        })?;
        within(out, "InvoicingParty", |out| {
            text(out, "invoicingPartyId", &self.invoicing_party_id)
        })?;
        within(out, "SMGW", |out| {
            text(out, "certId", &self.cert_id)?;
            text(out, "smgwId", &self.smgw_id)
        })?;
        text(out, "tariffName", &self.tariff_name)?;
        if let Some(profile) = &self.analysis {
            within(out, "AnalysisProfile", |out| analysis(out, profile, zone))?;
        }
        for one in &self.series {
            within(out, "MeterReading", |out| series(out, one, zone))?;
        }
        Ok(())
    }
}

fn analysis(out: &mut Out, profile: &AnalysisProfile, zone: &Zone) -> io::Result<()> {
    text(out, "tariffUseCase", &profile.use_case)?;
    text(out, "tariffId", &profile.tariff_id)?;
    span(out, "billingPeriod", profile.period, zone)?;
    for TariffStage {
        number,
        description,
        obis,
    } in &profile.stages
    {
        within(out, "TariffStage", |out| {
            text(out, "tariffNumber", number)?;
            text(out, "description", description)?;
            text(out, "obisCode", obis)
        })?;
    }
    text(out, "defaultTariffNumber", &profile.default_stage)
}

fn series(out: &mut Out, series: &Series, zone: &Zone) -> io::Result<()> {
    within(out, "Meter", |out| text(out, "meterId", &series.meter_id))?;
    text(out, "meterReadingId", &series.reading_id)?;
    within(out, "ReadingType", |out| {
        text(out, "espi:powerOfTenMultiplier", &series.multiplier)?;
        text(out, "espi:uom", &series.uom)?;
        text(out, "scaler", &series.scaler)?;
        text(out, "obisCode", &hex(series.obis))?;
        text(out, "qualifiedLogicalName", &series.qualified_name)?;
        match series.period {
            Some(period) => text(out, "measurementPeriod", &period),
            None => Ok(()),
        }
    })?;
    within(out, "IntervalBlock", |out| {
        span(out, "interval", series.span, zone)?;
        let mut readings = series.readings.iter();
        readings
            .try_for_each(|reading| within(out, "IntervalReading", |out| value(out, reading, zone)))
    })
}

fn value(out: &mut Out, reading: &SeriesReading, zone: &Zone) -> io::Result<()> {
    text(out, "espi:value", &reading.value)?;
    span(out, "timePeriod", reading.taken, zone)?;
    if let Some(target) = reading.target {
        text(out, "targetTime", &local(target, zone)?)?;
    }
    match reading.status {
        Some(ReadingStatus::Ptb(level)) => text(out, "statusPTB", &level.code()),
        Some(ReadingStatus::Fnn(word)) => {
            // The gateway's half first, in each half bit 0 first.
            let word = word.bits().rotate_left(32).reverse_bits();
            text(out, "statusFNN", &format_args!("{word:016X}"))
        }
        None => Ok(()),
    }
}

fn span(out: &mut Out, name: &'static str, span: Span, zone: &Zone) -> io::Result<()> {
    within(out, name, |out| {
        text(out, "duration", &span.seconds)?;
        text(out, "start", &local(span.begin, zone)?)
    })
}

fn local(time: dcnet_protocol::round::UnixTime, zone: &Zone) -> io::Result<String> {
    let beyond = || io::Error::other("a time lies after the year 9999");
    zone.text(time).ok_or_else(beyond)
}

fn within(
    out: &mut Out,
    name: &'static str,
    content: impl FnOnce(&mut Out) -> io::Result<()>,
) -> io::Result<()> {
    out.create_element(name).write_inner_content(content)?;
    Ok(())
}

fn text(out: &mut Out, name: &'static str, value: &impl ToString) -> io::Result<()> {
    let value = value.to_string();
    out.create_element(name)
        .write_text_content(BytesText::new(&value))?;
    Ok(())
}
