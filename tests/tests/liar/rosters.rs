//! Lies about who is there.

use dcnet_protocol::notification::Notification;

use crate::lies::Lie;
use crate::provider::{VICTIM, id};
use crate::side_by_side;
use crate::stage::Stage;

side_by_side!(rosters_that_lie:
    a_frame_withheld_and_called_missing_is_evidence,
    two_rosters_for_one_member_are_evidence,
    another_roster_for_one_member_teaches_nothing,
    rosters_that_are_too_small_are_not_answered,
    rosters_of_past_rounds_are_not_answered,
    answers_that_never_end_are_given_up,
);

/// Script 1.
fn a_frame_withheld_and_called_missing_is_evidence() {
    let mut stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    stage.tell(Lie::Withhold);
    stage.wait_for("\"reason\":\"receipted-but-missing\"", 0);
    stage.is_caught(VICTIM, "receipt-against-roster");
    stage.judge();
}

/// Script 2, one member.
fn two_rosters_for_one_member_are_evidence() {
    let mut stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    stage.tell(Lie::TwoRosters);
    stage.wait_for("\"reason\":\"two-rosters\"", 0);
    stage.is_caught(VICTIM, "two-rosters");
    stage.judge();
}

/// Script 2, two members.
fn another_roster_for_one_member_teaches_nothing() {
    let stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    let from = stage.log(VICTIM).len();
    stage.tell(Lie::OtherRoster);
    // One of its answers is pads towards somebody whose pads the others have left in.
    stage.wait("pads", || {
        let liar = stage.liar();
        let mut heard = liar.wiretap.heard.iter();
        heard
            .any(|heard| heard.client == id(VICTIM) && heard.notification == Notification::Pads)
            .then_some(())
    });
    stage.wait_rounds(2);
    stage.tell(None);
    stage.wait_for_sum(5);
    assert!(stage.evidence(VICTIM).is_none());
    let log = &stage.log(VICTIM)[from..];
    assert!(!log.contains("provider.evidence"));
    stage.judge();
}

/// Scripts 4 and 5.
fn rosters_that_are_too_small_are_not_answered() {
    let stage = Stage::new(8, None);
    stage.wait_for_sum(8);
    stage.refused(Lie::Isolated, "too-few-holders");
    stage.refused(Lie::Of(5), "too-many-missing");
    stage.refused(Lie::Of(3), "too-few-members");
    stage.refused(Lie::Readings(3), "too-few-readings");
    stage.wait_for_sum(8);
    stage.judge();
}

/// Script 3, rosters. One for a round whose roster was answered is more than past: with the one that was
/// answered it is evidence.
fn rosters_of_past_rounds_are_not_answered() {
    let mut stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    stage.refused(Lie::PastRoster, "not-current");
    stage.wait_for_sum(5);
    stage.refused(Lie::BackDated(50), "not-current");
    stage.wait_for_sum(5);
    stage.tell(Lie::BackDated(1));
    stage.wait_for("\"reason\":\"two-rosters\"", 0);
    stage.is_caught(VICTIM, "two-rosters");
    stage.judge();
}

/// Script 13.
fn answers_that_never_end_are_given_up() {
    let stage = Stage::new(5, None);
    stage.wait_for_sum(5);
    let sealed = stage.status(VICTIM)["last_round"].as_u64();
    stage.tell(Lie::Drip);
    stage.wait_rounds(4);
    let later = stage.status(VICTIM)["last_round"].as_u64();
    assert!(
        later >= sealed.map(|round| round + 3),
        "{sealed:?}, {later:?}"
    );
    stage.tell(None);
    stage.wait_for_sum(5);
    stage.judge();
}
