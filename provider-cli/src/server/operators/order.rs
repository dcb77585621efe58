//! Orders over HTTPS: the only thing that operators can change here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use dcnet_protocol::provider::Order;
use dcnet_protocol::round::Round;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use super::super::body;
use super::super::problem::Problem;
use super::super::routes::{Api, name};
use super::ask::{NAME_PATTERN, Nothing, OfNet, OfOrder, Trail};
use super::json;
use crate::operator::Operator;
use crate::service::audit_trail::Actor;
use crate::service::{AdminError, AskError, LAST_ROUND, LONGEST_REASON};

/// Bytes of an order at most.
const MOST: usize = 4096;

type Shared = State<Arc<Api>>;
type Answer = Result<Response, Problem>;

/// One line of text, and one that says something.
const LINE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
const WORDS: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f]\
                     [^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// What is to be done, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum OrderBody {
    /// Leave a member out from the next epoch on.
    Suspend {
        /// Client id of the member.
        #[schemars(extend("pattern" = NAME_PATTERN))]
        member: String,
        /// Why, in one line.
        #[schemars(length(max = LONGEST_REASON), extend("pattern" = WORDS))]
        reason: String,
    },
    /// Let a member come back.
    Resume {
        /// Client id of the member.
        #[schemars(extend("pattern" = NAME_PATTERN))]
        member: String,
        /// Why, in one line.
        #[serde(default)]
        #[schemars(length(max = LONGEST_REASON), extend("pattern" = LINE))]
        reason: String,
    },
    /// End the net, for good.
    Close {
        /// Why, in one line.
        #[schemars(length(max = LONGEST_REASON), extend("pattern" = WORDS))]
        reason: String,
    },
    /// Send a correction's request again to those who have not answered.
    Remind {
        /// Number of the round.
        #[serde(deserialize_with = "whole")]
        #[schemars(range(max = LAST_ROUND))]
        round: u64,
        /// Why, in one line.
        #[serde(default)]
        #[schemars(length(max = LONGEST_REASON), extend("pattern" = LINE))]
        reason: String,
    },
}

/// For JSON 7.0 is the integer 7, and some programs write it so.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = Number::deserialize(deserializer)?.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits
        .parse()
        .map_err(|_| D::Error::custom(format_args!("{text} is no whole number from 0 on")))
}

impl OrderBody {
    fn order(self) -> Result<(Order, String), Problem> {
        Ok(match self {
            Self::Suspend { member, reason } => (Order::Suspend(name(&member)?), reason),
            Self::Resume { member, reason } => (Order::Resume(name(&member)?), reason),
            Self::Close { reason } => (Order::Close, reason),
            Self::Remind { round, reason } if round <= LAST_ROUND => {
                (Order::Remind(Round::new(round)), reason)
            }
            Self::Remind { .. } => {
                return Err(Problem::bad_request("round is no round: below 2^63"));
            }
        })
    }
}

/// Writes an order down for the server that serves the net.
pub(super) async fn give(
    State(api): Shared,
    operator: Operator,
    OfNet(net): OfNet,
    _: Nothing,
    request: Request<Body>,
) -> Answer {
    let bytes = body::read_as("application/json", request, MOST, &api.limits).await?;
    let body: OrderBody = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body is no order: {error}")))?;
    let (order, reason) = body.order()?;
    let admin = api.service.admin();
    let given = async {
        let number = admin
            .ask_order(net, order, Actor::from(&operator), &reason)
            .await
            .map_err(Problem::from)?;
        admin.order(net, number).await.map_err(Problem::from)
    };
    let order = api.in_time(Duration::ZERO, given).await?;
    let mut response = json(&order);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// The orders of a net.
pub(super) async fn list(State(api): Shared, OfNet(net): OfNet, page: Trail) -> Answer {
    let admin = api.service.admin();
    let orders = admin.orders_after(net, page.after, page.limit);
    Ok(json(&api.look(orders).await?))
}

/// One order, and what came of it.
pub(super) async fn show(State(api): Shared, OfOrder(net, number): OfOrder, _: Nothing) -> Answer {
    let admin = api.service.admin();
    Ok(json(&api.look(admin.known_order(net, number)).await?))
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Store(error) => Self::from(AdminError::from(error)),
            AskError::UnknownNet(net) => Self::from(AdminError::UnknownNet(net)),
            AskError::NoReason | AskError::LongReason(_) | AskError::ControlCharacter => {
                Self::bad_request(error.to_string())
            }
        }
    }
}
