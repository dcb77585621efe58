//! What those who look after nets are shown is what the command line prints: the membership log, rosters,
//! audits, net descriptors and evidence.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::signature::Signed;
use serde_json::{Value, json};

use crate::common::descriptor::key;
use crate::common::operators::get;
use crate::common::published;
use crate::lists::all;
use crate::world::{CORRECTED, FIRST, World};
use crate::{Lab, on_both};

async fn shown(world: &World, path: &str) -> Value {
    let path = format!("/v1/operators/{path}");
    let body = get(&world.otto, &world.server, &path).await.ok();
    serde_json::from_slice(&body).unwrap()
}

async fn the_log_is_that_of_the_command_line(lab: Lab) {
    let world = World::new(lab).await;
    let printed = world.lab.dcnet_published(&["net", "log", "elbe-4"]);
    for limit in [1, 3, 8, 1000] {
        let entries = all(&world, &world.otto, "/nets/elbe-4/log", limit).await;
        assert_eq!(Value::Array(entries), printed, "{limit}");
    }
    assert_eq!(printed.as_array().unwrap().len(), 8);
    assert_eq!(printed[0]["kind"], "admitted");
    assert_eq!(printed[5]["round"], FIRST, "of the epoch");
    assert_eq!(printed[7]["client"], "gw-2");
    // Behind the last one there is nothing, and whoever follows the log asks there.
    for after in [7, 8, i64::MAX.unsigned_abs()] {
        let behind = shown(&world, &format!("nets/elbe-4/log?after={after}")).await;
        assert_eq!(behind, json!({ "items": [], "next": null }));
    }
    let behind = shown(&world, "nets/elbe-4/log?after=6").await;
    assert_eq!(behind["items"][0], printed[7]);
    let none = all(&world, &world.anna, "/nets/weser/log", 5).await;
    assert!(none.is_empty(), "{none:?}");
}
on_both!(the_log_is_that_of_the_command_line, beside others);

async fn rosters_are_those_that_were_signed_with_names(lab: Lab) {
    let world = World::new(lab).await;
    let rosters = shown(&world, &format!("nets/elbe-4/rounds/{CORRECTED}/rosters")).await;
    let round = CORRECTED.to_string();
    let printed = world
        .lab
        .dcnet_published(&["round", "rosters", "elbe-4", &round]);
    assert_eq!(rosters, printed);
    let everybody = ["gw-0", "gw-1", "gw-2", "gw-3", "gw-4"];
    let expected = [
        (1, "pads", &everybody[..], &[][..]),
        (2, "share-keys", &everybody[..4], &["gw-4"]),
    ];
    let steps = rosters.as_array().unwrap();
    assert_eq!(steps.len(), expected.len());
    for (shown, (step, asks_for, present, absent)) in steps.iter().zip(expected) {
        assert_eq!(shown["step"], step);
        assert_eq!(shown["asks_for"], asks_for);
        assert_eq!(shown["epoch"], 1);
        assert_eq!(shown["present"], present.len());
        assert_eq!(shown["present_names"], json!(present));
        assert_eq!(shown["absent_names"], json!(absent));
        let signed = bytes(shown["signed"].as_str().unwrap());
        let signed = Signed::<Roster>::decode(&signed).unwrap();
        let roster = signed.verify(&key().verifying_key()).unwrap();
        assert_eq!((roster.round().number(), roster.step()), (CORRECTED, step));
    }
    // Of other rounds, and of nets without them, there are none.
    for path in [
        format!("nets/elbe-4/rounds/{FIRST}/rosters"),
        "nets/weser/rounds/1/rosters".to_owned(),
    ] {
        assert_eq!(shown(&world, &path).await, json!([]), "{path}");
    }
    // By the order of another epoch nobody is named.
    let lost = "DELETE FROM epochs WHERE net = 'elbe-4'";
    world.lab.store.execute(lost).await;
    let rosters = shown(&world, &format!("nets/elbe-4/rounds/{CORRECTED}/rosters")).await;
    assert_eq!(rosters[1]["present"], 4);
    assert_eq!(rosters[1]["present_names"], Value::Null);
}
on_both!(rosters_are_those_that_were_signed_with_names, beside others);

fn bytes(digits: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    let pair = |[high, low]: &[u8; 2]| digit(*high) << 4 | digit(*low);
    pairs.iter().map(pair).collect()
}

async fn audits_and_descriptors_are_those_of_the_command_line(lab: Lab) {
    let world = World::new(lab).await;
    for net in ["elbe-4", "weser"] {
        let audit = shown(&world, &format!("nets/{net}/audit")).await;
        let printed = world.lab.dcnet_published(&["net", "audit", net]);
        assert_eq!(audit, printed, "{net}");
        assert_eq!(audit["active"], 5);
        let problems = audit["problems"].to_string();
        // Members of these nets have registered with nobody.
        let told = if net == "elbe-4" {
            "key package of gw-0 is not kept"
        } else {
            "epoch-not-in-log"
        };
        assert!(problems.contains(told), "{problems}");

        let file = world.lab.path(net);
        let args = ["net", "descriptor", net, "--out", file.to_str().unwrap()];
        let written = world.lab.dcnet(&args);
        assert!(written.status.success(), "{written:?}");
        let path = format!("/v1/operators/nets/{net}/descriptor");
        let answer = get(&world.anna, &world.server, &path).await;
        assert_eq!(answer.media_type, "application/vnd.dcnet");
        assert_eq!(answer.ok(), std::fs::read(file).unwrap());
    }
    let path = "/v1/operators/nets/elbe-4/descriptor";
    let of_the_consumer = get(&world.grid, &world.server, path).await.ok();
    assert_eq!(
        of_the_consumer,
        std::fs::read(world.lab.path("elbe-4")).unwrap()
    );
}
on_both!(audits_and_descriptors_are_those_of_the_command_line, beside others);

async fn evidence_is_judged_as_by_the_command_line(lab: Lab) {
    let world = World::new(lab).await;
    let evidence = shown(&world, "evidence").await;
    assert_eq!(evidence["more"], false);
    let files = evidence["files"].as_array().unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|file| file["file"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["letter.bin", "lie.bin"]);
    assert_eq!(files[0]["judgement"], Value::Null);
    assert!(files[0]["error"].as_str().unwrap().contains("letter.bin"));
    let file = world.lab.path("evidence").join("lie.bin");
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_dcnet"))
        .args(["verify-evidence", "--json"])
        .arg(file)
        .output()
        .unwrap();
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(published::fault("verify-evidence", &printed), None);
    assert_eq!(files[1]["judgement"], printed);
    assert_eq!(printed["kind"], "two-rosters");
    assert_eq!(files[1]["net"], "elbe-4");
    assert_eq!(files[1]["error"], Value::Null);
}
on_both!(evidence_is_judged_as_by_the_command_line, beside others);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_folder_has_no_evidence_and_says_so() {
    let world = World::new(Lab::new()).await;
    let World {
        lab, server, otto, ..
    } = world;
    drop(server);
    let authority = lab.path("op-ca").join("ca.pem");
    let server = crate::common::operators::serve(&lab, &authority, &[]);
    let body = get(&otto, &server, "/v1/operators/evidence").await.ok();
    let shown: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(shown, json!({ "files": null, "more": false }));
}
