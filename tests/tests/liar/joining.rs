//! Lies about the membership: who may be drawn, with which keys, and what the log says.

use dcnet_protocol::message::Manifest;

use crate::lies::Lie;
use crate::provider::{VICTIM, id};
use crate::side_by_side;
use crate::stage::Stage;

side_by_side!(memberships_that_lie:
    a_forged_leaf_is_reported_and_not_replaced_by_another_draw,
    a_withheld_leaf_is_waited_for,
    a_refused_list_is_waited_for,
    a_swapped_key_package_makes_no_edge,
    a_key_package_of_a_foreign_authority_makes_no_edge,
    a_forked_log_is_evidence,
    a_shorter_log_is_not_accepted,
);

/// Script 7: the victim asks for the same members again, and draws out of no second list.
fn waits_for_the_members_drawn(lie: Lie, told: &str) {
    let stage = Stage::new(5, Some(lie));
    stage.wait_for("drew ", 0);
    stage.wait_for(told, 0);
    let asked = |what: &str| -> Vec<String> {
        let liar = stage.liar();
        let of_victim = liar
            .requests
            .iter()
            .filter(|(client, _)| *client == id(VICTIM));
        let requests = of_victim.map(|(_, request)| request.clone());
        requests.filter(|request| request.contains(what)).collect()
    };
    let lists = asked("draw-list").len();
    stage.wait("a repeated question", || {
        (asked("/members?").len() >= 3).then_some(())
    });
    stage.wait_rounds(2);
    assert_eq!(asked("draw-list").len(), lists, "a second draw");
    let members = asked("/members?");
    assert!(
        members.iter().all(|asked| *asked == members[0]),
        "{members:?}"
    );
    assert_eq!(stage.status(VICTIM)["phase"], "joining");
    stage.tell(None);
    stage.wait_for_sum(5);
    assert!(!stage.log(VICTIM).contains("provider.evidence"));
    stage.judge();
}

fn a_forged_leaf_is_reported_and_not_replaced_by_another_draw() {
    waits_for_the_members_drawn(Lie::ForgedLeaf, "the provider forged the member at");
}

fn a_withheld_leaf_is_waited_for() {
    waits_for_the_members_drawn(Lie::WithheldLeaf, "drew ");
}

fn a_refused_list_is_waited_for() {
    waits_for_the_members_drawn(Lie::NoList, "log-index");
}

/// Script 6: nothing is agreed under that package; the edge comes about under the genuine one, from the
/// other end or later.
fn makes_no_edge(lie: Lie, told: &str) {
    let stage = Stage::new(5, Some(lie));
    stage.wait_for("provider.fault", 0);
    stage.wait_for(told, 0);
    assert!(stage.status(VICTIM)["faults"].as_u64() >= Some(1));
    stage.wait_for_sum(5);
    stage.tell(None);
    let liar = stage.liar();
    let genuine = |manifest: &Manifest| {
        let mut edges = manifest.neighbours.iter();
        edges.all(|edge| {
            // The genuine owner of that name has agreed on the same.
            let mut members = liar.provider.members();
            let peer = members.find(|member| member.client == edge.end.client);
            let stated = peer.and_then(|peer| peer.neighbourhood.as_ref()).unwrap();
            let back = stated.unverified().neighbours.get(&manifest.client);
            back.is_some_and(|back| back.agreement == edge.end.agreement)
        })
    };
    let mut manifests = liar.manifests.iter();
    assert!(manifests.any(|manifest| manifest.client == id(VICTIM)));
    assert!(liar.manifests.iter().all(genuine));
    drop(liar);
    stage.judge();
}

fn a_swapped_key_package_makes_no_edge() {
    let told = "is another member's";
    makes_no_edge(Lie::SwappedPackage, told);
}

fn a_key_package_of_a_foreign_authority_makes_no_edge() {
    makes_no_edge(Lie::ForeignPackage, "certificate");
}

/// Loses the frames of one gateway in every other round until something is found: each time the log
/// grows and an epoch begins.
fn unrest(stage: &Stage, what: &str, mut found: impl FnMut() -> bool) {
    for number in 0..24 {
        if found() {
            return;
        }
        stage.liar().mute = (number % 2 == 0).then(|| id("gw-5"));
        let known = stage.liar().outcomes.len();
        stage.wait("another round", || {
            (stage.liar().outcomes.len() > known).then_some(())
        });
    }
    panic!("no {what}");
}

/// Script 8.
fn a_forked_log_is_evidence() {
    let mut stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    let at = stage.liar().provider.log().len();
    stage.tell(Lie::Fork { at });
    let names = stage.lab.names();
    let mut finder = None;
    unrest(&stage, "evidence", || {
        finder = names.iter().find(|name| stage.evidence(name).is_some());
        finder.is_some()
    });
    stage.liar().mute = None;
    stage.is_caught(finder.unwrap(), "two-logs");
    stage.judge();
}

/// Script 9.
fn a_shorter_log_is_not_accepted() {
    let stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    let known = stage.status(VICTIM)["log_size"].as_u64().unwrap();
    let from = stage.log(VICTIM).len();
    stage.tell(Lie::ShorterLog);
    unrest(&stage, "refusal", || {
        stage.refusal("round.refused", "unproved", from).is_some()
    });
    assert!(stage.status(VICTIM)["log_size"].as_u64().unwrap() >= known);
    stage.liar().mute = None;
    stage.tell(None);
    stage.wait_for_sum(5);
    stage.judge();
}
