//! `dcnet export mscons`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::super::{CliError, Outcome};
use super::{Output, What};
use crate::export::mscons::{Days, Interchange, MsconsConfig, MsconsError};
use crate::export::{ExportError, Reading, values};

const AFTER_HELP: &str = "\
Ids of market partners and locations belong to licensed roles; they come from a configuration, YAML:
  sender: {id: \"9900357000004\", agency: bdew}     # bdew, dvgw or gs1
  receiver: {id: \"4012345000023\", agency: gs1}
  kind: sum-series                   # 13003; load-curve is 13025
  series:
    - net: elbe-4
      slot: 1-0:1.8.0*255            # as `dcnet net show` prints it
      location: \"51238696799\"        # market location, or metering point (33 characters)
      product: 1-1:1.29.0            # OBIS code under which the market knows the series

One message per series and whole day in Europe/Berlin: 96 values, 92 and 100 when clocks are moved.
Days that are not whole are left out. A day with a round without a sum is refused: neither kind can
say that a value is missing.

Example:
  dcnet export mscons elbe-4 --config mscons.yaml --from 2026-10-31T23:00:00Z --out november.edi";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Mscons {
    #[command(flatten)]
    what: What,
    /// Who sends what to whom, YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Mscons {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let config = MsconsConfig::from_file(&self.config).map_err(ExportError::from)?;
        let read = self.what.open().await?;
        let admin = read.admin().clone();
        // Nets that cannot be sent are refused before anything is said of sums that leave.
        for index in 0..read.series.len() {
            listed(&config, &read, index).map_err(ExportError::from)?;
        }
        let writing = write(&config, read, self.what.begin()?);
        self.what.noted(&admin, "mscons", writing).await
    }
}

async fn write(config: &MsconsConfig, mut read: Reading, out: Output) -> Result<Outcome, CliError> {
    let mut interchange = begin(config, out)?;
    for index in 0..read.series.len() {
        for series in listed(config, &read, index).map_err(ExportError::from)? {
            read.rewind();
            let mut days = Days::new().map_err(ExportError::from)?;
            while let Some((net, page)) = read.page(index).await? {
                for round in page {
                    let values = values(net, &round);
                    let value = values.into_iter().find(|value| value.obis == series.slot);
                    if let Some(day) = value.and_then(|value| days.push(value)) {
                        interchange.day(series, &day).map_err(ExportError::from)?;
                    }
                }
            }
        }
    }
    interchange.finish().map_err(ExportError::from)?.finish()
}

fn begin(config: &MsconsConfig, out: Output) -> Result<Interchange<'_, Output>, CliError> {
    Ok(Interchange::begin(config, out, Timestamp::now()).map_err(ExportError::from)?)
}

/// The series of a net, if it can be sent.
fn listed<'a>(
    config: &'a MsconsConfig,
    read: &Reading,
    index: usize,
) -> Result<Vec<&'a crate::export::mscons::MsconsSeries>, MsconsError> {
    let Some(net) = read.series.get(index) else {
        return Ok(Vec::new());
    };
    if net.interval() != 900 {
        return Err(MsconsError::Interval {
            net: net.net,
            interval: net.interval(),
        });
    }
    let listed = config.of(net.net)?;
    for series in &listed {
        let slot = series.slot.clone();
        let found = net.slots.iter().find(|found| found.obis == slot);
        match found {
            None => return Err(MsconsError::NoSlot { net: net.net, slot }),
            Some(found) if found.unit != "Wh" => {
                let (net, unit) = (net.net, found.unit.clone());
                return Err(MsconsError::Unit { net, slot, unit });
            }
            Some(_) => {}
        }
    }
    Ok(listed)
}
