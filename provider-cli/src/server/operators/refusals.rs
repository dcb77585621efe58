//! Requests that an operator may not make, in the audit trail: who tries doors is to be seen there, and
//! may not fill it, since nothing is ever deleted from it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dcnet_protocol::names::NetId;

use super::super::routes::Api;
use super::table::Operation;
use crate::operator::{AccessError, Operator, OperatorName, Role};
use crate::service::audit_trail::Action;

/// Entries for one operator in one [`PERIOD`], at one server.
const MOST: u32 = 20;

/// For so long an operator's refusals are counted together.
const PERIOD: Duration = Duration::from_hours(1);

/// How often each operator was refused, and since when. There are as many as have certificates.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<(OperatorName, Role), (Instant, u32)>>);

impl Refusals {
    /// The number of this refusal among those of its period, from 1.
    fn count(&self, operator: &Operator, now: Instant) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let who = (operator.name(), operator.role());
        let (since, count) = all.entry(who).or_insert((now, 0));
        if now.duration_since(*since) >= PERIOD {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count
    }
}

/// Writes a refusal down. If that fails, it is refused all the same.
pub(super) async fn note(
    api: &Api,
    operator: &Operator,
    operation: &Operation,
    net: Option<NetId>,
    error: &AccessError,
) {
    let count = api.turns.refusals.count(operator, Instant::now());
    let who = (operator.name(), operator.role());
    tracing::warn!(operator = %who.0, role = %who.1, path = operation.path, %error, "refused");
    if count > MOST {
        return;
    }
    let last = if count == MOST {
        "; further ones of this hour are in the log of the server"
    } else {
        ""
    };
    let detail = format!("{}: {error}{last}", operation.path);
    let admin = api.service.admin();
    let noted = admin.note_of(operator, Action::Refused, net, &detail).await;
    if let Err(error) = noted {
        tracing::error!(%error, "a refusal is not in the audit trail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_for_each_operator_and_anew_each_hour() {
        let refusals = Refusals::default();
        let operator =
            |name: &str| Operator::new(name.parse().unwrap(), Role::Auditor, []).unwrap();
        let (anna, otto) = (operator("anna"), operator("otto"));
        let start = Instant::now();
        assert_eq!(refusals.count(&anna, start), 1);
        assert_eq!(refusals.count(&anna, start + Duration::from_mins(59)), 2);
        assert_eq!(refusals.count(&otto, start), 1);
        assert_eq!(refusals.count(&anna, start + PERIOD), 1);
    }
}
