//! Orders of operators: asked for here, taken by the server that serves the net, shown to whoever asks.
//!
//! Whoever asks writes a row into the store, beside the server or from far away; the server looks once a
//! second, hands the order to the net's machine, and writes the answer in one transaction with all that
//! follows from it. So an order is taken once, whenever a server is killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::{Order, OrderTaken, Ordered, Record};
use dcnet_protocol::round::{Round, UnixTime};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::admin::rfc3339;
use super::audit_trail::{Action, Actor, Noted};
use super::net::{Machine, Net};
use super::{Admin, AdminError, Page, Service, now};
use crate::store::{AskedRow, OrderAnswerRow, OrderRow, Store, StoreError};

/// Between two looks for orders.
const LOOK: Duration = Duration::from_secs(1);

/// For so long one order may hold up those of other nets.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest reason, in characters.
pub(crate) const LONGEST_REASON: usize = 500;

/// What stands in the store of an order that was taken.
const TAKEN: &str = "taken";

/// Why an order was not even written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no net {0} in this store; `dcnet net list` shows those that are")]
    UnknownNet(NetId),
    #[error("say why: the reason is shown to everybody who looks after the net")]
    NoReason,
    #[error("the reason has {0} characters, at most {LONGEST_REASON} are kept")]
    LongReason(usize),
    #[error("the reason has a control character in it: write it in one line")]
    ControlCharacter,
}

/// An order as tables and JSON show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OrderView {
    pub(crate) net: String,
    /// Counts the orders of the net.
    pub(crate) number: u64,
    /// `suspend`, `resume`, `close` or `remind`.
    pub(crate) order: String,
    /// Whom to suspend or resume.
    pub(crate) member: Option<String>,
    /// Of which to remind.
    pub(crate) round: Option<u64>,
    pub(crate) reason: String,
    /// Who asked for it.
    pub(crate) asked_by: String,
    /// RFC 3339, UTC.
    pub(crate) asked_at: String,
    /// None as long as no server has taken it.
    pub(crate) answered_at: Option<String>,
    pub(crate) state: OrderState,
    /// Stable name of the reason why it was refused.
    pub(crate) refusal: Option<String>,
    /// The answer in words.
    pub(crate) detail: Option<String>,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OrderState {
    /// No server has taken it yet.
    Waiting,
    /// It counts.
    Taken,
    /// Nothing has changed.
    Refused,
}

impl OrderState {
    /// For tables.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
    }
}

/// By whom something was ordered, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OrderedView {
    pub(crate) asked_by: String,
    /// When a server took it; RFC 3339, UTC.
    pub(crate) since: String,
    pub(crate) reason: String,
}

impl OrderedView {
    /// In one line.
    pub(crate) fn text(&self) -> String {
        format!("since {} by {}: {}", self.since, self.asked_by, self.reason)
    }
}

/// What follows from the orders so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) barred: BTreeMap<String, OrderedView>,
    pub(super) closed: Option<OrderedView>,
}

impl Standing {
    pub(super) fn of(orders: &[OrderRow]) -> Self {
        let mut standing = Self::default();
        for row in orders.iter().filter(|row| row.outcome == TAKEN) {
            let ordered = OrderedView {
                asked_by: row.asked_by.clone(),
                since: rfc3339(UnixTime::from_millis(row.answered)),
                reason: row.reason.clone(),
            };
            match row.kind.as_str() {
                "suspend" => drop(standing.barred.insert(row.member.clone(), ordered)),
                "resume" => drop(standing.barred.remove(&row.member)),
                "close" => standing.closed = Some(ordered),
                _ => {}
            }
        }
        standing
    }
}

/// Writes an order down for the server that serves the net, and into the audit trail; its number.
/// `reason` is the operator's own.
///
/// # Errors
/// [`AskError`]; whether the net takes the order its server says.
pub(super) async fn ask(
    store: &Store,
    net: NetId,
    order: Order,
    actor: Actor,
    reason: &str,
) -> Result<u64, AskError> {
    // One line, as it comes out of a file or a pipe.
    let reason = reason.strip_suffix('\n').unwrap_or(reason);
    let length = reason.chars().count();
    if length > LONGEST_REASON {
        return Err(AskError::LongReason(length));
    }
    if reason.chars().any(char::is_control) {
        return Err(AskError::ControlCharacter);
    }
    let reason = reason.trim();
    let needs_reason = matches!(order, Order::Suspend(_) | Order::Close);
    if needs_reason && reason.is_empty() {
        return Err(AskError::NoReason);
    }
    if store.net(net).await?.is_none() {
        return Err(AskError::UnknownNet(net));
    }
    let (kind, member, round) = match order {
        Order::Suspend(client) => ("suspend", client.to_string(), 0),
        Order::Resume(client) => ("resume", client.to_string(), 0),
        Order::Close => ("close", String::new(), 0),
        Order::Remind(round) => ("remind", String::new(), round.number()),
    };
    let about = match order {
        Order::Suspend(_) | Order::Resume(_) => format!(" {member}"),
        Order::Remind(_) => format!(" {round}"),
        Order::Close => String::new(),
    };
    let because = if reason.is_empty() { "" } else { ": " };
    let detail = format!("{kind}{about}{because}{reason}");
    let asked_by = actor.to_string();
    let noted = Noted::new(actor, Action::Ordered, &[net], &detail);
    let row = AskedRow {
        net,
        kind,
        member,
        round,
        reason: reason.to_owned(),
        asked_by,
        asked: now().millis(),
    };
    Ok(store.ask(&row, &noted.text()).await?)
}

impl Admin {
    /// Asks the server of a net for something; the number of the order.
    ///
    /// # Errors
    /// [`AskError`] if it was not written down.
    pub(crate) async fn ask_order(
        &self,
        net: NetId,
        order: Order,
        actor: Actor,
        reason: &str,
    ) -> Result<u64, AskError> {
        ask(&self.store, net, order, actor, reason).await
    }

    /// An order, answered or not.
    pub(crate) async fn order(&self, net: NetId, number: u64) -> Result<OrderView, AdminError> {
        let row = self.store.one_order(net, number).await?;
        let row = row.ok_or(AdminError::UnknownOrder { net, number })?;
        Ok(view(&row))
    }

    /// The same, of a net that may not be there.
    pub(crate) async fn known_order(
        &self,
        net: NetId,
        number: u64,
    ) -> Result<OrderView, AdminError> {
        if self.store.net(net).await?.is_none() {
            return Err(AdminError::UnknownNet(net));
        }
        self.order(net, number).await
    }

    /// Orders of a net behind the one of the number `after`, ascending, so many at most.
    pub(crate) async fn orders_after(
        &self,
        net: NetId,
        after: u64,
        limit: u16,
    ) -> Result<Page<OrderView>, AdminError> {
        if self.store.net(net).await?.is_none() {
            return Err(AdminError::UnknownNet(net));
        }
        // There are few: people give them.
        let all = self.store.orders(net).await?;
        let behind = all.iter().filter(|row| row.number > after);
        let items: Vec<OrderView> = behind.map(view).collect();
        Ok(Page::of(items, limit.into(), |order| {
            order.number.to_string()
        }))
    }

    /// All orders of a net, ascending.
    pub(super) async fn orders(&self, net: NetId) -> Result<Vec<OrderView>, StoreError> {
        Ok(self.store.orders(net).await?.iter().map(view).collect())
    }

    pub(super) async fn standing(&self, net: NetId) -> Result<Standing, StoreError> {
        Ok(Standing::of(&self.store.orders(net).await?))
    }
}

fn view(row: &OrderRow) -> OrderView {
    let state = match row.outcome.as_str() {
        "" => OrderState::Waiting,
        TAKEN => OrderState::Taken,
        _ => OrderState::Refused,
    };
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    OrderView {
        net: row.net.to_string(),
        number: row.number,
        order: row.kind.clone(),
        member: some(&row.member),
        round: (row.round != 0).then_some(row.round),
        reason: row.reason.clone(),
        asked_by: row.asked_by.clone(),
        asked_at: rfc3339(UnixTime::from_millis(row.asked)),
        answered_at: (row.answered != 0).then(|| rfc3339(UnixTime::from_millis(row.answered))),
        state,
        refusal: (state == OrderState::Refused).then(|| row.outcome.clone()),
        detail: some(&row.detail),
    }
}

/// Looks for orders until the service stops.
pub(super) fn start(service: &Arc<Service>) {
    let service = Arc::downgrade(service);
    tokio::spawn(async move {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lost = false;
        loop {
            looks.tick().await;
            let Some(service) = service.upgrade() else {
                return;
            };
            if *service.stopping.borrow() {
                return;
            }
            // What is wrong with the store is said by whoever writes rounds to it; here it is said once.
            match service.store.waiting_orders().await {
                Ok(orders) => {
                    lost = false;
                    take_all(&service, &orders).await;
                }
                Err(error) if lost => tracing::debug!(%error, "cannot look for orders"),
                Err(error) => {
                    lost = true;
                    tracing::warn!(%error, "cannot look for orders");
                }
            }
        }
    });
}

async fn take_all(service: &Arc<Service>, orders: &[OrderRow]) {
    let mut held_up = None;
    for row in orders {
        // An order is never taken before an earlier one of its net.
        if held_up == Some(row.net) {
            continue;
        }
        let Some(net) = serving(service, row.net).await else {
            continue;
        };
        // Given up, it is written nevertheless, or not; the next look says which.
        let taken = timeout(PATIENCE, net.take_order(row)).await;
        if !matches!(taken, Ok(Ok(()))) {
            held_up = Some(row.net);
            tracing::warn!(net = %row.net, number = row.number, "order not taken yet; trying again");
        }
    }
}

/// The net, if it is this server's. A server that has the store for itself serves every net.
async fn serving(service: &Arc<Service>, net: NetId) -> Option<Arc<Net>> {
    if let Some(running) = service.running(net) {
        return Some(running);
    }
    if service.share.is_some() {
        return None;
    }
    service.start_net(net).await.ok()
}

/// Hands the order to the machine; what follows, with the answer last.
pub(super) fn hand_in(machine: &mut Machine, row: &OrderRow) -> (Vec<Record>, OrderAnswerRow) {
    let time = now();
    let answer = |outcome, detail: String, record| OrderAnswerRow {
        net: row.net,
        number: row.number,
        answered: time.millis().max(1),
        outcome,
        detail,
        record,
    };
    let Some(order) = parse(row) else {
        let detail = "this version of the server does not know the order".to_owned();
        return (Vec::new(), answer("unknown-order", detail, Vec::new()));
    };
    let Ordered {
        records,
        answer: said,
    } = machine.provider.order(time, order);
    let kept = records.iter().find_map(|record| match record {
        Record::Order(order) => Some(order.encode()),
        _ => None,
    });
    let kept = kept.unwrap_or_default();
    let answer = match said {
        Ok(taken) => answer(TAKEN, told(&taken), kept),
        Err(refusal) => answer(refusal.slug(), refusal.to_string(), kept),
    };
    (records, answer)
}

fn parse(row: &OrderRow) -> Option<Order> {
    let member = || row.member.parse::<ClientId>().ok();
    match row.kind.as_str() {
        "suspend" => member().map(Order::Suspend),
        "resume" => member().map(Order::Resume),
        "close" => Some(Order::Close),
        "remind" => Some(Order::Remind(Round::new(row.round))),
        _ => None,
    }
}

fn told(taken: &OrderTaken) -> String {
    match taken {
        OrderTaken::Suspended { client, from, left } => format!(
            "{client} is in no epoch from round {from} on; as things stand the next one has {left} members"
        ),
        OrderTaken::Resumed { client } => {
            format!("{client} may take part again, and does as soon as it asks to")
        }
        OrderTaken::Closing { from } => {
            format!("no round is held from round {from} on; what is open before is finished")
        }
        OrderTaken::Reminded { round, clients } => {
            let clients: Vec<&str> = clients.iter().map(ClientId::as_str).collect();
            let clients = clients.join(", ");
            format!("the request of round {round} was sent again to {clients}")
        }
    }
}
