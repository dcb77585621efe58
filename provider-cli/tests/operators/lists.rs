//! What operators are shown is what the command line prints, in pages; exports are the same files.

use reqwest::Client;
use serde_json::Value;

use crate::common::operators::get;
use crate::world::{FIRST, ROUNDS, World};
use crate::{Lab, on_both};

/// All items of a list, page by page.
pub(crate) async fn all(world: &World, client: &Client, path: &str, limit: usize) -> Vec<Value> {
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
on_both!(lists_are_those_of_the_command_line, beside others);

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
on_both!(exports_are_those_of_the_command_line, beside others);
