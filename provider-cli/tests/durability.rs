//! A receipt outlives everything: `kill -9`, failing disks, shutdowns. And what must not outlive
//! its round does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Lab, Net, Store, four, holds, now, on_both, receipt};
use dcnet_protocol::round::Round;

/// Words that do not occur by chance.
fn words(gateway: u64) -> [u64; 2] {
    [
        0x5afe_c0de_0000_0001 + (gateway << 16),
        0xfeed_beef_dead_0001 + (gateway << 16),
    ]
}

on_both!(an_acknowledged_frame_survives_kill_9);
async fn an_acknowledged_frame_survives_kill_9(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways = four(&lab);
    let first = &gateways[0];
    let net = Net::fetch(&server, first, "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = first.manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    let frames: Vec<_> = gateways
        .iter()
        .zip(0..)
        .map(|(gateway, index)| net.transmit(gateway.id, epoch, round, &words(index)))
        .collect();
    let before = receipt(&net, first.frame(&server, &net, &frames[0]).await);
    server.end("-KILL");

    // The same window, another process.
    let server = lab.serve();
    let again = receipt(&net, first.frame(&server, &net, &frames[0]).await);
    assert_eq!(again, before);
    let other = net.transmit(first.id, epoch, round, &words(9));
    first
        .frame(&server, &net, &other)
        .await
        .problem(409, "different-frame");
    net.wait_for(round).await;
    for (gateway, frame) in gateways.iter().zip(&frames).skip(1) {
        gateway.frame(&server, &net, frame).await.ok();
    }
    // Complete: final at once, with the frame from before the kill in its sum.
    let shown = lab.dcnet_json(&["round", "show", "elbe-4", &round.to_string(), "--json"]);
    assert_eq!(shown["status"], "complete", "{shown}");
    assert_eq!(
        shown["contributors"].as_array().unwrap().len(),
        4,
        "{shown}"
    );
    let sum = (0..4)
        .fold(0_u64, |sum, index| sum.wrapping_add(words(index)[1]))
        .cast_signed();
    assert_eq!(shown["sums"][1]["value"], sum.to_string(), "{shown}");
}

on_both!(frames_are_erased_when_their_round_is_final);
async fn frames_are_erased_when_their_round_is_final(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways = four(&lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    for (gateway, index) in gateways.iter().zip(0..3_u64) {
        let frame = net.transmit(gateway.id, epoch, round, &words(index));
        gateway.frame(&server, &net, &frame).await.ok();
    }
    assert!(
        holds(&lab.store.everything().await, words(0)[0]),
        "the test looks in the right place"
    );
    let frame = net.transmit(gateways[3].id, epoch, round, &words(3));
    gateways[3].frame(&server, &net, &frame).await.ok();
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let shown = lab.dcnet_json(&["round", "show", "elbe-4", &round.to_string(), "--json"]);
    assert_eq!(shown["status"], "complete", "{shown}");
    let bytes = lab.store.everything().await;
    for index in 0..4 {
        for word in words(index) {
            assert!(
                !holds(&bytes, word),
                "word {word:x} of gateway {index} is still kept"
            );
        }
    }
    let sum = (0..4).fold(0_u64, |sum, index| sum.wrapping_add(words(index)[0]));
    assert!(holds(&bytes, sum), "the sum is kept");
}

/// SQLite's log is a file beside the store; what a database's log keeps is its administrator's.
#[tokio::test(flavor = "multi_thread")]
async fn frames_left_in_the_log_by_a_kill_are_erased_at_the_next_start() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways = four(&lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    for (gateway, index) in gateways.iter().zip(0_u64..) {
        let frame = net.transmit(gateway.id, epoch, round, &words(index));
        gateway.frame(&server, &net, &frame).await.ok();
    }
    server.end("-KILL");
    assert!(
        holds(&lab.store.everything().await, words(0)[0]),
        "killed before the log was emptied"
    );
    let server = lab.serve();
    gateways[0].get(&server, "/healthz").await.ok();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let bytes = lab.store.everything().await;
    for index in 0..4 {
        assert!(!holds(&bytes, words(index)[0]), "gateway {index}");
    }
}

on_both!(a_store_that_fails_acknowledges_nothing_and_recovers);
async fn a_store_that_fails_acknowledges_nothing_and_recovers(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways = four(&lab);
    let first = &gateways[0];
    let net = Net::fetch(&server, first, "elbe-4").await;

    lab.store.break_table("members", None).await;
    let register = first.register_frame(&net);
    first
        .frame(&server, &net, &register)
        .await
        .problem(503, "store-unavailable");
    let list = first.get(&server, "/v1/nets/elbe-4/members").await.ok();
    assert_eq!(
        list, [0; 4],
        "the machine that ran ahead of the store is gone"
    );
    lab.store.mend_table("members").await;
    net.enter_all(&server, &gateways).await;
    let manifest = first.manifest(&server, &net).await;
    let round = manifest.head.first_round;

    let frame = net.transmit(first.id, manifest.head.epoch.number(), round, &words(1));
    let other = net.transmit(first.id, manifest.head.epoch.number(), round, &words(2));
    lab.store.break_table("frames", None).await;
    for _ in 0..3 {
        first
            .frame(&server, &net, &frame)
            .await
            .problem(503, "store-unavailable");
    }
    assert!(!holds(&lab.store.everything().await, words(1)[0]));
    lab.store.mend_table("frames").await;
    let given = receipt(&net, first.frame(&server, &net, &frame).await);
    first
        .frame(&server, &net, &other)
        .await
        .problem(409, "different-frame");
    assert_eq!(
        receipt(&net, first.frame(&server, &net, &frame).await),
        given
    );
}

on_both!(one_nets_fault_is_not_another_nets);
async fn one_nets_fault_is_not_another_nets(lab: Lab) {
    lab.create_net("good");
    lab.create_net("bad");
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let good = Net::fetch(&server, &gateway, "good").await;
    let bad = Net::fetch(&server, &gateway, "bad").await;
    lab.store.break_table("members", Some("bad")).await;
    let (first, second) = (gateway.register_frame(&good), gateway.register_frame(&bad));
    let (one, two) = tokio::join!(
        gateway.frame(&server, &good, &first),
        gateway.frame(&server, &bad, &second)
    );
    one.ok();
    two.problem(503, "store-unavailable");
}

on_both!(a_graceful_shutdown_ends_long_polls_and_closes_the_store, beside others);
async fn a_graceful_shutdown_ends_long_polls_and_closes_the_store(lab: Lab) {
    lab.create_net("elbe-4");
    let mut server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let net = Net::fetch(&server, &gateway, "elbe-4").await;
    let started = Instant::now();
    let (inbox, ()) = tokio::join!(gateway.inbox(&server, &net, 0, 25), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.signal("-TERM");
    });
    assert!(inbox.deliveries.is_empty());
    let (status, log) = server.wait();
    assert!(status.success(), "{log}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(log.contains("stopped"), "{log}");
    let url = format!("{}/healthz", server.url);
    assert!(gateway.http.get(url).send().await.is_err());
}

on_both!(a_long_poll_returns_when_a_message_arrives_and_confirms_what_it_has, beside others);
async fn a_long_poll_returns_when_a_message_arrives_and_confirms_what_it_has(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let (from, to) = (lab.gateway("gw-1"), lab.gateway("gw-2"));
    let net = Net::fetch(&server, &from, "elbe-4").await;
    from.frame(&server, &net, &from.register_frame(&net))
        .await
        .ok();
    to.frame(&server, &net, &to.register_frame(&net)).await.ok();
    let path = "/v1/nets/elbe-4/envelopes";
    let started = Instant::now();
    let (inbox, ()) = tokio::join!(to.inbox(&server, &net, 0, 20), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        from.post(&server, path, from.envelope(&net, to.id))
            .await
            .ok();
    });
    let waited = started.elapsed();
    assert!((700..5000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(inbox.deliveries.len(), 1);
    assert_eq!(inbox.deliveries[0].sequence, 1);
    // Not confirmed yet: it comes again. Confirmed: gone, and its number is never used again.
    assert_eq!(to.inbox(&server, &net, 0, 0).await.deliveries.len(), 1);
    assert!(to.inbox(&server, &net, 1, 0).await.deliveries.is_empty());
    server.end("-TERM");
    let server = lab.serve();
    assert!(to.inbox(&server, &net, 0, 0).await.deliveries.is_empty());
    from.post(&server, path, from.envelope(&net, to.id))
        .await
        .ok();
    assert_eq!(
        to.inbox(&server, &net, 1, 5).await.deliveries[0].sequence,
        2
    );
    // Only the addressee has it.
    assert!(from.inbox(&server, &net, 0, 0).await.deliveries.is_empty());
}

on_both!(nets_created_while_the_server_runs_are_served, beside others);
async fn nets_created_while_the_server_runs_are_served(lab: Lab) {
    lab.create_net("first");
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    gateway
        .get(&server, "/v1/nets/second")
        .await
        .problem(404, "unknown-net");
    lab.create_net("second");
    gateway.get(&server, "/v1/nets/second").await.ok();
}

/// A file has one server; those on one database share it.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_do_not_share_a_file() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let server = lab.serve();
    let second = lab.dcnet(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        lab.provider.tls_certificate.to_str().unwrap(),
        "--tls-key",
        lab.provider.tls_key.to_str().unwrap(),
        "--gateway-ca",
        lab.authority.certificate_path().to_str().unwrap(),
        "--signing-key",
        lab.provider.signing_key.to_str().unwrap(),
    ]);
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(text.contains("another server runs on the store"), "{text}");
    drop(server);
    lab.serve();
}

on_both!(migrations_run_once_and_a_newer_store_is_not_touched, beside others);
async fn migrations_run_once_and_a_newer_store_is_not_touched(lab: Lab) {
    lab.create_net("elbe-4");
    for _ in 0..2 {
        assert!(lab.dcnet(&["net", "list"]).status.success());
    }
    let count = "SELECT COUNT(*) FROM _sqlx_migrations";
    assert_eq!(lab.store.number(count).await, 8);
    let checksum = match &lab.store {
        Store::Sqlite(_) => "x'00'",
        Store::Postgres(_) => "'\\x00'",
    };
    let tomorrow = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of tomorrow', TRUE, {checksum}, 0)"
    );
    lab.store.execute(&tomorrow).await;
    let output = lab.dcnet(&["net", "list"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("does not fit this version"), "{text}");
}

on_both!(missing_members_show_in_audit_rounds_and_exports);
async fn missing_members_show_in_audit_rounds_and_exports(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways = four(&lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    assert_eq!(
        lab.dcnet(&["net", "audit", "elbe-4"]).status.code(),
        Some(3)
    );
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    let audit = lab.dcnet(&["net", "audit", "elbe-4", "--json"]);
    assert_eq!(audit.status.code(), Some(0), "{audit:?}");
    let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(
        (&audit["active"], &audit["edges"]),
        (&4.into(), &6.into()),
        "{audit}"
    );

    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    for (gateway, readings) in gateways
        .iter()
        .zip([[12, 5], [34, u64::MAX], [56, 7], [78, 8]])
    {
        let frame = net.transmit(gateway.id, epoch, round, &readings);
        gateway.frame(&server, &net, &frame).await.ok();
    }
    // Nobody sends the next one: it fails, and a missing value is not 0.
    let later = Round::new(round.number() + 1);
    let end = net.descriptor.schedule().correction_deadline(later);
    tokio::time::sleep(Duration::from_millis(end.millis_since(now()) + 1500)).await;

    let csv = lab.dcnet(&["export", "csv", "elbe-4"]);
    let text = String::from_utf8(csv.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "net,round,start,end,epoch,status,reason,members,contributors,\
         1-0:1.8.0*255 [Wh],1-0:16.7.0*255 [W],contributor_names,silent_names,missing_names"
    );
    let time = |at| jiff::Timestamp::from_second(i64::try_from(at).unwrap()).unwrap();
    let start = round.number() * 5;
    let (start, end, after) = (time(start), time(start + 5), time(start + 10));
    assert_eq!(
        lines[1],
        format!("elbe-4,{round},{start},{end},{epoch},complete,,4,4,18.0,19,gw-1 gw-2 gw-3 gw-4,,")
    );
    let failed = format!("elbe-4,{later},{end},{after},{epoch},failed,");
    assert!(lines[2].starts_with(&failed), "{text}");
    assert!(lines[2].ends_with(",4,0,,,,,gw-1 gw-2 gw-3 gw-4"), "{text}");

    let json = lab.dcnet_json(&["export", "json", "elbe-4", "--to", &end.to_string()]);
    assert_eq!(json.as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json[0]["sums"][0]["value"], "18.0");
    let listed = lab.dcnet_json(&["round", "list", "elbe-4", "--json", "--limit", "1"]);
    assert_eq!(listed[0]["status"], "failed", "{listed}");
    assert_eq!(listed[0]["sums"], serde_json::Value::Null);
    let failed = lab.dcnet_published(&["correction", "list", "elbe-4"]);
    assert_eq!(failed[0]["reason"], listed[0]["reason"], "{failed}");
}
