//! What is looked at when somebody asks: the nets as they stand at that moment.

use std::fmt;
use std::sync::Arc;

use dcnet_protocol::round::UnixTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::super::now;
use super::{ENDS, Last, NetWatch, Nets, seconds};

/// A net at one moment.
struct View {
    net: String,
    least: u64,
    members: u64,
    interval: u64,
    /// By when the next round has to be final.
    due: Option<UnixTime>,
    last: Option<Last>,
    rounds: [u64; 3],
    corrections: u64,
}

impl View {
    /// The net, if it is served.
    fn of(watch: &Arc<NetWatch>, now: UnixTime) -> Option<Self> {
        let state = watch.state();
        let due = state.due(watch.since);
        state.is_served.then(|| Self {
            net: watch.net.to_string(),
            least: watch.least,
            members: state.members(watch.schedule.round_at(now)),
            interval: watch.schedule.interval_millis(),
            due: due.map(|round| watch.schedule.correction_deadline(round)),
            last: state.last,
            rounds: state.rounds,
            corrections: state.corrections,
        })
    }

    /// One interval after a round had to be final, the one before it is two intervals ago.
    fn is_late(&self, now: UnixTime) -> bool {
        self.due
            .is_some_and(|due| due.plus_millis(self.interval) < now)
    }
}

impl Collector for Nets {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let now = now();
        let all = self.all();
        let views: Vec<_> = all.iter().filter_map(|net| View::of(net, now)).collect();
        let number = |wanted: &dyn Fn(&View) -> bool| {
            let count = views.iter().filter(|view| wanted(view)).count();
            super::count(count)
        };
        let totals = [
            ("nets_served", "Nets that are served", number(&|_| true)),
            (
                "nets_late",
                "Nets of which no round has become final for two intervals",
                number(&|view| view.is_late(now)),
            ),
            (
                "nets_below_least",
                "Nets with fewer active members than a round needs",
                number(&|view| view.members < view.least),
            ),
            (
                "nets_without_series",
                "Nets beyond --metrics-nets, which are in the totals only",
                super::count(views.len().saturating_sub(self.labelled)),
            ),
            (
                "members_active",
                "Active members of all nets",
                views.iter().map(|view| view.members).sum(),
            ),
        ];
        for (name, help, value) in totals {
            let metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        let shown = views.get(..self.labelled).unwrap_or(&views);
        gauges(&mut to, shown)?;
        times(&mut to, shown)?;
        counters(&mut to, shown)
    }
}

fn gauges(to: &mut DescriptorEncoder<'_>, nets: &[View]) -> fmt::Result {
    type Number = fn(&View) -> Option<u64>;
    let gauges: [(_, _, Number); 5] = [
        ("net_members_active", "Active members of the net", |net| {
            Some(net.members)
        }),
        (
            "net_members_least",
            "Members that a round of the net needs",
            |net| Some(net.least),
        ),
        (
            "net_round_contributors",
            "Members whose readings are in the last final round",
            |net| Some(net.last?.contributors),
        ),
        (
            "net_round_silent",
            "Members present without a reading in the last final round",
            |net| Some(net.last?.silent),
        ),
        (
            "net_round_missing",
            "Members without a frame in the last final round",
            |net| Some(net.last?.missing),
        ),
    ];
    for (name, help, value) in gauges {
        series(to, name, help, nets, |net| value(net).map(ConstGauge::new))?;
    }
    Ok(())
}

fn times(to: &mut DescriptorEncoder<'_>, nets: &[View]) -> fmt::Result {
    type Time = fn(&View) -> Option<u64>;
    let times: [(_, _, Time); 4] = [
        (
            "net_round_closing_seconds",
            "From the border of the last final round to its end",
            |net| Some(net.last?.closing),
        ),
        (
            "net_round_final_timestamp_seconds",
            "When the last round became final, since the server was started",
            |net| Some(net.last?.at.millis()),
        ),
        (
            "net_round_due_timestamp_seconds",
            "By when the next round has to be final; none without active members",
            |net| Some(net.due?.millis()),
        ),
        (
            "net_interval_seconds",
            "Length of a round of the net",
            |net| Some(net.interval),
        ),
    ];
    for (name, help, value) in times {
        series(to, name, help, nets, |net| {
            value(net).map(|millis| ConstGauge::new(seconds(millis)))
        })?;
    }
    Ok(())
}

fn counters(to: &mut DescriptorEncoder<'_>, nets: &[View]) -> fmt::Result {
    if nets.is_empty() {
        return Ok(());
    }
    let help = "Rounds of the net that became final, by how they ended";
    let mut metric = to.encode_descriptor("net_rounds", help, None, MetricType::Counter)?;
    for net in nets {
        for (status, rounds) in ENDS.into_iter().zip(net.rounds) {
            let labels = [("net", net.net.as_str()), ("status", status)];
            ConstCounter::new(rounds).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "Rounds of the net for which a correction was opened";
    let mut metric = to.encode_descriptor("net_corrections", help, None, MetricType::Counter)?;
    for net in nets {
        let labels = [("net", net.net.as_str())];
        ConstCounter::new(net.corrections).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// One gauge with a value for each net that has one; none if no net has.
fn series<N: prometheus_client::encoding::EncodeGaugeValue>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    nets: &[View],
    value: impl Fn(&View) -> Option<ConstGauge<N>>,
) -> fmt::Result
where
    ConstGauge<N>: prometheus_client::encoding::EncodeMetric,
{
    let values: Vec<_> = nets
        .iter()
        .filter_map(|net| Some((net.net.as_str(), value(net)?)))
        .collect();
    if values.is_empty() {
        return Ok(());
    }
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (net, number) in values {
        number.encode(metric.encode_family(&[("net", net)])?)?;
    }
    Ok(())
}
