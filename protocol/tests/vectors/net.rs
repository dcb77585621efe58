//! The gateway itself against the vectors: five gateways with the vectors' keys join, are told the
//! vectors' epoch, seal the vectors' round, and every word must be the reference's.

use dcnet_protocol::frame::FrameBody;
use dcnet_protocol::gateway::{Input, Report};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::round::Round;
use dcnet_protocol::superposition::Reading;
use serde_json::Value;

use crate::group::{Vector, load, numbers};
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
        net.start(vector.number("epoch"), Round::new(vector.number("round")));
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
        net.start(epoch, round);
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

fn members(vector: &Vector) -> &[Value] {
    vector.get("members").as_array().unwrap()
}

fn client(name: &Value) -> ClientId {
    name.as_str().unwrap().parse().unwrap()
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
        let values = member["reading"].as_array().map(|values| {
            values
                .iter()
                .map(|value| value.as_str().unwrap().parse().unwrap())
                .collect()
        });
        let reading = values.map(|values| Reading::new(values).unwrap());
        net.give(now, client, Input::Submit { round, reading });
    }
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
