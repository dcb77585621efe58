//! Orders: written into the store, and answered by the server that serves the net.

use std::io::{self, BufRead as _, Write as _};
use std::time::Duration;

use clap::Args;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::Order;
use dcnet_protocol::round::Round;
use tokio::time::{Instant, sleep};

use super::{CliError, JsonArg, NetArg, Outcome, StoreArg, output};
use crate::service::audit_trail::Actor;
use crate::service::{Admin, OrderState, OrderView};

/// Between two looks for the answer.
const LOOK: Duration = Duration::from_millis(200);

/// Whether, and for how long, the answer is waited for.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct WaitArgs {
    /// Wait so many seconds for the server that serves the net.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    /// Write the order down and do not wait: a server takes it within a second, or when one is started.
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
}

/// `dcnet correction retry`.
#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    net: NetArg,
    /// Number of the round, as `dcnet correction list` shows it.
    #[arg(value_name = "ROUND")]
    round: u64,
    /// Why, if that is of interest later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// `dcnet net close`.
#[derive(Debug, Args)]
pub(super) struct Close {
    #[command(flatten)]
    net: NetArg,
    /// Why: one line, shown to everybody who looks after the net.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask for the net's name again.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

/// What all orders have in common.
#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    store: StoreArg,
    #[command(flatten)]
    json: JsonArg,
}

impl Retry {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let order = Order::Remind(Round::new(self.round));
        let reason = self.reason.unwrap_or_default();
        self.common.run(self.net.net, order, &reason).await
    }
}

impl Close {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let net = self.net.net;
        if !self.yes {
            confirm(net)?;
        }
        self.common.run(net, Order::Close, &self.reason).await
    }
}

impl Common {
    /// Asks, waits, and tells the answer.
    pub(super) async fn run(
        self,
        net: NetId,
        order: Order,
        reason: &str,
    ) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let asked = self.ask(&admin, net, order, reason).await;
        admin.close().await;
        let order = asked?;
        if self.json.json {
            output::json(&order)?;
        }
        let detail = order.detail.clone().unwrap_or_default();
        match order.state {
            OrderState::Refused => return Err(CliError::OrderRefused(detail)),
            OrderState::Waiting if !self.wait.no_wait => {
                return Err(CliError::OrderWaits {
                    net,
                    number: order.number,
                    waited: self.wait.wait,
                });
            }
            _ if self.json.json => {}
            OrderState::Waiting => output::text(&format!(
                "order {} of net {net} is written down; `dcnet net audit {net}` shows what becomes of it",
                order.number
            ))?,
            OrderState::Taken => output::text(&detail)?,
        }
        Ok(Outcome::Done)
    }

    async fn ask(
        &self,
        admin: &Admin,
        net: NetId,
        order: Order,
        reason: &str,
    ) -> Result<OrderView, CliError> {
        let number = admin
            .ask_order(net, order, Actor::console(), reason)
            .await?;
        let until = Instant::now() + Duration::from_secs(self.wait.wait);
        loop {
            let order = admin.order(net, number).await?;
            let waits = order.state == OrderState::Waiting && !self.wait.no_wait;
            if !waits || Instant::now() >= until {
                return Ok(order);
            }
            sleep(LOOK).await;
        }
    }
}

/// A net that is closed stays closed: its name is to be typed.
fn confirm(net: NetId) -> Result<(), CliError> {
    eprint!(
        "Net {net} will form no more sums, and cannot be opened again. Type its name to close it: "
    );
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() == net.as_str() {
        Ok(())
    } else {
        Err(CliError::NotConfirmed(net))
    }
}
