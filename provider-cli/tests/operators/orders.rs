//! Orders that a net's server takes or refuses, given over HTTPS: what is told of them, what they change,
//! and who is in the audit trail for them.

use std::time::{Duration, Instant};

use dcnet_provider::operator::Role;
use reqwest::Client;
use serde_json::{Value, json};

use crate::common::operators::{certify, get, http, operators, serve};
use crate::common::{Answer, Lab, Net, Server, on_both};

const NET: &str = "/v1/operators/nets/elbe-4";

/// A net of five that is served, and an administrator.
struct Office {
    lab: Lab,
    server: Server,
    anna: Client,
}

impl Office {
    async fn new(lab: Lab) -> Self {
        lab.create_net("elbe-4");
        let authority = operators(&lab);
        let server = serve(&lab, &authority.certificate_path(), &[]);
        let files = certify(&lab, &authority, "anna", Role::Administrator, &[]);
        let anna = http(&lab, &files);
        let names = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];
        let gateways = names.map(|name| lab.gateway(name));
        let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
        net.enter_all(&server, &gateways).await;
        Self { lab, server, anna }
    }

    async fn shown(&self, path: &str) -> Value {
        let answer = get(&self.anna, &self.server, &format!("{NET}{path}")).await;
        serde_json::from_slice(&answer.ok()).unwrap()
    }

    /// Waits until `path` shows what `fits`.
    async fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let shown = self.shown(path).await;
            if fits(&shown) {
                return shown;
            }
            assert!(started.elapsed() < Duration::from_secs(40), "{shown}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gives an order; what was answered to it.
    async fn order(&self, order: Value) -> Value {
        let request = self.anna.post(format!("{}{NET}/orders", self.server.url));
        let request = request.header("content-type", "application/json");
        let answer = Answer::of(request.body(order.to_string()).send().await.unwrap()).await;
        assert_eq!(answer.status, 202);
        let given: Value = serde_json::from_slice(&answer.body).unwrap();
        let path = format!("/orders/{}", given["number"]);
        self.until(&path, |order| order["state"] != "waiting").await
    }

    async fn taken(&self, order: Value) {
        let order = self.order(order).await;
        assert_eq!(order["state"], "taken", "{order}");
        assert_eq!(order["refusal"], Value::Null, "{order}");
        assert_eq!(order["asked_by"], "anna (administrator)", "{order}");
        assert!(order["answered_at"].is_string(), "{order}");
    }

    async fn refused(&self, order: Value, refusal: &str, detail: &str) {
        let order = self.order(order).await;
        assert_eq!(order["state"], "refused", "{order}");
        assert_eq!(order["refusal"], refusal, "{order}");
        assert!(
            order["detail"].as_str().unwrap().contains(detail),
            "{order}"
        );
    }
}

on_both!(orders_are_taken_or_refused_by_the_server_of_the_net);
async fn orders_are_taken_or_refused_by_the_server_of_the_net(lab: Lab) {
    let office = Office::new(lab).await;
    let member = "/members/gw-5";
    let before = office.until(member, |it| it["status"] == "active").await;
    assert_eq!(before["barred"], Value::Null, "{before}");

    let suspend = json!({"order": "suspend", "member": "gw-5", "reason": "meter exchanged"});
    office.taken(suspend.clone()).await;
    // It is where it was until the epoch that is fixed has ended.
    let suspended = office.until(member, |it| it["status"] == "suspended").await;
    assert_eq!(suspended["barred"]["reason"], "meter exchanged");
    assert_eq!(suspended["barred"]["asked_by"], "anna (administrator)");
    let other = office.shown("/members/gw-4").await;
    assert_eq!(other["barred"], Value::Null, "{other}");
    office
        .refused(
            suspend,
            "already-suspended",
            "suspended by an operator already",
        )
        .await;
    let resume = json!({"order": "resume", "member": "gw-4"});
    office.refused(resume, "not-suspended", "gw-4").await;
    let resume = json!({"order": "resume", "member": "gw-9"});
    office
        .refused(resume, "unknown-member", "gw-9 is no member of this net")
        .await;
    let resume = json!({"order": "resume", "member": "gw-5", "reason": "repaired"});
    office.taken(resume).await;
    let resumed = office.shown(member).await;
    assert_eq!(resumed["barred"], Value::Null, "{resumed}");

    assert_eq!(office.shown("").await["closed"], Value::Null);
    let close = json!({"order": "close", "reason": "replaced by elbe-7"});
    office.taken(close.clone()).await;
    let closed = &office.shown("").await["closed"];
    assert_eq!(closed["reason"], "replaced by elbe-7", "{closed}");
    assert_eq!(closed["asked_by"], "anna (administrator)", "{closed}");
    office.refused(close, "net-closed", "stays closed").await;

    // What was asked for is in the trail, taken or not; what came of it stands with the order.
    let trail = office
        .lab
        .dcnet_published(&["audit-log", "show", "--action", "ordered"]);
    let trail = trail.as_array().unwrap();
    let anna = json!({"kind": "operator", "name": "anna", "role": "administrator"});
    for entry in trail {
        assert_eq!((&entry["actor"], &entry["net"]), (&anna, &"elbe-4".into()));
    }
    let asked: Vec<&str> = trail
        .iter()
        .map(|entry| entry["detail"].as_str().unwrap())
        .collect();
    let expected = [
        "suspend gw-5: meter exchanged",
        "suspend gw-5: meter exchanged",
        "resume gw-4",
        "resume gw-9",
        "resume gw-5: repaired",
        "close: replaced by elbe-7",
        "close: replaced by elbe-7",
    ];
    assert_eq!(asked, expected);
    let verified = office.lab.dcnet(&["audit-log", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
