//! `dcnet member`.

use clap::{Args, Subcommand, ValueEnum};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::Order;

use super::order::Common;
use super::output::{self, few};
use super::{CliError, JsonArg, NetArg, Outcome, StoreArg};
use crate::service::{Admin, FrameView, MemberCounts, MemberLine, OrderedView};

/// Members of a net. Nobody, the provider included, can tell what one of them used.
#[derive(Debug, Subcommand)]
pub(super) enum Member {
    /// List members: where each stands, and when it was last heard of.
    ///
    /// Edges are those in force. The last frame is looked for in the rounds that are not final and in
    /// the latest 96 that are; a failed round does not say whose readings it had.
    #[command(after_help = "Examples:\n  dcnet member list elbe-4\n  \
        dcnet member list elbe-4 --status suspended,exiting\n  \
        dcnet member list elbe-4 --json | jq -r '.members[] | select(.last_frame == null) | .client'")]
    List(List),
    /// Show one member: its keys, its neighbours, its last frame.
    ///
    /// Neighbours that it named and that are not in force did not name it in turn, are not active, or
    /// wait for the next epoch. Exit code 4 if there is no such member.
    #[command(after_help = "Example:\n  dcnet member show elbe-4 house-1")]
    Show(Show),
    /// Suspend a member: it takes part in no epoch that is not fixed yet, whatever it sends.
    ///
    /// It stays in the rounds whose members are fixed: the others' pads cancel only with its own. It is told
    /// that it was the operator; it may leave the net, and is let in again when it is resumed. In the membership
    /// log it looks like a member that was missing: who ordered it, and why, stands in the store and is shown by
    /// `dcnet net audit`. Refused if no sound epoch were left without it, and if a tenth of the members (at
    /// least one) were suspended within 96 rounds, or within an epoch if that is longer. Exit code 1 if it is
    /// refused, with the reason; 5 if no server takes it in time.
    #[command(
        after_help = "Example:\n  dcnet member suspend elbe-4 house-1 --reason 'meter exchanged, readings wrong'"
    )]
    Suspend(Suspend),
    /// Resume a member that was suspended by an operator: it comes back by itself.
    ///
    /// Its gateway asks once in an interval whether it may, and is in the sums again from the next epoch on.
    /// A member that was only missing needs no order. Exit codes as those of `suspend`.
    #[command(after_help = "Example:\n  dcnet member resume elbe-4 house-1")]
    Resume(Resume),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    net: NetArg,
    /// Only members with one of these statuses, separated by commas.
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<Status>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Debug, Args)]
pub(super) struct Suspend {
    #[command(flatten)]
    net: NetArg,
    /// Name of the member, as `dcnet member list` shows it.
    #[arg(value_name = "CLIENT")]
    client: ClientId,
    /// Why: one line, shown to everybody who looks after the net.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    net: NetArg,
    /// Name of the member, as `dcnet member list` shows it.
    #[arg(value_name = "CLIENT")]
    client: ClientId,
    /// Why, if that is of interest later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    net: NetArg,
    /// Name of the member, as `dcnet member list` shows it.
    #[arg(value_name = "CLIENT")]
    client: ClientId,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Its key package is there, its neighbours are not yet.
    Registered,
    /// It has named its neighbours, and waits for the next epoch.
    Entered,
    /// In the sum.
    Active,
    /// It was missing, and may come back.
    Suspended,
    /// It leaves with the next epoch.
    Exiting,
    /// It has left.
    Exited,
}

impl Status {
    /// The word of tables and JSON.
    fn word(self) -> &'static str {
        match self {
            Self::Registered => MemberStatus::Registered,
            Self::Entered => MemberStatus::Entered,
            Self::Active => MemberStatus::Active,
            Self::Suspended => MemberStatus::Suspended,
            Self::Exiting => MemberStatus::Exiting,
            Self::Exited => MemberStatus::Exited,
        }
        .as_str()
    }
}

impl Member {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Suspend(Suspend {
                net,
                client,
                reason,
                common,
            }) => common.run(net.net, Order::Suspend(client), &reason).await,
            Self::Resume(Resume {
                net,
                client,
                reason,
                common,
            }) => {
                let reason = reason.unwrap_or_default();
                common.run(net.net, Order::Resume(client), &reason).await
            }
        }
    }
}

impl List {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let mut list = admin.member_list(self.net.net).await?;
        admin.close().await;
        if !self.status.is_empty() {
            list.members
                .retain(|member| self.status.iter().any(|it| it.word() == member.status));
        }
        if self.json.json {
            output::json(&list)?;
            return Ok(Outcome::Done);
        }
        output::table(
            ["member", "status", "edges", "named", "last frame"],
            list.members.iter().map(|member| {
                [
                    member.client.clone(),
                    status(member),
                    member.edges.to_string(),
                    member.named.to_string(),
                    last_frame(member.last_frame.as_ref()),
                ]
            }),
        )?;
        output::text(&counted(list.counts))?;
        Ok(Outcome::Done)
    }
}

impl Show {
    async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let member = admin.member(self.net.net, self.client).await?;
        admin.close().await;
        if self.json.json {
            output::json(&member)?;
            return Ok(Outcome::Done);
        }
        let exit = member.exit_round;
        output::pairs(&[
            ("net", member.net.clone()),
            ("member", member.line.client.clone()),
            ("status", member.line.status.to_owned()),
            (
                "barred",
                member
                    .line
                    .barred
                    .as_ref()
                    .map_or("-".to_owned(), OrderedView::text),
            ),
            ("key package", member.key_package.clone()),
            ("statement key", member.statement_key.clone()),
            ("neighbours", few(&member.neighbours, usize::MAX)),
            ("not in force", few(&member.not_in_force, usize::MAX)),
            ("holders", few(&member.holders, usize::MAX)),
            ("last frame", last_frame(member.line.last_frame.as_ref())),
            (
                "exit in round",
                exit.map_or("-".to_owned(), |round| round.to_string()),
            ),
        ])?;
        Ok(Outcome::Done)
    }
}

/// Where it stands, and whether an operator has anything to do with it.
fn status(member: &MemberLine) -> String {
    match member.barred {
        Some(_) => format!("{}, barred", member.status),
        None => member.status.to_owned(),
    }
}

/// Members by status, in one line.
pub(super) fn counted(members: MemberCounts) -> String {
    format!(
        "{} active, {} entered, {} registered, {} suspended, {} exiting, {} exited",
        members.active,
        members.entered,
        members.registered,
        members.suspended,
        members.exiting,
        members.exited
    )
}

fn last_frame(frame: Option<&FrameView>) -> String {
    frame.map_or("-".to_owned(), |it| format!("{} ({})", it.round, it.start))
}
