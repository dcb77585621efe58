//! `export`: the registers of a tariff, out of what the daemon left beside its ledger.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use dcnet_profiles::export::{Series, UsagePoint, billing_csv, series_csv};
use dcnet_profiles::meter::DeviceId;
use dcnet_profiles::tariff::RegisterReading;
use dcnet_profiles::{Profile, TariffProfile};

use super::{EXIT_CONFIG, fail};
use crate::daemon::status::replace;
use crate::tariffs::{self, Registers, Shown};

#[derive(Debug, Args)]
#[command(after_help = "\
The registers are those of the last quarter of an hour, whether the daemon runs or not. CSV has every \
billing period that is kept and, closed by nothing, the one that runs; XML, for the transparency \
software, those that are over. Of a tariff of use case 6 both have the values at midnight.

Exit code: 0 it was given out, 1 there is nothing to give out or it cannot be written, 78 the profile \
is wrong or has no such tariff.")]
pub(super) struct Export {
    #[command(flatten)]
    profile: super::Profile,
    /// Name of the tariff; may be left out if the profile has one
    #[arg(long, value_name = "NAME")]
    tariff: Option<String>,
    /// Form of what is given out
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Format,
    /// File to write, for the owner alone; standard output if left out
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// One line for each register of each period
    #[default]
    Csv,
    /// Of the transparency software (VDE-AR-E 2418-6)
    Xml,
}

pub(super) fn export(options: &Export) -> ExitCode {
    let profile = match Profile::load(&options.profile.file) {
        Ok(profile) => profile,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    let tariff = match choose(&profile, options.tariff.as_deref()) {
        Ok(tariff) => tariff,
        Err(problem) => return fail(&problem, EXIT_CONFIG),
    };
    let text = match text(&profile, tariff, options.format) {
        Ok(text) => text,
        Err(problem) => return fail(&problem, 1),
    };
    let Some(path) = &options.out else {
        // A reader that closes the pipe has what it wanted.
        return match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                fail(&format!("standard output: {error}"), 1)
            }
            _ => ExitCode::SUCCESS,
        };
    };
    match replace(path, text.as_bytes(), 0o600) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}: {error}", path.display()), 1),
    }
}

/// The tariff with that name, or the only one.
fn choose<'a>(profile: &'a Profile, name: Option<&str>) -> Result<&'a TariffProfile, String> {
    let tariffs = profile.tariffs.as_slice();
    let names: Vec<_> = tariffs.iter().map(|tariff| tariff.name.as_str()).collect();
    let names = names.join(", ");
    match (tariffs, name) {
        ([], _) => Err("the profile has no tariffs; add them under `tariffs:`".to_owned()),
        ([tariff], None) => Ok(tariff),
        (_, None) => Err(format!("choose a tariff with --tariff: {names}")),
        (_, Some(name)) => tariffs
            .iter()
            .find(|tariff| tariff.name == name)
            .ok_or_else(|| format!("the profile has no tariff {name}, but {names}")),
    }
}

fn text(profile: &Profile, tariff: &TariffProfile, format: Format) -> Result<String, String> {
    let directory = profile.state.display();
    let all = tariffs::read(&profile.state).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{directory}: there are no registers yet; has the daemon ever run?")
        }
        _ => format!("{directory}: {error}"),
    })?;
    let name = &tariff.name;
    let shown = all
        .into_iter()
        .find(|shown| shown.name == *name)
        .ok_or_else(|| format!("{directory}: the daemon keeps no {name} yet; start it anew"))?;
    if shown.kept.definition != tariff.definition() {
        return Err(format!(
            "{name} was changed in the profile since the daemon was started; start it anew"
        ));
    }
    let meter = match &tariff.meter {
        Some(meter) => meter.as_str(),
        None => profile.meters.first().map_or("", |meter| &meter.name),
    };
    match format {
        Format::Csv => csv(tariff, &shown, meter),
        Format::Xml => xml(tariff, &shown, meter),
    }
}

fn csv(tariff: &TariffProfile, shown: &Shown, meter: &str) -> Result<String, String> {
    let text = match &shown.kept.registers {
        Registers::Billing(state) => {
            if state.running().is_none() && shown.closed.is_empty() {
                return Err(nothing(tariff));
            }
            billing_csv(tariff, &shown.closed, state.running())
        }
        Registers::Daily(_) => series_csv(&series(tariff, shown, meter)?, &tariff.zone),
    };
    text.map_err(|error| error.to_string())
}

fn xml(tariff: &TariffProfile, shown: &Shown, meter: &str) -> Result<String, String> {
    let point = UsagePoint {
        kind: 0, // electricity
        usage_point_id: meter.to_owned(),
        // Empty if the owner has not named them: the form wants the elements.
        customer_id: tariff.customer.clone().unwrap_or_default(),
        invoicing_party_id: tariff.supplier.clone().unwrap_or_default(),
        cert_id: 0, // no certificate is in the file
        smgw_id: tariff.gateway.clone().unwrap_or_default(),
        tariff_name: tariff.name.clone(),
        analysis: None,
        series: series(tariff, shown, meter)?,
    };
    let text = point.write(&tariff.zone);
    text.map_err(|error| error.to_string())
}

/// A series for each register of each device; devices of which the source does not tell the id have
/// the name of the meter.
fn series(tariff: &TariffProfile, shown: &Shown, meter: &str) -> Result<Vec<Series>, String> {
    let id = |device: &DeviceId| {
        if device.as_bytes().is_empty() {
            meter.to_owned()
        } else {
            device.to_string()
        }
    };
    let series: Vec<_> = match &shown.kept.registers {
        Registers::Billing(_) => {
            let devices = shown
                .closed
                .chunk_by(|one, two| one.period.to.device == two.period.to.device);
            devices
                .filter_map(|periods| {
                    let device = id(&periods.first()?.period.to.device);
                    Some(Series::of_periods(&device, tariff, periods))
                })
                .flatten()
                .collect()
        }
        Registers::Daily(values) => {
            let values: Vec<RegisterReading> = values.values().cloned().collect();
            let devices = values.chunk_by(|one, two| one.device == two.device);
            devices
                .filter_map(|values| {
                    let device = id(&values.first()?.device);
                    Some(Series::of_days(&device, tariff, values))
                })
                .collect()
        }
    };
    if series.is_empty() {
        return Err(nothing(tariff));
    }
    Ok(series)
}

fn nothing(tariff: &TariffProfile) -> String {
    let name = &tariff.name;
    format!(
        "{name} has nothing to give out yet: registers begin with the first reading at a quarter of \
         an hour, values at midnight with the first midnight, and the XML has periods that are over"
    )
}
