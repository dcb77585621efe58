//! `dcnet net`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::member::counted;
use super::order::Close;
use super::output::{self, few};
use super::progress::Progress;
use super::{CliError, JsonArg, NetArg, Outcome, StoreArg};
use crate::service::{Admin, Audit, NetView, OrderedView, Strength};

mod create;
mod descriptor;
mod log;
mod sharing;

pub(super) use create::{CreateError, Created};
pub(super) use descriptor::Written;
pub(super) use sharing::of_members;

/// Nets of a store.
#[derive(Debug, Subcommand)]
pub(super) enum Net {
    /// Create a net. Its parameters never change: every message is bound to them.
    Create(create::Create),
    /// List the nets.
    List(List),
    /// Show a net's parameters and how it stands.
    Show(One),
    /// Check a net's members and key graph; exit code 3 if there are problems.
    ///
    /// Looks at the key graph in force: number of members against the net's minimum size, degrees
    /// against the minimum of 3, whether the graph is connected, and whose loss alone would split
    /// it (articulation points). In a double-mask net it also looks at each member's holders, the
    /// active neighbours that the member drew itself: whoever has fewer than needed is left out; and at
    /// what the sharing of self-masks withstands. The membership log is replayed: the members of each
    /// epoch must follow from its entries, as gateways and auditors are shown them.
    /// Warnings do not change the exit code.
    #[command(after_help = "Example:\n  dcnet net audit elbe-4 || echo 'look at elbe-4'")]
    Audit(One),
    /// Write a net's descriptor to a file, for witnesses.
    Descriptor(descriptor::Descriptor),
    /// Close a net for good: rounds under way are finished, no more are held.
    ///
    /// From the next epoch on the net has no members. Its gateways are told, tell
    /// their households, and send nothing more; what is in the store stays there, and can be exported. There is
    /// no way back. Exit code 1 if the order is refused, with the reason; 5 if no server takes it in time.
    #[command(
        after_help = "Examples:\n  dcnet net close elbe-4 --reason 'replaced by elbe-5'\n  \
        dcnet net close elbe-4 --reason 'replaced by elbe-5' --yes --no-wait"
    )]
    Close(Close),
    /// Print the membership log: who was in the net when, as the provider signs it.
    Log(log::Log),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[command(flatten)]
    net: NetArg,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Net {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(list) => list.run().await,
            Self::Show(one) => one.show().await,
            Self::Audit(one) => one.audit().await,
            Self::Descriptor(descriptor) => descriptor.run().await,
            Self::Close(close) => close.run().await,
            Self::Log(log) => log.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let nets = admin.nets().await?;
        admin.close().await;
        if self.json.json {
            output::json(&nets)?;
        } else {
            output::table(
                [
                    "net",
                    "region",
                    "interval",
                    "active",
                    "minimum",
                    "last round",
                    "status",
                ],
                nets.iter().map(|net| {
                    let last = net.last_round.as_ref();
                    [
                        net.net.clone(),
                        net.region.clone(),
                        format!("{} s", net.interval_s),
                        net.members.active.to_string(),
                        net.min_size.to_string(),
                        last.map_or("-".to_owned(), |round| round.start.clone()),
                        status(net),
                    ]
                }),
            )?;
        }
        Ok(Outcome::Done)
    }
}

impl One {
    async fn show(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let net = admin.net(self.net.net).await?;
        admin.close().await;
        if self.json.json {
            output::json(&net)?;
        } else {
            print_net(&net)?;
        }
        Ok(Outcome::Done)
    }

    async fn audit(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let progress = Progress::bar("replaying the membership log");
        let audit = admin
            .audit(self.net.net, |done, all| {
                progress.steps(all);
                progress.done(done);
            })
            .await?;
        admin.close().await;
        progress.end();
        if self.json.json {
            output::json(&audit)?;
        } else {
            print_audit(&audit)?;
        }
        Ok(if audit.problems.is_empty() {
            Outcome::Done
        } else {
            Outcome::Problems
        })
    }
}

fn print_net(net: &NetView) -> Result<(), CliError> {
    let slots: Vec<String> = net
        .slots
        .iter()
        .map(|slot| format!("{} in 10^{} {}", slot.obis, slot.scale, slot.unit))
        .collect();
    let last = net.last_round.as_ref();
    output::pairs(&[
        ("net", net.net.clone()),
        ("region", net.region.clone()),
        ("created", net.created.clone()),
        ("descriptor hash", net.descriptor_hash.clone()),
        ("interval", format!("{} s", net.interval_s)),
        ("submission window", format!("{} s", net.submit_window_s)),
        (
            "correction window",
            format!("{} s", net.correction_window_s),
        ),
        ("correction mode", net.mode.to_owned()),
        ("slots", slots.join("; ")),
        ("minimum size", net.min_size.to_string()),
        (
            "degree, threshold",
            format!("{}, {}", net.degree, net.threshold),
        ),
        (
            "expected loss",
            format!("{} of 1000", net.max_loss_permille),
        ),
        ("epoch length", format!("{} rounds", net.epoch_length)),
        ("provider key", net.provider_key.clone()),
        ("gateway CA SHA-256", net.gateway_ca_sha256.clone()),
        ("members", counted(net.members)),
        ("barred", ordered(&net.barred)),
        (
            "closed",
            net.closed
                .as_ref()
                .map_or("-".to_owned(), OrderedView::text),
        ),
        (
            "epoch",
            net.epoch.map_or("-".to_owned(), |epoch| epoch.to_string()),
        ),
        (
            "last round",
            last.map_or("-".to_owned(), |last| {
                format!("{} {}", last.round, last.status)
            }),
        ),
        ("frames held", net.frames_held.to_string()),
    ])
}

/// How the last round ended, and whether there will be another.
fn status(net: &NetView) -> String {
    let last = net.last_round.as_ref();
    let last = last.map_or("-", |round| round.status);
    match net.closed {
        Some(_) => format!("{last}, closed"),
        None => last.to_owned(),
    }
}

fn ordered(barred: &BTreeMap<String, OrderedView>) -> String {
    if barred.is_empty() {
        return "-".to_owned();
    }
    let lines: Vec<String> = barred
        .iter()
        .map(|(client, ordered)| format!("{client} {}", ordered.text()))
        .collect();
    lines.join("; ")
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn print_audit(audit: &Audit) -> Result<(), CliError> {
    output::pairs(&[
        ("net", audit.net.clone()),
        ("correction mode", audit.mode.to_owned()),
        (
            "epoch",
            match (audit.epoch, audit.first_round) {
                (Some(epoch), Some(first)) => format!("{epoch} from round {first} on"),
                _ => "-".to_owned(),
            },
        ),
        (
            "active members",
            format!("{} (minimum {})", audit.active, audit.min_size),
        ),
        ("edges", audit.edges.to_string()),
        ("connected parts", audit.components.to_string()),
        ("smallest degree", or_dash(audit.smallest_degree)),
        ("median degree", or_dash(audit.median_degree)),
        ("largest degree", or_dash(audit.largest_degree)),
        (
            "articulation points",
            few(&audit.articulation_points, usize::MAX),
        ),
        ("threshold in force", or_dash(audit.threshold_in_force)),
        ("needed holders", or_dash(audit.needed_holders)),
        (
            "withstands",
            or_dash(audit.withstands.as_ref().map(Strength::text)),
        ),
        ("log entries", audit.log_size.to_string()),
        ("log root", or_dash(audit.log_root.as_ref())),
    ])?;
    if !audit.members.is_empty() {
        output::table(
            [
                "member",
                "status",
                "degree",
                "named",
                "holders",
                "articulation point",
            ],
            audit.members.iter().map(|member| {
                [
                    member.client.clone(),
                    member.status.to_owned(),
                    member.degree.to_string(),
                    member.named.to_string(),
                    member
                        .holders
                        .map_or("-".to_owned(), |holders| holders.to_string()),
                    if member.articulation_point { "yes" } else { "" }.to_owned(),
                ]
            }),
        )?;
    }
    if !audit.orders.is_empty() {
        output::table(
            [
                "order", "what", "of", "asked", "by", "state", "reason", "answer",
            ],
            audit.orders.iter().map(|it| {
                let round = it.round.map(|round| round.to_string());
                [
                    it.number.to_string(),
                    it.order.clone(),
                    or_dash(it.member.clone().or(round)),
                    it.asked_at.clone(),
                    it.asked_by.clone(),
                    it.state.as_str().to_owned(),
                    it.reason.clone(),
                    it.detail.clone().unwrap_or_default(),
                ]
            }),
        )?;
    }
    for problem in &audit.problems {
        output::text(&format!("PROBLEM {}: {}", problem.kind, problem.text))?;
    }
    for warning in &audit.warnings {
        output::text(&format!("warning {}: {}", warning.kind, warning.text))?;
    }
    if audit.problems.is_empty() {
        output::text("no problems found")?;
    }
    Ok(())
}
