//! `dcnet round watch`.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use dcnet_protocol::names::NetId;
use jiff::Timestamp;

use super::{reasoned, sum};
use crate::cli::output::{self, Size, few};
use crate::cli::{CliError, JsonArg, Outcome, StoreArg};
use crate::service::{Admin, RoundView};

/// Rounds that are kept for the table: more than a tall terminal shows.
const KEPT: usize = 100;

/// A terminal that does not say how large it is.
const USUAL: Size = Size {
    columns: 80,
    lines: 24,
};

/// Arguments of `dcnet round watch`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// Names of the nets.
    #[arg(value_name = "NET", required = true)]
    nets: Vec<NetId>,
    /// Begin with the rounds whose interval begins at this time or later, RFC 3339 [default: those that
    /// become final from now on].
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// End after so many rounds.
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU32>,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Watch {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let watched = tokio::select! {
            // First, so that it is listened for before anything is shown.
            biased;
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(CliError::Runtime),
            watched = self.watch(&admin) => watched,
        };
        admin.close().await;
        watched.map(|()| Outcome::Done)
    }

    async fn watch(&self, admin: &Admin) -> Result<(), CliError> {
        let on_terminal = output::is_terminal() && !self.json.json;
        let mut followed = Vec::new();
        let mut latest = VecDeque::new();
        for name in &self.nets {
            let net = admin.net(*name).await?;
            if on_terminal && self.from.is_none() {
                let most = u32::try_from(KEPT).ok();
                latest.extend(admin.rounds(*name, None, None, most).await?.1);
            }
            followed.push(Followed::new(
                *name,
                net.interval_s,
                self.from,
                net.last_round,
            ));
        }
        sort(latest.make_contiguous());
        let pause = pause(&followed);
        let mut left = self.count.map(NonZeroU32::get);
        loop {
            for round in news(admin, &mut followed).await? {
                if left == Some(0) {
                    break;
                }
                left = left.map(|left| left - 1);
                if !on_terminal {
                    output::json_line(&round)?;
                }
                latest.push_back(round);
            }
            latest.drain(..latest.len().saturating_sub(KEPT));
            if on_terminal {
                redraw(&self.nets, latest.make_contiguous())?;
            }
            if left == Some(0) {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// How far a net has been shown.
struct Followed {
    net: NetId,
    interval_s: u32,
    /// Number of the first round that has not been shown.
    next: u64,
}

impl Followed {
    fn new(name: NetId, interval_s: u32, from: Option<Timestamp>, last: Option<RoundView>) -> Self {
        let next = match (from, last) {
            (Some(from), _) => u64::try_from(from.as_second())
                .unwrap_or(0)
                .div_ceil(interval_s.into()),
            (None, Some(last)) => last.round.saturating_add(1),
            (None, None) => 0,
        };
        Self {
            net: name,
            interval_s,
            next,
        }
    }
}

/// Between two looks at the store.
fn pause(followed: &[Followed]) -> Duration {
    let shortest = followed.iter().map(|it| it.interval_s).min();
    Duration::from_secs((shortest.unwrap_or(0) / 60).clamp(1, 10).into())
}

/// Rounds that have not been shown yet, in their order.
async fn news(admin: &Admin, followed: &mut [Followed]) -> Result<Vec<RoundView>, CliError> {
    let mut news = Vec::new();
    for it in followed {
        let rounds = admin.rounds_from(it.net, it.next).await?;
        if let Some(last) = rounds.last() {
            it.next = last.round.saturating_add(1);
        }
        news.extend(rounds);
    }
    sort(&mut news);
    Ok(news)
}

/// By the end of the metered interval, then by name. RFC 3339 in UTC sorts as text.
fn sort(rounds: &mut [RoundView]) {
    rounds.sort_by(|a, b| (&a.end, &a.net).cmp(&(&b.end, &b.net)));
}

/// Writes over what was drawn before, and erases only what is left of it: nothing flickers.
fn redraw(nets: &[NetId], rounds: &[RoundView]) -> Result<(), CliError> {
    let size = output::terminal().unwrap_or(USUAL);
    let mut screen = String::from("\x1b[H");
    for line in picture(nets, rounds, Timestamp::now(), size).lines() {
        screen.push_str(line);
        // Behind a line that is full the cursor stands on its last character, which would be erased.
        if line.chars().count() < size.columns.into() {
            screen.push_str("\x1b[K");
        }
        screen.push('\n');
    }
    screen.push_str("\x1b[J");
    let mut out = io::stdout().lock();
    out.write_all(screen.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// As many of the latest rounds as fit, the last one at the bottom; one line stays free for the cursor.
fn picture(nets: &[NetId], rounds: &[RoundView], now: Timestamp, size: Size) -> String {
    let names: Vec<String> = nets.iter().map(NetId::to_string).collect();
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    let head = format!("{now}  {}  (Ctrl-C ends)", few(&names, 3));
    let head: String = head.chars().take(size.columns.into()).collect();
    let room = usize::from(size.lines).saturating_sub(2);
    let mut shown = rounds;
    loop {
        let table = table(shown, size.columns);
        match shown {
            [_, rest @ ..] if table.lines().count() > room => shown = rest,
            _ => return format!("{head}\n{table}"),
        }
    }
}

fn table(rounds: &[RoundView], columns: u16) -> String {
    output::drawn(
        [
            "net", "round", "start", "status", "readings", "missing", "sum",
        ],
        rounds.iter().map(|round| {
            [
                round.net.clone(),
                round.round.to_string(),
                round.start.clone(),
                reasoned(round.status, round.reason.as_deref()),
                format!("{} of {}", round.contributors.len(), round.members),
                few(&round.missing, 3),
                sum(round),
            ]
        }),
        Some(columns),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(number: u64) -> RoundView {
        RoundView {
            net: "elbe-4".to_owned(),
            round: number,
            start: "2026-11-28T00:00:00Z".to_owned(),
            end: "2026-11-28T00:15:00Z".to_owned(),
            epoch: 1,
            status: "corrected",
            reason: None,
            members: 120,
            sums: None,
            contributors: Vec::new(),
            silent: Vec::new(),
            missing: ["gw-1", "gw-2", "gw-3", "gw-4"].map(str::to_owned).to_vec(),
            wrong_shares: Vec::new(),
            unrecovered: Vec::new(),
        }
    }

    #[test]
    fn the_picture_fits_the_terminal_and_ends_with_the_latest_round() {
        let rounds: Vec<RoundView> = (1_000..1_100).map(round).collect();
        let nets = ["elbe-4".parse().unwrap()];
        for (columns, lines) in [(80, 24), (60, 40), (200, 10)] {
            let text = picture(
                &nets,
                &rounds,
                Timestamp::UNIX_EPOCH,
                Size { columns, lines },
            );
            assert!(text.lines().count() < usize::from(lines), "{text}");
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(usize::from(columns)), "{text}");
            assert!(text.contains("1099"), "{text}");
            assert!(!text.contains("1000 "), "{text}");
        }
    }
}
