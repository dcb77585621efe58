//! Lies by message: corrections, manifests, exits; and other parameters.

use std::time::Duration;

use dcnet_protocol::membership::entry::ExitStatement;
use dcnet_protocol::message::{Correction, Message};
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::Round;
use dcnet_tests::harness::wait_for;

use crate::lies::Lie;
use crate::provider::{Liar, OTHER, VICTIM, id};
use crate::side_by_side;
use crate::stage::Stage;

side_by_side!(messages_that_lie:
    corrections_of_double_mask_rounds_are_not_answered,
    old_manifests_and_forged_exits_are_faults,
    an_epoch_that_the_log_does_not_have_is_not_entered,
    other_parameters_are_refused_after_a_restart,
);

fn correction(liar: &Liar, round: Round) -> Message {
    // Of a past round the state machine may know nothing any more; then that of the next one.
    let epoch = liar.provider.epoch_at(round);
    let epoch = epoch.or_else(|| liar.provider.epoch_at(round.next()));
    let epoch = epoch.unwrap().epoch;
    Message::Correction(liar.key.sign(Correction {
        net: liar.descriptor.net(),
        descriptor: liar.descriptor.hash(),
        epoch,
        round,
        missing: ClientSet::from_iter([id(OTHER)]),
    }))
}

/// Script 14, and 3 for corrections: of the round that is being corrected, twice, and of the one
/// before.
fn corrections_of_double_mask_rounds_are_not_answered() {
    let stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    for _ in 0..2 {
        // In the correction window of a round whose frame is here.
        let round = stage.wait("the victim's frame", || {
            let liar = stage.liar();
            let round = liar.round()?;
            let kinds = liar.wiretap.kinds(id(VICTIM), round);
            kinds.contains(&Notification::Transmit).then_some(round)
        });
        for round in [round, round, Round::new(round.number() - 1)] {
            let message = correction(&stage.liar(), round);
            stage.deliver(message);
        }
        stage.wait_rounds(1);
    }
    stage.wait_for("correction.refused", 0);
    let log = stage.log(VICTIM);
    assert!(!log.contains("correction.answered"));
    assert_eq!(log.matches("correction.refused").count(), 6, "{log}");
    stage.wait_for_sum(5);
    let liar = stage.liar();
    let mut heard = liar.wiretap.heard.iter();
    assert!(heard.all(|heard| heard.notification != Notification::Resend));
    drop(liar);
    stage.judge();
}

/// Scripts 10 and 12.
fn old_manifests_and_forged_exits_are_faults() {
    let stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    let faults = |stage: &Stage| stage.status(VICTIM)["faults"].as_u64().unwrap();
    let before = faults(&stage);
    let (old, exit) = {
        let liar = stage.liar();
        let mut manifests = liar.manifests.iter().rev();
        let old = manifests.find(|manifest| manifest.client == id(VICTIM));
        let exit = ExitStatement {
            net: liar.descriptor.net(),
            descriptor: liar.descriptor.hash(),
            client: id(OTHER),
            serial: 1_000,
            neighbours: ClientSet::from_iter([id(VICTIM)]),
        };
        (liar.key.sign(old.unwrap().clone()), liar.key.sign(exit))
    };
    stage.deliver(Message::Manifest(old));
    stage.wait_for("not newer than the last one", 0);
    stage.deliver(Message::Exit(exit));
    stage.wait("a fault", || (faults(&stage) >= before + 2).then_some(()));
    // The edge stays: a frame without it could not be in a sum.
    stage.wait_for_sum(5);
    stage.wait_for_sum(5);
    assert_eq!(stage.status(VICTIM)["neighbours"], 4);
    assert!(!stage.log(VICTIM).contains("leaves; its key is discarded"));
    stage.judge();
}

/// Script 10, an old epoch under a new number.
fn an_epoch_that_the_log_does_not_have_is_not_entered() {
    let stage = Stage::new(5, None);
    let last = stage.wait_for_sum(5);
    let forged = {
        let liar = stage.liar();
        let mut manifests = liar.manifests.iter().rev();
        let old = manifests.find(|manifest| manifest.client == id(VICTIM));
        let mut forged = old.unwrap().clone();
        forged.head.epoch = forged.head.epoch.next();
        forged.head.first_round = Round::new(last.number() + 3);
        liar.key.sign(forged)
    };
    let first = forged.unverified().head.first_round;
    stage.deliver(Message::Manifest(forged));
    stage.wait_for("is not what the membership log says of it", 0);
    // It stays in the epoch that is proved.
    let epoch = stage.status(VICTIM)["epoch"].clone();
    let later = || (stage.wait_for_sum(5) >= first).then_some(());
    stage.wait(
        "a sum of the round from which on it is said to be in force",
        later,
    );
    assert_eq!(stage.status(VICTIM)["epoch"], epoch);
    assert!(stage.evidence(VICTIM).is_none());
    stage.judge();
}

/// Script 11.
fn other_parameters_are_refused_after_a_restart() {
    let mut stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    stage.tell(Lie::OtherDescriptor);
    stage.restart(VICTIM);
    let patience = Duration::from_mins(1);
    let end = wait_for("the gateway to give up", patience, || {
        stage.lab.gateway_end(VICTIM)
    });
    let log = stage.log(VICTIM);
    let last = log.lines().last().unwrap();
    assert!(!end.unwrap().success(), "{last}");
    assert!(
        last.contains("other parameters for demo than at the first contact"),
        "{last}"
    );
    stage.judge();
}
