//! The gateway itself against the vectors: five gateways with the vectors' keys join, are told the
//! vectors' epoch, seal the vectors' round, and every word must be the reference's.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::gateway::{Input, Report};
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::message::Manifest;
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Round;
use dcnet_protocol::self_mask::{Place, Seed, SelfMask};
use dcnet_protocol::signature::Signed;
use dcnet_protocol::superposition::Reading;
use serde_json::Value;

use crate::group::{Vector, bytes, load, numbers};
use crate::sums::{agreed, ephemeral, party};
use crate::world::{Net, accepted};

/// Vectors that are nets of the five members of the world, with three slots and all edges.
fn nets(group: &str) -> Vec<Vector> {
    let descriptor = accepted("descriptor", "quarter hours, three slots");
    let fits = |vector: &Vector| {
        let members = members(vector);
        vector.accepted
            && vector.number("slots") == 3
            && vector.get("descriptor") == descriptor.get("hash")
            && members.len() == 5
            && members
                .iter()
                .all(|member| member["neighbours"].as_array().unwrap().len() == 4)
    };
    load(group)
        .into_iter()
        .filter(|vector| vector.has("members") && fits(vector))
        .collect()
}

#[test]
fn gateways_seal_the_frames_of_the_reference() {
    let vectors = nets("superpositions");
    assert!(vectors.len() >= 2);
    for vector in vectors {
        let mut net = Net::new();
        start(&mut net, &vector);
        for (client, package) in &net.packages {
            assert_eq!(
                net.registered[client],
                *package.unverified(),
                "the reference's package"
            );
        }
        submit(&mut net, &vector, &ClientSet::default());
        assert_eq!(compare(&mut net, &vector, "masked"), 5, "{}", vector.name);
    }
}

#[test]
fn gateways_correct_as_the_reference() {
    let vectors = nets("corrected-superpositions");
    assert!(vectors.len() >= 2);
    for vector in vectors {
        let (epoch, round) = (vector.number("epoch"), Round::new(vector.number("round")));
        let names = vector.get("missing").as_array().unwrap().iter();
        let missing: ClientSet = names.map(client).collect();
        let mut net = Net::new();
        start(&mut net, &vector);
        submit(&mut net, &vector, &missing);
        assert_eq!(compare(&mut net, &vector, "masked"), 4, "{}", vector.name);
        for client in net
            .everybody()
            .iter()
            .filter(|client| !missing.contains(client))
        {
            let request = net.correction(epoch, round, &missing);
            net.ask(*client, request);
        }
        assert_eq!(
            compare(&mut net, &vector, "corrected"),
            4,
            "{}",
            vector.name
        );
    }
}

/// What a gateway draws for its seed is the vector's, what it draws for the polynomials is not: words
/// and answers must be the reference's, shares must recover the seed.
#[test]
fn gateways_mask_twice_and_answer_rosters_as_the_reference() {
    let mut rounds = 0;
    for vector in load("masked-superpositions") {
        if !vector.accepted || members(&vector).iter().any(|m| m["manifest"].is_null()) {
            continue;
        }
        let descriptor = NetDescriptor::decode(&vector.bytes("descriptor")).unwrap();
        let round = Round::new(vector.number("round"));
        let mut net = Net::of(descriptor);
        net.join(round);
        agree(&mut net, &vector);
        for member in members(&vector) {
            let package = net.packages[&client(&member["client"])].unverified();
            assert_eq!(package.encode(), bytes(&member["package"]));
            let manifest = Signed::<Manifest>::decode(&bytes(&member["manifest"])).unwrap();
            let Manifest {
                head, log_index, ..
            } = *manifest.unverified();
            assert_eq!(net.append(&LogEntry::Epoch(head)), log_index);
            net.announce_signed(manifest);
        }
        for member in members(&vector) {
            if !member["frame"].is_null() {
                net.rng.first = bytes(&member["seed"]);
                net.give(
                    net.schedule().border(round),
                    client(&member["client"]),
                    Input::Submit {
                        round,
                        reading: reading(member),
                    },
                );
                let sent = only_frame(&mut net);
                compare_masked(&net, &vector, member, sent);
            }
        }
        for shown in vector.get("rosters").as_array().unwrap() {
            let roster = Signed::<Roster>::decode(&bytes(&shown["roster"])).unwrap();
            let answers = shown["answers"].as_array().unwrap();
            for answer in answers {
                let expected = Frame::decode(&bytes(answer)).unwrap();
                net.give(
                    net.schedule().submit_deadline(round),
                    expected.header().client,
                    Input::Roster(Box::new(roster.clone())),
                );
                assert_eq!(only_frame(&mut net), expected, "{}", vector.name);
            }
        }
        for (client, report) in &net.reports {
            let sound = matches!(
                report,
                Report::Drawn { .. }
                    | Report::EdgeConfirmed { .. }
                    | Report::Manifest { .. }
                    | Report::RosterAnswered { .. }
            );
            assert!(sound, "{}: {client}: {report}", vector.name);
        }
        rounds += 1;
    }
    assert!(rounds >= 3, "{rounds} rounds");
}

fn only_frame(net: &mut Net) -> Frame {
    assert_eq!(net.sent.len(), 1);
    net.sent.remove(0)
}

/// Everything in the frame but the shares is the reference's; those recover the same mask.
fn compare_masked(net: &Net, vector: &Vector, member: &Value, sent: Frame) {
    let name = &vector.name;
    let reference = Frame::decode(&bytes(&member["frame"])).unwrap();
    assert_eq!(sent.header(), reference.header(), "{name}");
    let (header, own) = sent.into_parts();
    let (_, theirs) = reference.into_parts();
    let ((own, mask), (theirs, expected)) = (masked(own), masked(theirs));
    assert_eq!(own, theirs, "{name}: {}", header.client);
    assert_eq!(mask.commitment, expected.commitment, "{name}");
    assert_eq!(mask.threshold, expected.threshold, "{name}");
    assert_eq!(mask.shares.len(), expected.shares.len(), "{name}");
    let holders = member["holders"].as_array().unwrap().iter();
    let keys: Vec<_> = holders
        .map(|holder| {
            let mut all = members(vector).iter();
            let holder = all.find(|other| other["client"] == *holder).unwrap();
            let head = EpochHead::decode(&vector.bytes("head")).unwrap();
            let (_, secret) = agreed(header.descriptor, &head, holder, member);
            let shares = secret.shares(header.client, party(holder).client);
            shares.key(header.round)
        })
        .collect();
    let place = Place {
        descriptor: net.descriptor.hash(),
        client: header.client,
        epoch: header.epoch,
        round: header.round,
    };
    let slots = own.len();
    let seed = Seed::from_bytes(bytes(&member["seed"]).try_into().unwrap());
    for mask in [mask, expected] {
        let recovery = mask.recover(&place, slots, keys.iter().copied().enumerate());
        assert!(recovery.wrong.is_empty(), "{name}");
        let words: Vec<u64> = recovery.words.unwrap().iter().map(|w| w.get()).collect();
        assert_eq!(words, seed.words_for_vectors(&place, slots), "{name}");
    }
}

fn masked(body: FrameBody) -> (Vec<u64>, SelfMask) {
    match body {
        FrameBody::Transmit {
            words,
            mask: Some(mask),
        } => (words.to_stored(), mask),
        _ => panic!("not a frame with a self-mask"),
    }
}

fn members(vector: &Vector) -> &[Value] {
    vector.get("members").as_array().unwrap()
}

fn client(name: &Value) -> ClientId {
    name.as_str().unwrap().parse().unwrap()
}

/// All join, agree with the vector's ephemeral keys, and are told its head.
fn start(net: &mut Net, vector: &Vector) {
    let head = EpochHead::decode(&vector.bytes("head")).unwrap();
    net.join(head.first_round);
    agree(net, vector);
    for client in &net.everybody() {
        let mut manifest = net.manifest(*client, head.epoch.number(), head.first_round);
        manifest.head = head;
        manifest.index = index(vector, client);
        for edge in &mut manifest.neighbours {
            edge.index = index(vector, &edge.end.client);
        }
        net.announce(manifest);
    }
}

/// Where the vector has `client` in the member tree.
fn index(vector: &Vector, client: &ClientId) -> u32 {
    let mut all = members(vector).iter();
    let member = all.find(|member| member["client"] == *client.as_str());
    member.unwrap()["index"]
        .as_u64()
        .unwrap()
        .try_into()
        .unwrap()
}

/// The gateways have found each other: their keys become the vector's.
fn agree(net: &mut Net, vector: &Vector) {
    for member in members(vector) {
        let own = client(&member["client"]);
        let mut ends = Vec::new();
        for peer in members(vector).iter().filter(|peer| *peer != member) {
            let (ours, theirs) = (
                ephemeral(member, &party(peer)),
                ephemeral(peer, &party(member)),
            );
            let peer = client(&peer["client"]);
            let gateway = net.gateways.get_mut(&own).unwrap();
            let agreement = gateway.agree_for_vectors(&peer, ours, &theirs.public());
            ends.push(EdgeEnd {
                client: peer,
                agreement: agreement.unwrap(),
            });
        }
        net.stated.insert(own, ends.into_iter().collect());
    }
}

/// Seals what the vector's members read; nothing is heard of those in `missing`.
fn submit(net: &mut Net, vector: &Vector, missing: &ClientSet) {
    let round = Round::new(vector.number("round"));
    let now = net.schedule().border(round);
    for member in members(vector) {
        let client = client(&member["client"]);
        if missing.contains(&client) {
            continue;
        }
        let reading = reading(member);
        net.give(now, client, Input::Submit { round, reading });
    }
}

fn reading(member: &Value) -> Option<Reading> {
    let values = member["reading"].as_array()?.iter();
    let values = values.map(|value| value.as_str().unwrap().parse().unwrap());
    Some(Reading::new(values.collect()).unwrap())
}

/// Compares the frames sent since the last call with the vector's `field`.
fn compare(net: &mut Net, vector: &Vector, field: &str) -> usize {
    for (client, report) in net.reports.drain(..) {
        let sound = matches!(
            report,
            Report::Drawn { .. }
                | Report::EdgeConfirmed { .. }
                | Report::Manifest { .. }
                | Report::CorrectionAnswered { .. }
        );
        assert!(sound, "{}: {client}: {report}", vector.name);
    }
    let sent = std::mem::take(&mut net.sent);
    for frame in &sent {
        let header = frame.header();
        let member = members(vector)
            .iter()
            .find(|member| client(&member["client"]) == header.client);
        let member = member.unwrap();
        assert_eq!(header.epoch.number(), vector.number("epoch"));
        assert_eq!(header.round.number(), vector.number("round"));
        assert_eq!(header.transmission, !member["reading"].is_null());
        let (FrameBody::Transmit { words, mask: None } | FrameBody::Resend { words, .. }) =
            frame.body()
        else {
            panic!("not a frame with words");
        };
        let expected = numbers(&member[field]);
        assert_eq!(
            words.to_stored(),
            expected,
            "{}: {}",
            vector.name,
            header.client
        );
    }
    sent.len()
}
