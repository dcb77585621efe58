//! What operators are shown is what the command line prints, in pages; exports are the same files.

use reqwest::Client;
use serde_json::Value;

use crate::common::operators::get;
use crate::world::{FIRST, ROUNDS, World};
use crate::{Lab, on_both};

/// All items of a list, page by page.
async fn all(world: &World, client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut after = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let asked = format!("/v1/operators{path}{separator}limit={limit}{after}");
        let body = get(client, &world.server, &asked).await.ok();
        let mut page: Value = serde_json::from_slice(&body).unwrap();
        let Value::Array(mut found) = page["items"].take() else {
            panic!("{asked}: {page}");
        };
        assert!(found.len() <= limit, "{asked}");
        items.append(&mut found);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

async fn lists_are_those_of_the_command_line(lab: Lab) {
    let world = World::new(lab).await;
    let printed = |args: &[&str]| match world.lab.dcnet_published(args) {
        Value::Array(items) => items,
        other => panic!("{other}"),
    };
    let nets = all(&world, &world.anna, "/nets", 1).await;
    assert_eq!(nets, printed(&["net", "list"]));
    let members = all(&world, &world.otto, "/nets/elbe-4/members", 2).await;
    let list = world.lab.dcnet_published(&["member", "list", "elbe-4"]);
    assert_eq!(Value::Array(members), list["members"]);
    let rounds = all(&world, &world.otto, "/nets/elbe-4/rounds", 97).await;
    let limit = ["--limit", "100000"];
    assert_eq!(
        rounds,
        printed(&[&["round", "list", "elbe-4"][..], &limit].concat())
    );
    let corrections = all(&world, &world.otto, "/nets/elbe-4/corrections", 7).await;
    let list = printed(&[&["correction", "list", "elbe-4"][..], &limit].concat());
    assert_eq!(corrections, list);
    let start = |round: u64| rounds[usize::try_from(round).unwrap()]["start"].clone();
    let [from, to] = [start(100), start(300)].map(|time| time.as_str().unwrap().to_owned());
    for list in ["round", "correction"] {
        let found = all(
            &world,
            &world.anna,
            &format!("/nets/elbe-4/{list}s?from={from}&to={to}"),
            50,
        )
        .await;
        let range = ["--from", &from, "--to", &to];
        let printed = printed(&[&[list, "list", "elbe-4"][..], &range, &limit].concat());
        assert!(!found.is_empty());
        assert_eq!(found, printed, "{list}");
    }
    // The consumer sees its own net, and of the rounds all that is no name.
    let nets = all(&world, &world.grid, "/nets", 1).await;
    assert_eq!(nets.len(), 1);
    assert_eq!(nets[0]["net"], "elbe-4");
    let sums = all(&world, &world.grid, "/nets/elbe-4/rounds", 500).await;
    for (full, sums) in rounds.iter().zip(&sums) {
        for key in [
            "round", "start", "end", "status", "reason", "members", "sums",
        ] {
            assert_eq!(full[key], sums[key]);
        }
        assert_eq!(
            sums["contributors"],
            full["contributors"].as_array().unwrap().len()
        );
    }
    assert_eq!(rounds.len(), sums.len());
    let health = get(
        &world.otto,
        &world.server,
        "/v1/operators/nets/elbe-4/health",
    )
    .await;
    let health: Value = serde_json::from_slice(&health.ok()).unwrap();
    assert_eq!(health["health"], "late");
    assert_eq!(health["last_round"], FIRST + ROUNDS - 1);
}
on_both!(lists_are_those_of_the_command_line);

async fn exports_are_those_of_the_command_line(lab: Lab) {
    let world = World::new(lab).await;
    let (from, to) = ("2026-06-21T00:00:00Z", "2026-06-24T00:00:00Z");
    for (format, values, media_type) in [
        ("csv", true, "text/csv; charset=utf-8; header=present"),
        ("jsonl", false, "application/jsonl"),
        ("influx", false, "text/plain; charset=utf-8"),
        ("parquet", false, "application/vnd.apache.parquet"),
        (
            "openmetrics",
            false,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ] {
        let mut sizes = Vec::new();
        for range in [&[][..], &["--from", from, "--to", to]] {
            let mut args = vec!["export", format, "elbe-4"];
            args.extend(values.then_some("--values"));
            args.extend(range);
            let file = world.lab.dcnet(&args);
            assert!(file.status.success(), "{file:?}");
            let mut path = format!("/v1/operators/nets/elbe-4/export?format={format}");
            if !range.is_empty() {
                path = format!("{path}&from={from}&to={to}");
            }
            let answer = get(&world.grid, &world.server, &path).await;
            assert_eq!(answer.media_type, media_type);
            assert!(answer.ok() == file.stdout, "{format} {range:?}");
            sizes.push(file.stdout.len());
        }
        assert!(sizes[0] > sizes[1], "{sizes:?}");
    }
}
on_both!(exports_are_those_of_the_command_line);

async fn what_cannot_be_exported_whole_does_not_look_whole(lab: Lab) {
    let world = World::new(lab).await;
    let last = FIRST + ROUNDS - 1;
    let damage = "UPDATE rounds SET outcome = substr(outcome, 1, 3)";
    let damage = format!("{damage} WHERE net = 'elbe-4' AND round = {last}");
    world.lab.store.execute(&damage).await;
    let path = "/v1/operators/nets/elbe-4/export?format=jsonl";
    let url = format!("{}{path}", world.server.url);
    let response = world.otto.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    // The other ones go on.
    let path = "/v1/operators/nets/weser/export?format=jsonl";
    get(&world.otto, &world.server, path).await.ok();
    let (_, log) = world.server.end("-TERM");
    assert!(log.contains("an export is broken off"), "{log}");
}
on_both!(what_cannot_be_exported_whole_does_not_look_whole);

async fn exports_and_refusals_are_in_the_audit_trail(lab: Lab) {
    let world = World::new(lab).await;
    let nets = "/v1/operators/nets";
    let export = format!("{nets}/elbe-4/export?format=jsonl");
    get(&world.grid, &world.server, &export).await.ok();
    // Nothing leaves with a head, and nothing is noted.
    let url = format!("{}{export}", world.server.url);
    assert!(
        world
            .grid
            .head(url)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    for _ in 0..25 {
        let refused = get(&world.grid, &world.server, &format!("{nets}/weser/rounds")).await;
        refused.problem(403, "wrong-role");
    }
    get(&world.otto, &world.server, &format!("{nets}/weser/rounds"))
        .await
        .ok();
    let noted = all(&world, &world.otto, "/audit-log", 7).await;
    assert_eq!(
        noted,
        world
            .lab
            .dcnet_published(&["audit-log", "show"])
            .as_array()
            .unwrap()[..]
    );
    assert_eq!(noted[0]["action"], "server-started");
    let noted = &noted[1..];
    let operator = serde_json::json!({"kind": "operator", "name": "grid", "role": "consumer"});
    assert!(
        noted.iter().all(|entry| entry["actor"] == operator),
        "{noted:?}"
    );
    assert_eq!(noted[0]["action"], "exported");
    assert_eq!(noted[0]["net"], "elbe-4");
    assert_eq!(noted[0]["detail"], "jsonl over HTTPS");
    // A program that tries again and again does not fill the trail.
    assert_eq!(noted.len(), 21);
    for entry in &noted[1..] {
        assert_eq!(
            (&entry["action"], &entry["net"]),
            (&"refused".into(), &"weser".into())
        );
    }
    assert!(
        noted[20]["detail"]
            .as_str()
            .unwrap()
            .contains("further ones")
    );
    let head = get(&world.anna, &world.server, "/v1/operators/audit-log/head")
        .await
        .ok();
    let head: Value = serde_json::from_slice(&head).unwrap();
    let verified = world.lab.dcnet_published(&["audit-log", "verify"]);
    assert_eq!(head["head"], verified["head"]);
}
on_both!(exports_and_refusals_are_in_the_audit_trail);
