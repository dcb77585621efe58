//! A provider that lies about who is missing.

use dcnet_protocol::correction::resend::Refusal;
use dcnet_protocol::frame::FrameBody;
use dcnet_protocol::gateway::{Fault, Gateway, Input, Policy, Report, Setup, SetupError};
use dcnet_protocol::membership::witness::Quorum;
use dcnet_protocol::message::{Correction, Message};
use dcnet_protocol::names::ClientId;

use crate::world::{self, Net};
use crate::{EPOCH, ROUND, faults, frame_of, id, reading, running, set, submit_all, words};

fn refusals(net: &mut Net) -> Vec<(ClientId, Refusal)> {
    let reports = net.reports.drain(..);
    let refusals = reports.filter_map(|(client, report)| match report {
        Report::CorrectionRefused(refusal) => Some((client, refusal)),
        _ => None,
    });
    refusals.collect()
}

/// Everybody has submitted; `client` is asked; what it answers.
fn asked(client: &str, change: impl Fn(&Net, Correction) -> Correction) -> Result<(), Refusal> {
    let mut net = running();
    submit_all(&mut net, ROUND);
    net.sent.clear();
    net.reports.clear();
    let request = change(&net, net.correction(EPOCH, ROUND, &set(&["gw-2"])));
    net.ask(id(client), request);
    match refusals(&mut net)[..] {
        [] => {
            assert_eq!(net.sent.len(), 1);
            Ok(())
        }
        [(_, refusal)] => {
            assert!(net.sent.is_empty());
            Err(refusal)
        }
        _ => panic!("more than one refusal"),
    }
}

#[test]
fn a_sound_correction_is_answered() {
    assert_eq!(asked("gw-1", |_, request| request), Ok(()));
}

#[test]
fn too_many_missing_neighbours_are_refused() {
    let missing = |_: &Net, request| Correction {
        missing: set(&["gw-2", "a"]),
        ..request
    };
    assert_eq!(
        asked("gw-1", missing),
        Err(Refusal::TooFewNeighbours { alive: 2 })
    );
    let everybody = |net: &Net, request| Correction {
        missing: net.others(id("gw-1")),
        ..request
    };
    assert_eq!(
        asked("gw-1", everybody),
        Err(Refusal::TooFewNeighbours { alive: 0 })
    );
}

#[test]
fn a_sum_below_the_minimum_size_is_refused() {
    // Members of whom this gateway knows nothing but that they are missing.
    let missing = |_: &Net, request| Correction {
        missing: set(&["gw-2", "x", "y"]),
        ..request
    };
    assert_eq!(
        asked("gw-1", missing),
        Err(Refusal::TooFewMembers { left: 2, needed: 4 })
    );
}

#[test]
fn a_member_that_is_there_does_not_help_to_lay_itself_bare() {
    let named = |_: &Net, request| Correction {
        missing: set(&["gw-1"]),
        ..request
    };
    assert_eq!(
        asked("gw-1", named),
        Err(Refusal::NamesSelf { round: ROUND })
    );
}

#[test]
fn rounds_epochs_and_nets_are_not_mixed_up() {
    use dcnet_protocol::round::Epoch;
    let epoch = |_: &Net, request| Correction {
        epoch: Epoch::new(EPOCH + 1),
        ..request
    };
    assert!(matches!(
        asked("gw-1", epoch),
        Err(Refusal::WrongEpoch { .. })
    ));
    let before = |_: &Net, request| Correction {
        net: "x".parse().unwrap(),
        ..request
    };
    assert_eq!(asked("gw-1", before), Err(Refusal::WrongNet));
    let nobody = |_: &Net, request| Correction {
        missing: set(&[]),
        ..request
    };
    assert!(matches!(
        asked("gw-1", nobody),
        Err(Refusal::NoneOfMine { .. })
    ));
}

#[test]
fn a_round_is_corrected_in_its_window_only() {
    let mut net = running();
    submit_all(&mut net, ROUND);
    net.sent.clear();
    let late = net.schedule().correction_deadline(ROUND);
    let request = net.correction(EPOCH, ROUND, &set(&["gw-2"]));
    let signed = net.provider_key.sign(request);
    let delivery = net.delivery(Message::Correction(signed));
    net.give(late, id("gw-1"), delivery);
    assert!(matches!(
        refusals(&mut net)[..],
        [(_, Refusal::NotCurrent { .. })]
    ));
    assert!(net.sent.is_empty());
}

#[test]
fn a_correction_of_another_key_is_refused() {
    let mut net = running();
    submit_all(&mut net, ROUND);
    net.sent.clear();
    let request = net.correction(EPOCH, ROUND, &set(&["gw-2"]));
    let forged = net.statement_keys[&id("a")].sign(request);
    let delivery = net.delivery(Message::Correction(forged));
    net.give(net.schedule().submit_deadline(ROUND), id("gw-1"), delivery);
    assert!(matches!(faults(&mut net)[..], [(_, Fault::Signature(_))]));
    assert!(net.sent.is_empty());
}

/// Two corrections with different missing sets would show single pads as differences.
#[test]
fn a_round_is_answered_once() {
    let mut net = running();
    submit_all(&mut net, ROUND);
    net.sent.clear();
    let client = id("gw-1");
    let first = net.correction(EPOCH, ROUND, &set(&["gw-2"]));
    net.ask(client, first.clone());
    let answer = net.sent.pop().unwrap();
    net.ask(client, first);
    assert!(
        net.sent.iter().all(|frame| *frame == answer),
        "the same bytes or nothing"
    );
    net.sent.clear();
    net.reports.clear();
    let second = net.correction(EPOCH, ROUND, &set(&["a"]));
    net.ask(client, second);
    assert!(matches!(
        refusals(&mut net)[..],
        [(_, Refusal::AlreadyAnswered { .. })]
    ));
    assert!(net.sent.is_empty());
}

#[test]
fn nothing_is_resent_for_a_round_that_was_not_submitted() {
    let mut net = running();
    let request = net.correction(EPOCH, ROUND, &set(&["gw-2"]));
    net.ask(id("gw-1"), request);
    assert!(matches!(
        refusals(&mut net)[..],
        [(_, Refusal::NothingSent { .. })]
    ));
    assert!(net.sent.is_empty());
}

#[test]
fn an_owner_who_does_not_allow_resending_is_in_no_such_net() {
    let vector = world::members().remove(0);
    let (setup, _) = world::setup(&world::descriptor(), &vector);
    let with = |min_size, allow_resend| Setup {
        policy: Policy {
            min_size,
            allow_resend,
            witnesses: Quorum::default(),
        },
        ..setup.clone()
    };
    let join = |setup| Gateway::new(setup, world::state(&vector)).map(|_| ());
    assert_eq!(join(with(4, true)), Ok(()));
    assert_eq!(join(with(4, false)), Err(SetupError::Resend));
    assert_eq!(
        join(with(5, true)),
        Err(SetupError::MinSize { net: 4, owner: 5 })
    );
}

/// NOT withstood in `resend` mode: a provider that keeps a frame and calls its sender missing is
/// given all pads of the frame, as differences of what the neighbours sent. The double-mask mode is
/// there to prevent it. The same holds for a frame that comes too late by itself.
#[test]
fn a_withheld_frame_is_laid_bare_in_resend_mode() {
    let mut net = running();
    submit_all(&mut net, ROUND);
    let victim = id("gw-2");
    let withheld = words(frame_of(&net, victim));
    let originals = std::mem::take(&mut net.sent);
    for neighbour in &net.others(victim) {
        let request = net.correction(EPOCH, ROUND, &set(&["gw-2"]));
        net.ask(*neighbour, request);
    }
    let mut bare = withheld;
    for resent in &net.sent {
        assert!(matches!(resent.body(), FrameBody::Resend { .. }));
        let sender = resent.header().client;
        let original = originals
            .iter()
            .find(|frame| frame.header().client == sender)
            .unwrap();
        for ((word, before), after) in bare.iter_mut().zip(words(original)).zip(words(resent)) {
            // The neighbour's pad towards the victim is the victim's towards it, the sign turned.
            *word = word.wrapping_add(before.wrapping_sub(after));
        }
    }
    let number = net
        .everybody()
        .iter()
        .position(|client| *client == victim)
        .unwrap();
    let reading: Vec<u64> = reading(number)
        .values()
        .iter()
        .map(|v| v.cast_unsigned())
        .collect();
    assert_eq!(
        bare, reading,
        "this is the attack; if it fails, correct the threat model"
    );
}

/// NOT withstood either: how many members a net has is the provider's word.
#[test]
fn the_number_of_members_is_the_providers_word() {
    let mut net = Net::new();
    net.join(ROUND);
    let client = id("gw-1");
    let mut manifest = net.manifest(client, EPOCH, ROUND);
    manifest.head.members = 1_000_000;
    net.announce(manifest);
    let now = net.schedule().border(ROUND);
    net.give(
        now,
        client,
        Input::Submit {
            round: ROUND,
            reading: Some(reading(1)),
        },
    );
    assert_eq!(net.sent.len(), 1);
}
