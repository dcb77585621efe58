//! A provider of a net that corrects by double masks, against members that send what does not fit, tell
//! wrong share keys or share another seed than they say; and stopped in the middle of a round.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::gateway::Input;
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::entry::Neighbourhood;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::provider::{self, Refusal, RoundOutcome, RoundStatus, WrongShare};
use dcnet_protocol::self_mask::{SelfMask, ShareKey};
use dcnet_protocol::superposition::Superposition;

use crate::rosters::{net, stage};
use crate::street::stage::Stage;

fn post(stage: &mut Stage, member: usize, bytes: &[u8]) -> Result<(), Refusal> {
    let (from, bytes) = (stage.id(member), bytes.to_vec());
    let input = provider::Input::Frame { from, bytes };
    stage.world.ask_provider(input).map(|_| ())
}

fn tick(stage: &mut Stage, millis: u64) {
    let from = stage.world.now.millis();
    let to = stage.at(millis).millis();
    // Without a pause: the provider was there.
    for now in (from..=to).step_by(1000) {
        stage.world.now = dcnet_protocol::round::UnixTime::from_millis(now);
        stage.world.tick_provider();
    }
    stage.at(millis);
    stage.world.tick_provider();
}

/// All of these submit to the provider; the others' frames are lost.
fn submitted(stage: &mut Stage, present: &[usize]) -> Vec<Vec<u8>> {
    let frames = stage.submit_all();
    for member in present {
        assert_eq!(post(stage, *member, &frames[*member]), Ok(()));
    }
    frames
}

/// The sum of the readings of `submit_all`.
fn sum_of(present: &[usize]) -> Vec<u64> {
    let values = present.iter().map(|m| 1000 + i64::try_from(*m).unwrap());
    let (sum, count): (i64, i64) = (values.sum(), i64::try_from(present.len()).unwrap());
    [sum, -sum, 7 * count].map(i64::cast_unsigned).to_vec()
}

/// The provider's roster behind a step, and what a gateway answers to it.
fn answer(stage: &mut Stage, member: usize, after: u8) -> Vec<u8> {
    let round = stage.round;
    let roster = stage.world.provider.roster(round, after).unwrap().clone();
    let said = stage.give(member, Input::Roster(Box::new(roster)));
    assert_eq!(said.frames.len(), 1, "{:?}", said.reports);
    said.frames[0].clone()
}

fn outcome(stage: &Stage) -> &RoundOutcome {
    let last = stage.world.last();
    assert_eq!(last.round, stage.round);
    last
}

fn transmit(header: &FrameHeader, words: &Superposition, mask: Option<&SelfMask>) -> Vec<u8> {
    let mut bytes = b"DCN1".to_vec();
    bytes.extend(header.encode());
    bytes.push(5);
    bytes.extend(words.encode());
    bytes.push(u8::from(mask.is_some()));
    bytes.extend(mask.into_iter().flat_map(SelfMask::encode));
    bytes
}

/// The frame of notification 5 with what `change` makes of its self-mask.
fn with_mask(bytes: &[u8], change: impl FnOnce(&mut SelfMask)) -> Vec<u8> {
    let (header, body) = Frame::decode(bytes).unwrap().into_parts();
    let FrameBody::Transmit {
        words,
        mask: Some(mut mask),
    } = body
    else {
        panic!("not a masked frame");
    };
    change(&mut mask);
    transmit(&header, &words, Some(&mask))
}

/// An answer of share keys with what `change` makes of them.
fn with_keys(bytes: &[u8], change: impl FnOnce(&mut Vec<ShareKey>)) -> Vec<u8> {
    let (header, body) = Frame::decode(bytes).unwrap().into_parts();
    let FrameBody::Reveal { roster, mut keys } = body else {
        panic!("not a frame of share keys");
    };
    change(&mut keys);
    let body = FrameBody::Reveal { roster, keys };
    Frame::control(header, body).unwrap().encode()
}

fn wrong(key: ShareKey) -> ShareKey {
    let mut bytes = key.to_bytes();
    bytes[3] ^= 0x10;
    ShareKey::from_bytes(bytes)
}

fn status(stage: &Stage, member: usize) -> MemberStatus {
    stage.world.status_of(member).unwrap()
}

#[test]
fn frames_need_a_share_for_each_holder_and_a_threshold_that_fits() {
    let mut stage = stage();
    let frames = stage.submit_all();
    let changed = [
        with_mask(&frames[1], |mask| {
            mask.shares.pop();
        }),
        with_mask(&frames[1], |mask| mask.shares.push(mask.shares[0])),
        with_mask(&frames[1], |mask| mask.threshold = 1),
        with_mask(&frames[1], |mask| mask.threshold = 6),
        {
            let (header, body) = Frame::decode(&frames[1]).unwrap().into_parts();
            let FrameBody::Transmit { words, .. } = body else {
                panic!("not a frame of a reading");
            };
            transmit(&header, &words, None)
        },
    ];
    for bytes in changed {
        let refusal = post(&mut stage, 1, &bytes).unwrap_err();
        assert_eq!(refusal.slug(), "shares");
    }
    assert_eq!(post(&mut stage, 1, &frames[1]), Ok(()));
}

/// A roster is the provider's word: nobody is added to it.
#[test]
fn a_frame_behind_the_roster_is_too_late() {
    let mut stage = stage();
    let frames = submitted(&mut stage, &[0, 1, 2, 3, 4]);
    tick(&mut stage, 6_000);
    assert!(stage.world.provider.roster(stage.round, 0).is_some());
    let refusal = post(&mut stage, 5, &frames[5]).unwrap_err();
    assert_eq!(refusal.slug(), "too-late");
    // Also if the clock is set back.
    stage.at(5_900);
    let refusal = post(&mut stage, 5, &frames[5]).unwrap_err();
    assert_eq!(refusal.slug(), "too-late");
}

#[test]
fn answers_are_to_the_last_roster_from_those_in_it_and_only_one() {
    let mut stage = stage();
    submitted(&mut stage, &[0, 1, 2, 3, 4]);
    tick(&mut stage, 6_000);
    let pads = answer(&mut stage, 0, 0);
    let slug = |result: Result<(), Refusal>| result.unwrap_err().slug();
    // Not in it.
    let (header, body) = Frame::decode(&pads).unwrap().into_parts();
    let FrameBody::Pads { roster, words } = body else {
        panic!("not a frame of pads");
    };
    let of = |member: usize, epoch: u64, hash: &[u8], words: &[u8]| {
        let header = FrameHeader {
            client: stage.id(member),
            epoch: dcnet_protocol::round::Epoch::new(epoch),
            ..header.clone()
        };
        [b"DCN1", &header.encode()[..], &[6], hash, words].concat()
    };
    let (epoch, hash, words) = (stage.epoch(), roster.encode(), words.encode());
    let mut other_hash = hash.clone();
    other_hash[0] ^= 1;
    let too_short = Superposition::zero(2).encode();
    let other_words = Superposition::zero(3).encode();
    let cases = [
        (5, of(5, epoch, &hash, &words), "not-asked"),
        (1, of(1, epoch + 1, &hash, &words), "wrong-epoch"),
        (1, of(1, epoch, &other_hash, &words), "different-roster"),
        (1, of(1, epoch, &hash, &too_short), "slots"),
    ];
    let other = of(0, epoch, &hash, &other_words);
    for (member, bytes, expected) in cases {
        assert_eq!(slug(post(&mut stage, member, &bytes)), expected);
    }
    // Share keys where pads are asked for.
    let reveal = FrameBody::Reveal {
        roster,
        keys: Vec::new(),
    };
    let reveal = Frame::control(header.clone(), reveal).unwrap().encode();
    assert_eq!(slug(post(&mut stage, 0, &reveal)), "different-roster");
    assert_eq!(post(&mut stage, 0, &pads), Ok(()));
    assert_eq!(post(&mut stage, 0, &pads), Ok(()), "the same again");
    assert_eq!(slug(post(&mut stage, 0, &other)), "different-frame");
    for member in 1..5 {
        let pads = answer(&mut stage, member, 0);
        assert_eq!(post(&mut stage, member, &pads), Ok(()));
    }
    // Share keys: too few, too many; pads do not come any more.
    let keys = answer(&mut stage, 0, 1);
    let fewer = with_keys(&keys, |keys| {
        keys.pop();
    });
    let more = with_keys(&keys, |keys| keys.push(keys[0]));
    assert_eq!(slug(post(&mut stage, 0, &fewer)), "share-keys");
    assert_eq!(slug(post(&mut stage, 0, &more)), "share-keys");
    let late = [b"DCN1", &header.encode()[..], &[6], &hash[..], &words[..]].concat();
    assert_eq!(post(&mut stage, 0, &late), Ok(()), "the pads of before");
    stage.at(12_000);
    assert_eq!(slug(post(&mut stage, 0, &keys)), "too-late");
}

#[test]
fn an_answer_before_there_is_a_roster_is_refused() {
    let mut stage = stage();
    submitted(&mut stage, &[0, 1, 2, 3, 4]);
    let header = Frame::decode(&stage.submit(0, None).frames[0])
        .unwrap()
        .into_parts()
        .0;
    let header = FrameHeader {
        transmission: false,
        ..header
    };
    let bytes = [b"DCN1", &header.encode()[..], &[7], &[9; 32], &[0, 0]].concat();
    let refusal = post(&mut stage, 0, &bytes).unwrap_err();
    assert_eq!(refusal.slug(), "no-correction");
}

#[test]
fn holders_are_neighbours_and_at_most_as_many_as_are_drawn() {
    let mut stage = net(3, 2);
    let setup = stage.world.nodes[1].setup.clone();
    let manifest = stage.world.recorder.manifest(stage.id(1), stage.epoch());
    let edges = manifest.neighbours.clone();
    let refused = |stage: &mut Stage, named: usize, holders: ClientSet| {
        let package = stage.world.provider.package(&setup.client).unwrap();
        let statement = Neighbourhood {
            net: setup.descriptor.net(),
            descriptor: setup.descriptor.hash(),
            client: setup.client,
            package: package.unverified().hash(),
            serial: stage.world.now.millis() + 1,
            neighbours: edges.iter().take(named).map(|edge| edge.end).collect(),
            holders,
        };
        let header = FrameHeader {
            net: setup.descriptor.net(),
            descriptor: setup.descriptor.hash(),
            client: setup.client,
            transmission: false,
            epoch: dcnet_protocol::round::Epoch::new(0),
            round: stage.round,
        };
        let body = FrameBody::Entered(setup.key.sign(statement));
        let bytes = Frame::control(header, body).unwrap().encode();
        post(stage, 1, &bytes).map_err(|refusal| refusal.slug())
    };
    let first = |count: usize| -> ClientSet {
        let ends = edges.iter().take(count);
        ends.map(|edge| edge.end.client).collect()
    };
    assert!(edges.len() >= 4, "{}", edges.len());
    assert_eq!(refused(&mut stage, edges.len(), first(4)), Err("holders"));
    assert_eq!(refused(&mut stage, 2, first(3)), Err("holders"));
    assert_eq!(refused(&mut stage, edges.len(), first(3)), Ok(()));
}

/// One of the two is at fault; the sum is exact without the share.
#[test]
fn wrong_share_keys_are_named_and_left_out() {
    let mut stage = stage();
    submitted(&mut stage, &[0, 1, 2, 3, 4, 5]);
    for member in 0..6 {
        let mut keys = answer(&mut stage, member, 0);
        if member == 2 {
            // The keys are those of the dealers, ascending: 0, 1, 3, 4, 5.
            keys = with_keys(&keys, |keys| keys[3] = wrong(keys[3]));
        }
        assert_eq!(post(&mut stage, member, &keys), Ok(()));
    }
    let (dealer, holder) = (stage.id(4), stage.id(2));
    let outcome = outcome(&stage);
    assert_eq!(outcome.status, RoundStatus::Complete);
    assert_eq!(outcome.wrong_shares, [WrongShare { dealer, holder }]);
    let sum = outcome.sum.as_ref().unwrap().to_stored();
    assert_eq!(sum, sum_of(&[0, 1, 2, 3, 4, 5]));
    assert_eq!(status(&stage, 2), MemberStatus::Active);
}

#[test]
fn too_many_wrong_share_keys_fail_the_round_and_name_who_told_them() {
    let mut stage = stage();
    submitted(&mut stage, &[0, 1, 2, 3, 4, 5]);
    for member in 0..6 {
        let mut keys = answer(&mut stage, member, 0);
        if member == 2 || member == 3 {
            keys = with_keys(&keys, |keys| keys[4] = wrong(keys[4]));
        }
        assert_eq!(post(&mut stage, member, &keys), Ok(()));
    }
    let outcome = outcome(&stage);
    assert_eq!(outcome.status, RoundStatus::SharesMissing);
    assert_eq!(outcome.sum, None);
    assert_eq!(outcome.unrecovered, stage.set([5]));
    let named: Vec<_> = outcome.wrong_shares.iter().map(|w| w.holder).collect();
    assert_eq!(named, [stage.id(2), stage.id(3)]);
}

#[test]
fn a_dealer_that_commits_to_something_else_fails_the_round_and_is_suspended() {
    type Change = fn(&mut SelfMask);
    let changes: [Change; 2] = [
        |mask| mask.commitment[0] ^= 1,
        |mask| mask.shares.iter_mut().for_each(|share| share.check[0] ^= 1),
    ];
    for change in changes {
        let mut stage = stage();
        let mut frames = stage.submit_all();
        frames[3] = with_mask(&frames[3], change);
        for (member, frame) in frames.iter().enumerate() {
            assert_eq!(post(&mut stage, member, frame), Ok(()));
        }
        for member in 0..6 {
            let keys = answer(&mut stage, member, 0);
            assert_eq!(post(&mut stage, member, &keys), Ok(()));
        }
        let outcome = outcome(&stage);
        assert_eq!(outcome.status, RoundStatus::SharesMissing);
        assert_eq!(outcome.unrecovered, stage.set([3]));
        assert_eq!(status(&stage, 3), MemberStatus::Suspended);
        for member in [0, 1, 2, 4, 5] {
            assert_eq!(status(&stage, member), MemberStatus::Active);
        }
    }
}

/// With the records of the store it goes on where it was: the same rosters, and the same sum.
#[test]
fn a_provider_that_is_restored_shows_the_same_roster_and_ends_with_the_same_sum() {
    for stop in 0..12 {
        let mut stage = stage();
        submitted(&mut stage, &[0, 1, 2, 3, 4]);
        tick(&mut stage, 6_000);
        let mut step = 0;
        for after in [0, 1] {
            for member in 0..5 {
                let bytes = answer(&mut stage, member, after);
                if step == stop {
                    let round = stage.round;
                    let shown = stage.world.provider.roster(round, after).cloned();
                    assert!(shown.is_some());
                    stage.world.restart_provider();
                    stage.world.tick_provider();
                    assert_eq!(stage.world.provider.roster(round, after).cloned(), shown);
                }
                assert_eq!(
                    post(&mut stage, member, &bytes),
                    Ok(()),
                    "stopped at {stop}"
                );
                step += 1;
            }
        }
        if step <= stop {
            stage.world.restart_provider();
        }
        let outcome = outcome(&stage);
        assert_eq!(outcome.status, RoundStatus::Corrected);
        assert_eq!(outcome.missing, stage.set([5]));
        let sum = outcome.sum.as_ref().unwrap().to_stored();
        assert_eq!(sum, sum_of(&[0, 1, 2, 3, 4]), "stopped at {stop}");
    }
}
