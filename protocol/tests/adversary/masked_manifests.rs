//! A provider that lies in the manifests of a net that corrects by double masks: about holders, indices
//! and the number of members, by which it would lower thresholds.

use dcnet_protocol::frame::FrameBody;
use dcnet_protocol::gateway::{Fault, Input, Report, RoundRefusal};
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::membership::proof::LogProof;
use dcnet_protocol::membership::witness::Cosignatures;
use dcnet_protocol::message::{Delivery, Manifest, Message};

use crate::rosters::net;
use crate::street::stage::{Said, Stage};

/// Gateway 1 gets the manifest of the next epoch, changed; what it says to that.
fn announced(stage: &mut Stage, change: impl FnOnce(&mut Manifest)) -> Said {
    let mut manifest = stage
        .world
        .recorder
        .manifest(stage.id(1), stage.epoch())
        .clone();
    manifest.head.epoch = manifest.head.epoch.next();
    manifest.head.first_round = stage.round;
    change(&mut manifest);
    // A log that says what the manifest says: that the provider shows it costs it nothing.
    let mut log = stage.world.provider.log().clone();
    let entry = LogEntry::Epoch(manifest.head);
    manifest.log_index = log.append(&entry);
    let key = stage.world.provider_setup.key.clone();
    let from = stage.world.nodes[1].running.as_ref().unwrap().log_size();
    let proof = LogProof {
        checkpoint: log.head(&key),
        cosignatures: Cosignatures::default(),
        from,
        consistency: log.consistency(from).unwrap(),
        index: manifest.log_index,
        entry,
        inclusion: log.inclusion(manifest.log_index).unwrap(),
    };
    let signed = key.sign(manifest.clone());
    stage.world.recorder.announced(manifest);
    let message = Message::Manifest(signed);
    let sequence = 1_000_000;
    let said = stage.give(1, Input::Delivery(Delivery { sequence, message }));
    if said.reports.is_empty() {
        stage.give(1, Input::LogProof(Box::new(proof)))
    } else {
        said
    }
}

fn fault(change: impl FnOnce(&mut Manifest)) -> Fault {
    let mut stage = net(3, 2);
    let said = announced(&mut stage, change);
    let [Report::Fault(fault)] = &said.reports[..] else {
        panic!("{:?}", said.reports);
    };
    // The manifest in force stays.
    let frame = stage.submit(1, Some(1)).frame();
    assert_eq!(frame.header().epoch.number(), stage.epoch());
    fault.clone()
}

/// Threshold and number of shares of the next frame, or why there is none.
fn sealed(stage: &mut Stage) -> Result<(u8, usize), RoundRefusal> {
    let said = stage.submit(1, Some(1));
    let refused = said.reports.iter().find_map(|report| match report {
        Report::RoundRefused { reason, .. } => Some(*reason),
        _ => None,
    });
    if let Some(reason) = refused {
        assert!(said.frames.is_empty());
        return Err(reason);
    }
    let frame = said.frame();
    let FrameBody::Transmit {
        mask: Some(mask), ..
    } = frame.body()
    else {
        panic!("a frame without a self-mask");
    };
    Ok((mask.threshold, mask.shares.len()))
}

#[test]
fn a_manifest_that_is_true_is_accepted() {
    let mut stage = net(8, 5);
    let said = announced(&mut stage, |_| {});
    assert!(matches!(said.reports[..], [Report::Manifest { .. }]));
    assert_eq!(sealed(&mut stage), Ok((4, 5)));
}

/// Shares would go to whom the provider likes.
#[test]
fn a_holder_that_was_not_drawn_is_a_fault() {
    let fault = fault(|manifest| {
        let edges = &mut manifest.neighbours;
        let other = edges.iter_mut().find(|edge| !edge.role.holder);
        other.unwrap().role.holder = true;
    });
    assert!(matches!(fault, Fault::ForeignHolder { .. }), "{fault}");
}

/// Two members with one bit, or bits of nobody.
#[test]
fn indices_that_are_none_are_a_fault() {
    type Change = fn(&mut Manifest);
    let changes: [Change; 4] = [
        |manifest| manifest.neighbours[0].index = manifest.neighbours[1].index,
        |manifest| manifest.neighbours[0].index = manifest.index,
        |manifest| manifest.neighbours[0].index = manifest.head.members,
        |manifest| manifest.index = manifest.head.members,
    ];
    for change in changes {
        let fault = fault(change);
        assert!(matches!(fault, Fault::Manifest { .. }), "{fault}");
    }
}

#[test]
fn with_too_few_of_its_own_draw_a_gateway_does_not_submit() {
    // Called neighbours, but not holders.
    let mut stage = net(8, 5);
    announced(&mut stage, |manifest| {
        for edge in manifest.neighbours.iter_mut().take(2) {
            edge.role.holder = false;
        }
    });
    let refusal = RoundRefusal::TooFewHolders {
        holders: 3,
        needed: 4,
    };
    assert_eq!(sealed(&mut stage), Err(refusal));
    // One may be missing, and the threshold stays.
    let mut stage = net(8, 5);
    announced(&mut stage, |manifest| {
        manifest.neighbours[0].role.holder = false;
    });
    assert_eq!(sealed(&mut stage), Ok((4, 4)));
}

/// In a smaller net fewer shares recover a mask; but a gateway that has drawn more knows better.
#[test]
fn a_net_that_is_called_small_lowers_no_threshold() {
    let small = |left: usize| {
        move |manifest: &mut Manifest| {
            manifest.neighbours.truncate(left);
            for (edge, index) in manifest.neighbours.iter_mut().zip(1..) {
                edge.index = index;
            }
            manifest.index = 0;
            manifest.head.members = u32::try_from(left).unwrap() + 1;
        }
    };
    let mut stage = net(8, 5);
    announced(&mut stage, small(3));
    let refusal = RoundRefusal::TooFewHolders {
        holders: 3,
        needed: 4,
    };
    assert_eq!(sealed(&mut stage), Err(refusal));
    let mut stage = net(8, 5);
    announced(&mut stage, small(4));
    assert_eq!(sealed(&mut stage), Ok((4, 4)));
}

#[test]
fn a_net_that_is_called_large_raises_what_is_needed() {
    let large = |members: u32| move |manifest: &mut Manifest| manifest.head.members = members;
    let mut stage = net(8, 5);
    announced(&mut stage, large(7));
    assert_eq!(sealed(&mut stage), Ok((4, 5)));
    let mut stage = net(8, 5);
    announced(&mut stage, large(1_000_000));
    let refusal = RoundRefusal::TooFewHolders {
        holders: 5,
        needed: 6,
    };
    assert_eq!(sealed(&mut stage), Err(refusal));
}
