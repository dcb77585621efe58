//! Who gets what: a table of paths and roles.

use reqwest::Method;

use crate::common::operators::get;
use crate::common::{Answer, PROBLEM};
use crate::world::{CORRECTED, World};
use crate::{Lab, on_both};

/// A path, and what it is answered with: to administrators and auditors, to the consumer.
fn table() -> Vec<(String, &'static str, &'static str)> {
    let nets = "/v1/operators/nets";
    let [ok, role, net] = ["ok", "wrong-role", "unknown-net"];
    let mut table = vec![
        ("/openapi.json".to_owned(), ok, ok),
        ("/v1/whoami".to_owned(), ok, ok),
        (nets.to_owned(), ok, ok),
        ("/v1/operators/evidence".to_owned(), ok, role),
        (
            "/v1/operators/evidence?after=a".to_owned(),
            "bad-request",
            role,
        ),
        ("/v1/operators/audit-log".to_owned(), ok, role),
        ("/v1/operators/audit-log/head".to_owned(), ok, role),
        (
            "/v1/operators/audit-log?after=x".to_owned(),
            "bad-request",
            role,
        ),
    ];
    for (path, overseers, consumer) in [
        ("", ok, ok),
        ("/descriptor", ok, ok),
        ("/audit", ok, role),
        ("/log", ok, role),
        ("/log?after=9223372036854775807", ok, role),
        ("/log?after=9223372036854775808", "bad-request", role),
        ("/log?limit=1001", "bad-request", role),
        ("/rounds/1/rosters", ok, role),
        ("/rounds/x/rosters", "bad-request", role),
        ("/health", ok, role),
        ("/members", ok, role),
        ("/members/gw-1", ok, role),
        ("/members/gw-9", "unknown-member", role),
        ("/rounds", ok, ok),
        ("/rounds/1", "unknown-round", "unknown-round"),
        ("/corrections", ok, role),
        ("/corrections/1", "unknown-correction", role),
        ("/orders", ok, role),
        ("/orders/1", "unknown-order", role),
        ("/export?format=csv", ok, ok),
        ("/export", "bad-request", "bad-request"),
        ("/rounds?limit=0", "bad-request", "bad-request"),
    ] {
        table.push((format!("{nets}/elbe-4{path}"), overseers, consumer));
    }
    for (path, consumer) in [
        (format!("rounds/{CORRECTED}"), ok),
        (format!("rounds/{CORRECTED}/rosters"), role),
        (format!("corrections/{CORRECTED}"), role),
    ] {
        table.push((format!("{nets}/elbe-4/{path}"), ok, consumer));
    }
    for path in [
        "",
        "/descriptor",
        "/rounds",
        "/rounds/1",
        "/export?format=csv",
    ] {
        // Another net than the consumer's, one of its own that is not there, one that nobody has.
        let there = if path == "/rounds/1" {
            "unknown-round"
        } else {
            ok
        };
        table.push((format!("{nets}/weser{path}"), there, role));
        table.push((format!("{nets}/gone{path}"), net, net));
        table.push((format!("{nets}/nowhere{path}"), net, role));
    }
    for path in [
        "/audit",
        "/log",
        "/rounds/1/rosters",
        "/members",
        "/members/gw-1",
        "/health",
        "/corrections",
        "/corrections/1",
    ] {
        table.push((format!("{nets}/gone{path}"), net, role));
    }
    for path in [
        "/a%20b",
        "/%FF/rounds",
        "/elbe-4/rounds/-1",
        "/elbe-4/rounds/%2B1",
    ] {
        table.push((format!("{nets}{path}"), "bad-request", "bad-request"));
    }
    table.push((
        format!("{nets}/elbe-4/members/%FF"),
        "bad-request",
        "bad-request",
    ));
    table.push((format!("{nets}/elbe-4/nothing"), "not-found", "not-found"));
    table
}

/// The name of a problem, `ok` if there is none.
fn told(answer: &Answer) -> String {
    if answer.status.is_success() {
        return "ok".to_owned();
    }
    assert_eq!(answer.media_type, PROBLEM);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let name = body["type"].as_str().unwrap();
    name.trim_start_matches("urn:dcnet:problem:").to_owned()
}

async fn each_role_gets_what_is_for_it(lab: Lab) {
    let world = World::new(lab).await;
    let gateway = world.lab.gateway("gw-1");
    for (path, overseers, consumer) in table() {
        for (who, client, expected) in [
            ("anna", &world.anna, overseers),
            ("otto", &world.otto, overseers),
            ("grid", &world.grid, consumer),
        ] {
            let answer = get(client, &world.server, &path).await;
            assert_eq!(told(&answer), expected, "{who} {path}");
            // Names of members are none of a consumer's business.
            let text = String::from_utf8_lossy(&answer.body);
            assert!(who != "grid" || !text.contains("gw-"), "{path}: {text}");
        }
        let answer = gateway.get(&world.server, &path).await;
        let expected = match overseers {
            "not-found" => "not-found",
            _ => "wrong-role",
        };
        assert_eq!(told(&answer), expected, "gateway {path}");
    }
}
on_both!(each_role_gets_what_is_for_it, beside others);

async fn orders_are_given_by_administrators_and_written_down(lab: Lab) {
    let world = World::new(lab).await;
    let path = "/v1/operators/nets/elbe-4/orders";
    let send = async |client: &reqwest::Client, path: &str, body: &str| {
        let url = format!("{}{path}", world.server.url);
        let request = client.post(&url).header("content-type", "application/json");
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    };
    let suspend = r#"{"order": "suspend", "member": "gw-1", "reason": "meter exchanged"}"#;
    for client in [&world.otto, &world.grid] {
        assert_eq!(told(&send(client, path, suspend).await), "wrong-role");
    }
    for body in [
        "",
        "{}",
        r#"{"order": "suspend", "member": "gw-1"}"#,
        r#"{"order": "suspend", "member": "gw-1", "reason": " "}"#,
        r#"{"order": "suspend", "member": "no name", "reason": "x"}"#,
        r#"{"order": "close", "reason": "two\nlines"}"#,
        r#"{"order": "close", "member": "gw-1", "reason": "x"}"#,
        r#"{"order": "open", "reason": "x"}"#,
    ] {
        assert_eq!(
            told(&send(&world.anna, path, body).await),
            "bad-request",
            "{body}"
        );
    }
    let long = format!(r#"{{"order": "close", "reason": "{}"}}"#, "x".repeat(4096));
    assert_eq!(
        told(&send(&world.anna, path, &long).await),
        "body-too-large"
    );
    let nowhere = send(&world.anna, "/v1/operators/nets/nowhere/orders", suspend).await;
    assert_eq!(told(&nowhere), "unknown-net");
    let form = world
        .anna
        .post(format!("{}{path}", world.server.url))
        .body("order=close");
    assert_eq!(
        told(&Answer::of(form.send().await.unwrap()).await),
        "media-type"
    );

    let given = send(&world.anna, path, suspend).await;
    assert_eq!(given.status, 202);
    let given: serde_json::Value = serde_json::from_slice(&given.body).unwrap();
    assert_eq!(given["state"], "waiting", "nobody serves this net: {given}");
    assert_eq!(given["asked_by"], "anna (administrator)", "{given}");
    assert_eq!(given["reason"], "meter exchanged", "{given}");
    let list = get(&world.otto, &world.server, path).await.ok();
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(list, serde_json::json!({ "items": [given], "next": null }));
    let one = get(&world.otto, &world.server, &format!("{path}/1"))
        .await
        .ok();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&one).unwrap(),
        given
    );

    let trail = get(&world.otto, &world.server, "/v1/operators/audit-log")
        .await
        .ok();
    let trail: serde_json::Value = serde_json::from_slice(&trail).unwrap();
    let entries = trail["items"].as_array().unwrap();
    let by = |entry: &serde_json::Value| {
        let (name, action) = (&entry["actor"]["name"], &entry["action"]);
        format!("{} {}", name.as_str().unwrap(), action.as_str().unwrap())
    };
    let entries: Vec<String> = entries.iter().map(by).collect();
    assert_eq!(
        entries[1..],
        ["otto refused", "grid refused", "anna ordered"]
    );
    assert_eq!(
        trail["items"][3]["detail"], "suspend gw-1: meter exchanged",
        "{trail}"
    );
}
on_both!(orders_are_given_by_administrators_and_written_down, beside others);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_changed_here_and_heads_are_those_of_the_answers() {
    let world = World::new(Lab::new()).await;
    for path in [
        "/openapi.json",
        "/v1/operators/nets",
        "/v1/operators/nets/elbe-4/export?format=parquet",
    ] {
        let url = format!("{}{path}", world.server.url);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let response = world.anna.request(method, &url).send().await.unwrap();
            assert_eq!(response.headers()["allow"], "GET,HEAD");
            let answer = Answer::of(response).await;
            answer.problem(405, "method-not-allowed");
        }
        let got = world.anna.get(&url).send().await.unwrap();
        let head = world.anna.head(&url).send().await.unwrap();
        assert_eq!(head.status(), got.status());
        assert_eq!(
            head.headers()["content-type"],
            got.headers()["content-type"]
        );
        assert!(head.bytes().await.unwrap().is_empty());
    }
}
