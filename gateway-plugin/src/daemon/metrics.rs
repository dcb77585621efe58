//! The status as metrics: a file that Prometheus' node exporter reads (its textfile collector), or
//! whatever else reads the `OpenMetrics` text format.
//!
//! Reasons of refusals are labels, under the names that log and status have for them.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::status::{MeterStatus, Status, TariffStatus};

/// The metrics of one moment, with net and gateway as labels.
///
/// # Errors
///
/// [`fmt::Error`] if the encoder fails, which it does not for a string.
pub(crate) fn text(status: &Status) -> Result<String, fmt::Error> {
    let labels = [
        ("net".into(), status.net.clone().into()),
        ("client".into(), status.client.clone().into()),
    ];
    let mut registry = Registry::with_prefix_and_labels("dcnet_gateway", labels.into_iter());
    registry.register_collector(Box::new(Snapshot(status.clone())));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Snapshot(Status);

impl Collector for Snapshot {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let status = &self.0;
        let phase = [(status.phase.as_str(), gauge(1))];
        labelled(
            &mut to,
            "phase",
            "How far the membership is",
            "phase",
            phase,
        )?;
        let gauges = [
            (
                "evidence_files",
                "Files that prove that the provider lied",
                Some(count(&status.evidence)),
            ),
            ("epoch", "Number of the epoch in force", status.epoch),
            ("members", "Active members of the epoch", status.members),
            (
                "neighbours",
                "Own active neighbours in the epoch",
                status.neighbours,
            ),
            (
                "log_entries",
                "Entries of the membership log that are proved",
                Some(status.log_size),
            ),
            (
                "comparing",
                "1 while a neighbour's log is to be shown to be this one",
                Some(status.comparing.into()),
            ),
            (
                "last_round",
                "Number of the round sealed last",
                status.last_round,
            ),
            (
                "start_timestamp_seconds",
                "When the daemon was started",
                Some(status.started / 1000),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let metric = gauge(value);
                metric.encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
            }
        }
        let counters = [
            (
                "rounds_acknowledged",
                "Rounds that the provider has given receipts for",
                status.rounds_acknowledged,
            ),
            (
                "rounds_missed",
                "Rounds without a frame",
                status.rounds_missed,
            ),
            (
                "faults",
                "What a correct provider or member does not send",
                status.faults,
            ),
        ];
        for (name, help, value) in counters {
            let metric = ConstCounter::new(value);
            metric.encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        meters(&mut to, &status.meters)?;
        tariffs(&mut to, &status.tariffs)?;
        let help = "Corrections and rosters that were refused";
        let reasons = by_reason(&status.refusals);
        labelled(&mut to, "requests_refused", help, "reason", reasons)?;
        let help = "Rounds for which nothing was sealed";
        let reasons = by_reason(&status.rounds_refused);
        labelled(&mut to, "rounds_refused", help, "reason", reasons)
    }
}

/// One value for each meter, or for each of its sources.
fn meters(to: &mut DescriptorEncoder<'_>, meters: &[MeterStatus]) -> fmt::Result {
    let heard = meters
        .iter()
        .filter_map(|meter| Some((meter.name.as_str(), gauge(meter.last_telegram? / 1000))));
    let help = "When the meter was heard of last";
    labelled(to, "last_telegram_timestamp_seconds", help, "meter", heard)?;
    let advised = meters
        .iter()
        .map(|meter| (meter.name.as_str(), gauge(meter.advice.is_some().into())));
    let help = "1 if the owner has something to do about the meter";
    labelled(to, "meter_needs_attention", help, "meter", advised)?;
    let counters = [
        ("telegrams", "Telegrams read"),
        (
            "telegrams_refused",
            "Telegrams that were damaged or not understood",
        ),
    ];
    for (number, (name, help)) in counters.into_iter().enumerate() {
        let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
        for meter in meters {
            for (place, source) in meter.sources.iter().enumerate() {
                let place = (place + 1).to_string();
                let labels = [
                    ("meter", meter.name.as_str()),
                    ("source", place.as_str()),
                    ("kind", source.kind.as_str()),
                ];
                let value = if number == 0 {
                    source.telegrams
                } else {
                    source.refused
                };
                ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

/// How far each tariff is; never what it counted.
fn tariffs(to: &mut DescriptorEncoder<'_>, tariffs: &[TariffStatus]) -> fmt::Result {
    let since = tariffs
        .iter()
        .filter_map(|tariff| Some((tariff.name.as_str(), gauge(tariff.since? / 1000))));
    let help = "From when on the billing period that runs counts";
    labelled(to, "tariff_since_timestamp_seconds", help, "tariff", since)?;
    let closed = tariffs
        .iter()
        .map(|tariff| (tariff.name.as_str(), gauge(tariff.closed)));
    let help = "Billing periods that are over and kept, or midnights";
    labelled(to, "tariff_periods_kept", help, "tariff", closed)?;
    let troubled = tariffs
        .iter()
        .map(|tariff| (tariff.name.as_str(), gauge(tariff.fault.is_some().into())));
    let help = "1 if the last quarter of an hour had no reading of the register";
    labelled(to, "tariff_reading_missing", help, "tariff", troubled)
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// One metric with a value for each of several labels; none if there are no values.
fn labelled<'a, M: EncodeMetric>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'a str, M)>,
) -> fmt::Result {
    let mut values = values.into_iter().peekable();
    let Some((_, first)) = values.peek() else {
        return Ok(());
    };
    let mut metric = to.encode_descriptor(name, help, None, first.metric_type())?;
    for (value, number) in values {
        number.encode(metric.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

/// Counters by reason.
fn by_reason(counts: &BTreeMap<String, u64>) -> impl Iterator<Item = (&str, ConstCounter<u64>)> {
    let counts = counts.iter();
    counts.map(|(reason, count)| (reason.as_str(), ConstCounter::new(*count)))
}

fn count<T>(list: &[T]) -> u64 {
    list.len().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::status::SourceStatus;
    use super::*;

    #[test]
    fn each_refusal_is_a_label_and_what_is_not_known_is_left_out() {
        let status = Status {
            net: "zwinger".to_owned(),
            client: "gw-1".to_owned(),
            phase: "active".to_owned(),
            rounds_acknowledged: 7,
            meters: vec![MeterStatus {
                name: "cellar".to_owned(),
                last_telegram: Some(1_700_000_000_999),
                sources: vec![SourceStatus {
                    kind: "sml".to_owned(),
                    telegrams: 9,
                    refused: 2,
                    ..SourceStatus::default()
                }],
                ..MeterStatus::default()
            }],
            tariffs: vec![
                TariffStatus {
                    name: "day-night".to_owned(),
                    since: Some(1_700_000_000_000),
                    closed: 3,
                    ..TariffStatus::default()
                },
                TariffStatus {
                    name: "daily".to_owned(),
                    fault: Some("the meter is silent".to_owned()),
                    ..TariffStatus::default()
                },
            ],
            refusals: [("two-rosters".to_owned(), 1), ("not-current".to_owned(), 2)].into(),
            rounds_refused: [("unproved".to_owned(), 3)].into(),
            ..Status::default()
        };
        let text = text(&status).unwrap();
        let own = r#"net="zwinger",client="gw-1""#;
        let source = r#"meter="cellar",source="1",kind="sml""#;
        for line in [
            format!("dcnet_gateway_phase{{{own},phase=\"active\"}} 1"),
            format!("dcnet_gateway_rounds_acknowledged_total{{{own}}} 7"),
            format!("dcnet_gateway_requests_refused_total{{{own},reason=\"two-rosters\"}} 1"),
            format!("dcnet_gateway_requests_refused_total{{{own},reason=\"not-current\"}} 2"),
            format!("dcnet_gateway_rounds_refused_total{{{own},reason=\"unproved\"}} 3"),
            format!(
                "dcnet_gateway_last_telegram_timestamp_seconds{{{own},meter=\"cellar\"}} 1700000000"
            ),
            format!("dcnet_gateway_telegrams_total{{{own},{source}}} 9"),
            format!("dcnet_gateway_telegrams_refused_total{{{own},{source}}} 2"),
            format!(
                "dcnet_gateway_tariff_since_timestamp_seconds{{{own},tariff=\"day-night\"}} 1700000000"
            ),
            format!("dcnet_gateway_tariff_periods_kept{{{own},tariff=\"day-night\"}} 3"),
            format!("dcnet_gateway_tariff_periods_kept{{{own},tariff=\"daily\"}} 0"),
            format!("dcnet_gateway_tariff_reading_missing{{{own},tariff=\"daily\"}} 1"),
        ] {
            assert!(
                text.lines().any(|printed| printed == line),
                "{line}\n{text}"
            );
        }
        for unknown in [
            "dcnet_gateway_epoch",
            "since_timestamp_seconds{net=\"zwinger\",client=\"gw-1\",tariff=\"daily\"",
        ] {
            assert!(!text.contains(unknown), "{text}");
        }
    }
}
