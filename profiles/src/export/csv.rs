//! Registers and series as CSV (RFC 4180): exact decimals, local time with its offset.

use dcnet_obis::ScaledInteger;
use dcnet_protocol::round::UnixTime;

use super::{Series, symbol};
use crate::tariff::{ClosedPeriod, Closure, Running, TariffProfile, Zone};

/// One line for each register of each closed period of a tariff: `total`, the stages, `error`. The
/// period that is not over yet comes last, closed by nothing.
///
/// # Errors
///
/// None but want of memory: it is written into a string.
pub fn billing_csv(
    tariff: &TariffProfile,
    periods: &[ClosedPeriod],
    running: Option<&Running>,
) -> Result<String, ::csv::Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "tariff",
        "begin",
        "end",
        "from",
        "to",
        "register",
        "obis",
        "value",
        "unit",
        "closed_by",
    ])?;
    let text = |time: UnixTime| tariff.zone.text(time).unwrap_or_default();
    let obis = tariff.obis.to_string();
    let closed = periods
        .iter()
        .map(|closed| (&closed.period, closure(closed.closure)));
    let running = running.map(|running| (&running.period, ""));
    for (period, closed_by) in closed.chain(running) {
        let mut registers = vec![("total", period.total())];
        if !tariff.stages.is_empty() {
            let stages = period.stages.iter();
            registers.extend(stages.map(|(name, value)| (name.as_str(), *value)));
        }
        registers.push(("error", period.error));
        let times = [period.begin, period.end, period.from.time, period.to.time].map(text);
        for (register, value) in registers {
            let value = ScaledInteger::new(value.into(), tariff.scale).to_string();
            let [begin, end, from, to] = &times;
            writer.write_record([
                tariff.name.as_str(),
                begin,
                end,
                from,
                to,
                register,
                &obis,
                &value,
                tariff.unit.symbol(),
                closed_by,
            ])?;
        }
    }
    finish(writer)
}

/// One line for each value of the series.
///
/// # Errors
///
/// As for [`billing_csv`].
pub fn series_csv(series: &[Series], zone: &Zone) -> Result<String, ::csv::Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "meter",
        "obis",
        "time",
        "taken",
        "value",
        "unit",
        "ptb_level",
    ])?;
    let text = |time: UnixTime| zone.text(time).unwrap_or_default();
    for one in series {
        let obis = one.obis.to_string();
        for reading in &one.readings {
            let level = reading
                .status
                .map(|status| status.ptb_level().code().to_string());
            writer.write_record([
                one.meter_id.as_str(),
                &obis,
                &text(reading.target.unwrap_or(reading.taken.begin)),
                &text(reading.taken.begin),
                &one.exact(reading).to_string(),
                symbol(one.uom),
                &level.unwrap_or_default(),
            ])?;
        }
    }
    finish(writer)
}

fn closure(closure: Closure) -> &'static str {
    match closure {
        Closure::Ended => "end",
        Closure::Gap => "gap",
        Closure::Replaced => "replaced",
        Closure::Changed => "changed",
    }
}

fn finish(writer: ::csv::Writer<Vec<u8>>) -> Result<String, ::csv::Error> {
    let bytes = writer.into_inner().map_err(|error| {
        let error = error.into_error();
        ::csv::Error::from(error)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned()) // only text was written
}
