//! A provider that lies in rosters, against real gateways that correct by double masks: one refusal of
//! section 7.17 of `docs/spec/protocol.md` after the other, and what leaves before and after it.

use std::collections::BTreeSet;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::{Fault, Gateway, GatewayState, Input, Output, Report};

use crate::street::stage::{Draft, Said, Stage};
use crate::street::{Params, World};
use crate::words;

/// Six members, complete graph: 4 of the 5 others recover a mask.
pub(crate) fn stage() -> Stage {
    net(8, 5)
}

/// Six members that draw `k` others, of whom `t` recover a mask in a larger net.
pub(crate) fn net(k: u16, t: u16) -> Stage {
    let params = Params {
        mode: CorrectionMode::DoubleMask,
        threshold: t,
        loss: 300,
        ..Params::default()
    };
    Stage::new(World::with(6, 4, k, 7, params))
}

/// All have sent a reading and have the receipt; the window has closed.
pub(crate) fn sealed() -> Stage {
    let mut stage = stage();
    receipted(&mut stage);
    stage
}

fn receipted(stage: &mut Stage) {
    for (member, frame) in stage.submit_all().iter().enumerate() {
        let receipt = stage.receipt(frame);
        let said = stage.give(member, Input::Accepted(Box::new(receipt)));
        assert_eq!(said.asked, [0], "it asks for the first roster");
    }
    stage.close();
}

/// What gateway 1 makes of a roster.
pub(crate) trait Asked {
    /// It must refuse, and nothing leaves any more, whatever good rosters come later.
    fn refused(&mut self, draft: &Draft) -> &'static str;
    /// It refuses, and that changes nothing.
    fn ignored(&mut self, draft: &Draft) -> &'static str;
    /// It answers.
    fn answered(&mut self, draft: &Draft) -> Frame;
}

impl Asked for Stage {
    fn refused(&mut self, draft: &Draft) -> &'static str {
        let said = self.show(1, draft);
        let name = said.refusal();
        assert!(said.frames.is_empty(), "{name}: {:?}", said.frames);
        assert_eq!(said.persisted.len(), 1, "a refusal is on disk");
        for restarted in [false, true] {
            if restarted {
                assert!(self.restart(1).frames.iter().all(|frame| !is_answer(frame)));
            }
            for good in [self.draft(40, false), self.draft(41, true)] {
                let good = self.show(1, &good);
                let later = good.refusal();
                let known = ["refused-before", "roster-grew", "two-rosters"];
                assert!(known.contains(&later), "{name}, and then {later}");
                assert!(good.frames.is_empty());
            }
            assert!(self.give(1, Input::Retry).asked.is_empty());
        }
        name
    }

    fn ignored(&mut self, draft: &Draft) -> &'static str {
        let said = self.show(1, draft);
        assert!(said.frames.is_empty() && said.persisted.is_empty());
        said.refusal()
    }

    fn answered(&mut self, draft: &Draft) -> Frame {
        let said = self.show(1, draft);
        assert_eq!(said.refusal(), "none");
        said.frame()
    }
}

fn is_answer(bytes: &[u8]) -> bool {
    let frame = Frame::decode(bytes).unwrap();
    matches!(
        frame.body(),
        FrameBody::Pads { .. } | FrameBody::Reveal { .. }
    )
}

#[test]
fn another_net_changes_nothing() {
    let mut stage = sealed();
    let draft = Draft {
        net: "elsewhere",
        ..stage.draft(1, true)
    };
    assert_eq!(stage.ignored(&draft), "wrong-net");
    stage.answered(&stage.draft(1, true));
}

#[test]
fn another_round_than_the_current_one_changes_nothing() {
    let mut stage = sealed();
    let round = stage.round;
    for other in [round.next(), round.previous()] {
        let draft = Draft {
            round: other,
            ..stage.draft(1, true)
        };
        assert_eq!(stage.ignored(&draft), "not-current");
    }
    stage.at(11_999);
    stage.answered(&stage.draft(1, false));
    stage.at(12_000);
    let draft = stage.draft(2, true);
    assert_eq!(stage.ignored(&draft), "not-current");
}

#[test]
fn two_rosters_of_one_step() {
    let mut stage = sealed();
    stage.answered(&stage.draft(1, false));
    let draft = stage.without(1, false, &[3]);
    assert_eq!(stage.refused(&draft), "two-rosters");
    // A pads roster and a reveal of one step are two, too.
    let mut stage = sealed();
    stage.answered(&stage.draft(1, false));
    let draft = stage.draft(1, true);
    assert_eq!(stage.refused(&draft), "two-rosters");
}

#[test]
fn a_roster_that_grows() {
    let mut stage = sealed();
    stage.answered(&stage.without(1, false, &[3]));
    let draft = stage.draft(2, true);
    assert_eq!(stage.refused(&draft), "roster-grew");
}

#[test]
fn a_roster_after_the_reveal() {
    let mut stage = sealed();
    stage.answered(&stage.draft(1, true));
    let draft = stage.without(2, false, &[3]);
    assert_eq!(stage.refused(&draft), "roster-grew");
}

#[test]
fn other_members_in_a_later_step() {
    let mut stage = sealed();
    stage.answered(&stage.draft(1, false));
    let draft = Draft {
        members: 7,
        ..stage.draft(2, true)
    };
    assert_eq!(stage.refused(&draft), "roster-grew");
}

/// Before the one with the share keys there may have been others, which were not shown in time.
#[test]
fn an_earlier_roster_after_the_reveal() {
    let mut stage = sealed();
    stage.answered(&stage.without(2, true, &[3]));
    let draft = stage.draft(1, false);
    assert_eq!(stage.refused(&draft), "already-revealed");
}

#[test]
fn a_round_without_a_frame() {
    let mut stage = stage();
    stage.close();
    let draft = stage.draft(1, true);
    assert_eq!(stage.refused(&draft), "nothing-sent");
}

#[test]
fn another_epoch() {
    let mut stage = sealed();
    let draft = Draft {
        epoch: stage.epoch() + 1,
        ..stage.draft(1, true)
    };
    assert_eq!(stage.refused(&draft), "wrong-epoch");
}

#[test]
fn other_members_than_those_of_the_manifest() {
    for change in [
        (|draft: &mut Draft| draft.root[0] ^= 1) as fn(&mut Draft),
        |draft| draft.members += 1,
        |draft| {
            draft.members -= 1;
            draft.present.remove(&5);
            draft.contributors -= 1;
        },
    ] {
        let mut stage = sealed();
        let mut draft = stage.draft(1, true);
        change(&mut draft);
        assert_eq!(stage.refused(&draft), "wrong-members");
    }
}

#[test]
fn who_has_a_receipt_is_not_missing() {
    let mut stage = sealed();
    let draft = stage.without(1, false, &[1]);
    assert_eq!(stage.refused(&draft), "receipted-but-missing");
}

#[test]
fn who_is_left_out_says_nothing() {
    // Without a receipt it may be true.
    let mut stage = stage();
    stage.submit_all();
    stage.close();
    let draft = stage.without(1, false, &[1]);
    assert_eq!(stage.refused(&draft), "not-in-roster");
    // In a later step it may be true for somebody with a receipt.
    let mut stage = sealed();
    stage.answered(&stage.draft(1, false));
    let said = stage.show(1, &stage.without(2, false, &[1]));
    assert_eq!(said.refusal(), "not-in-roster");
    assert!(said.frames.is_empty() && said.evidence().is_empty());
}

#[test]
fn too_few_members() {
    let mut stage = sealed();
    let draft = stage.without(1, false, &[3, 4, 5]);
    assert_eq!(stage.refused(&draft), "too-few-members");
}

#[test]
fn too_few_readings() {
    let mut stage = sealed();
    let draft = Draft {
        contributors: 3,
        ..stage.draft(1, true)
    };
    assert_eq!(stage.refused(&draft), "too-few-readings");
}

#[test]
fn too_many_missing() {
    let mut stage = sealed();
    let draft = stage.without(1, false, &[3, 4]);
    assert_eq!(stage.refused(&draft), "too-many-missing");
}

#[test]
fn too_few_holders() {
    let mut stage = net(3, 3);
    receipted(&mut stage);
    let holder = *stage.holders(1).first().unwrap();
    let draft = stage.without(1, false, &[holder]);
    assert_eq!(stage.refused(&draft), "too-few-holders");
    // Any other may be missing.
    let mut stage = net(3, 3);
    receipted(&mut stage);
    let holders = stage.holders(1);
    let other = stage.members().find(|m| *m != 1 && !holders.contains(m));
    stage.answered(&stage.without(1, false, &[other.unwrap()]));
}

/// The first refusal stays the only one, whatever comes later.
#[test]
fn a_refusal_is_final() {
    let mut stage = sealed();
    let draft = stage.without(1, false, &[3, 4]);
    stage.show(1, &draft);
    let good = stage.show(1, &stage.without(2, false, &[3, 4]));
    assert_eq!(good.refusal(), "refused-before");
    stage.next_round();
    receipted(&mut stage);
    stage.answered(&stage.draft(1, true));
}

#[test]
fn a_roster_of_another_key_is_a_fault_and_changes_nothing() {
    let mut stage = sealed();
    let genuine = stage.sign(&stage.without(1, false, &[3]));
    let forged = stage.world.nodes[0]
        .setup
        .key
        .sign(genuine.unverified().clone());
    let said = stage.give(1, Input::Roster(Box::new(forged)));
    assert!(matches!(
        said.reports[..],
        [Report::Fault(Fault::Signature(_))]
    ));
    assert!(said.persisted.is_empty() && said.frames.is_empty());
    stage.answered(&stage.draft(1, true));
}

#[test]
fn pads_are_those_of_who_is_newly_missing_and_cancel() {
    let mut stage = sealed();
    let nobody = words(&stage.answered(&stage.draft(1, false)));
    assert_eq!(nobody, [0, 0, 0]);
    let one = words(&stage.answered(&stage.without(2, false, &[3])));
    let nobody = words(&stage.answered(&stage.without(3, false, &[3])));
    assert_eq!(nobody, [0, 0, 0], "they are told once");
    // The other end of the edge, in another world: the same pads, the sign turned.
    let said = stage.show(3, &stage.without(1, false, &[1]));
    let other = words(&said.frame());
    assert!(one.iter().all(|word| *word != 0));
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one.wrapping_add(other), 0);
    }
}

#[test]
fn share_keys_are_those_of_the_dealers_in_the_roster() {
    let mut stage = net(3, 2);
    receipted(&mut stage);
    let holders = stage.holders(1);
    let gone = stage.members().find(|m| *m != 1 && !holders.contains(m));
    let gone = gone.unwrap();
    stage.answered(&stage.without(1, false, &[gone]));
    let frame = stage.answered(&stage.without(2, true, &[gone]));
    let FrameBody::Reveal { keys, .. } = frame.body() else {
        panic!("not a frame of share keys");
    };
    let mut dealers = stage.dealers(1);
    dealers.remove(&gone);
    assert_eq!(keys.len(), dealers.len());
    assert!(!frame.header().transmission);
}

#[test]
fn the_same_roster_again_gives_the_same_bytes() {
    let mut stage = sealed();
    for draft in [stage.without(1, false, &[3]), stage.without(2, true, &[3])] {
        let first = stage.show(1, &draft).frames;
        for _ in 0..2 {
            let again = stage.show(1, &draft);
            assert_eq!(again.frames, first);
            assert!(again.persisted.is_empty());
        }
        assert_eq!(answers(&stage.restart(1)), first);
        assert_eq!(answers(&stage.show(1, &draft)), first);
    }
}

fn answers(said: &Said) -> Vec<Vec<u8>> {
    let frames = said.frames.iter();
    frames.filter(|bytes| is_answer(bytes)).cloned().collect()
}

/// The power fails when the answer is on disk and has not left.
#[test]
fn a_crash_before_sending_gives_the_same_bytes() {
    let mut stage = sealed();
    for draft in [stage.without(1, false, &[3]), stage.without(2, true, &[3])] {
        let roster = stage.sign(&draft);
        let clock = stage.world.clock(1);
        let outputs = stage
            .world
            .handle(1, clock, Input::Roster(Box::new(roster)));
        let Some(Output::Persist(persist)) = outputs.first() else {
            panic!("the first thing is to persist");
        };
        let sending = persist.sending.clone().unwrap();
        let client = stage.id(1);
        stage.world.recorder.persisted(client, &sending);
        let node = &mut stage.world.nodes[1];
        node.disk = Some(persist.state.expose().to_vec());
        assert_eq!(answers(&stage.restart(1)), [sending.bytes]);
    }
    // And if the write failed, the gateway has never seen the roster.
    let mut stage = sealed();
    let roster = stage.sign(&stage.without(1, false, &[3]));
    let clock = stage.world.clock(1);
    stage
        .world
        .handle(1, clock, Input::Roster(Box::new(roster)));
    let node = &mut stage.world.nodes[1];
    let disk = GatewayState::decode(node.disk.as_ref().unwrap()).unwrap();
    node.running = Some(Gateway::new(node.setup.clone(), disk).unwrap());
    stage.answered(&stage.draft(1, true));
}

/// Of however many rosters, all count: a gateway that forgot the ninth would answer another tenth.
#[test]
fn long_chains_are_not_forgotten() {
    let mut stage = sealed();
    for step in 1..=20 {
        stage.answered(&stage.draft(step, false));
    }
    stage.answered(&stage.without(21, false, &[3]));
    let draft = stage.draft(22, true);
    assert_eq!(stage.refused(&draft), "roster-grew");
    let everybody: BTreeSet<_> = stage.members().map(|member| stage.id(member)).collect();
    assert_eq!(everybody.len(), 6);
    let recorder = &stage.world.recorder;
    let view = recorder.view(stage.round, 4, &BTreeSet::new(), false);
    assert!(view.verdict().is_safe());
}

/// A clock that goes back does not bring back a round for which rosters were answered.
#[test]
fn a_clock_that_is_set_back_opens_no_round_again() {
    let mut stage = sealed();
    stage.answered(&stage.without(1, false, &[3]));
    let other = stage.without(1, false, &[4]);
    let before = stage.round;
    stage.next_round();
    let draft = stage.draft(1, true);
    assert_eq!(stage.show(1, &draft).refusal(), "nothing-sent");
    stage.round = before;
    stage.close();
    let said = stage.show(1, &other);
    assert!(said.frames.is_empty(), "the round is answered twice");
    assert_eq!(said.refusal(), "not-current");
}
