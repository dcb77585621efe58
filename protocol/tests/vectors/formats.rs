//! Groups of encoded types: decoding, every field, encoding again, and what must be refused.

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::key_agreement::Agreement;
use dcnet_protocol::membership::edge::{EdgeEnd, EdgeSet};
use dcnet_protocol::message::{Inbox, MemberList};
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use serde_json::{Value, json};

use crate::fields;
use crate::group::{bytes, hex, load};

/// Decodes every vector of `group`, compares its fields, encodes it again, and cuts it off at
/// every length.
pub(crate) fn check<T: Wire>(group: &str, show: impl Fn(&T) -> Value) {
    for vector in load(group).iter().filter(|vector| vector.has("encoded")) {
        let encoded = vector.bytes("encoded");
        let Some(value) = vector.outcome(T::decode(&encoded)) else {
            continue;
        };
        let (shown, fields) = (show(&value), vector.get("fields"));
        assert!(
            fields::is_part_of(&shown, fields),
            "{group}: {}: decoded to {shown}, expected {fields}",
            vector.name
        );
        assert_eq!(
            value.encode(),
            encoded,
            "{group}: {}: encoded again",
            vector.name
        );
        for length in 0..encoded.len() {
            assert!(
                T::decode(&encoded[..length]).is_err(),
                "{group}: {}: cut at {length}",
                vector.name
            );
        }
    }
}

#[test]
fn frames() {
    check("frames", fields::frame);
}

#[test]
fn envelopes() {
    check("envelopes", |envelope: &Envelope| {
        fields::envelope_header(envelope.header())
    });
}

#[test]
fn inbox() {
    check("inbox", |inbox: &Inbox| {
        let deliveries = inbox.deliveries.iter().map(|delivery| {
            let sequence = delivery.sequence.to_string();
            json!({"sequence": sequence, "message": fields::message(&delivery.message)})
        });
        json!({"deliveries": deliveries.collect::<Vec<_>>()})
    });
}

#[test]
fn member_lists() {
    check("member-lists", fields::member_list);
    assert_eq!(MemberList::default().encode(), [0, 0, 0, 0]);
}

#[test]
fn client_lists() {
    check("client-lists", fields::clients);
    for vector in load("client-lists").iter().filter(|vector| vector.accepted) {
        let names = vector.get("fields").as_array().unwrap();
        let parse = |name: &Value| name.as_str().unwrap().parse::<ClientId>().unwrap();
        let backwards: ClientSet = names.iter().rev().map(parse).collect();
        assert_eq!(
            hex(&backwards.encode()),
            *vector.get("encoded"),
            "{}",
            vector.name
        );
    }
}

#[test]
fn edge_sets() {
    check("edge-sets", fields::edges);
    for vector in load("edge-sets").iter().filter(|vector| vector.accepted) {
        let ends = vector.get("fields").as_array().unwrap();
        let parse = |end: &Value| EdgeEnd {
            client: end["client"].as_str().unwrap().parse().unwrap(),
            agreement: Agreement::from_bytes(bytes(&end["agreement"]).try_into().unwrap()),
        };
        let backwards: EdgeSet = ends.iter().rev().map(parse).collect();
        assert_eq!(
            hex(&backwards.encode()),
            *vector.get("encoded"),
            "{}",
            vector.name
        );
        assert_eq!(backwards.len(), ends.len(), "{}", vector.name);
        assert_eq!(backwards.is_empty(), ends.is_empty(), "{}", vector.name);
        for end in ends.iter().map(parse) {
            assert_eq!(backwards.get(&end.client), Some(end), "{}", vector.name);
        }
        let names: ClientSet = ends.iter().map(|end| parse(end).client).collect();
        assert_eq!(backwards.clients(), names, "{}", vector.name);
        assert!(!backwards.contains(&"nobody".parse().unwrap()));
    }
}

#[test]
fn names() {
    check("names", |name: &ClientId| name.as_str().into());
    check("names", |name: &NetId| name.as_str().into());
    for vector in load("names") {
        if vector.accepted {
            let text = vector.text("fields");
            assert_eq!(text.parse::<ClientId>().unwrap().to_string(), text);
            assert_eq!(text.parse::<NetId>().unwrap().to_string(), text);
        }
    }
}

#[test]
fn descriptors() {
    for vector in load("descriptor") {
        let encoded = vector.bytes("encoded");
        let Some(descriptor) = vector.outcome(NetDescriptor::decode(&encoded)) else {
            continue;
        };
        assert_eq!(
            fields::descriptor(&descriptor),
            *vector.get("fields"),
            "{}",
            vector.name
        );
        assert_eq!(descriptor.encode(), encoded, "{}", vector.name);
        assert_eq!(
            hex(descriptor.hash().as_bytes()),
            *vector.get("hash"),
            "{}",
            vector.name
        );
        for length in 0..encoded.len() {
            assert!(
                NetDescriptor::decode(&encoded[..length]).is_err(),
                "{}: {length}",
                vector.name
            );
        }
    }
}

#[test]
fn schedules() {
    use dcnet_protocol::descriptor::NetParameters;
    use dcnet_protocol::round::{Round, UnixTime};

    let sample = load("descriptor")
        .into_iter()
        .find(|vector| vector.accepted)
        .unwrap();
    let sample = NetParameters::decode(&sample.bytes("encoded")).unwrap();
    for vector in load("schedule") {
        let length = |field: &str| u32::try_from(vector.number(field)).unwrap();
        let parameters = NetParameters {
            interval_s: length("interval_s"),
            submit_window_s: length("submit_window_s"),
            correction_window_s: length("correction_window_s"),
            ..sample.clone()
        };
        let Some(descriptor) = vector.outcome(NetDescriptor::new(parameters)) else {
            continue;
        };
        let (schedule, time) = (
            descriptor.schedule(),
            UnixTime::from_millis(vector.number("time_ms")),
        );
        let round = schedule.round_at(time);
        assert_eq!(
            round.number(),
            vector.number("metered_round"),
            "{}",
            vector.name
        );
        let submitted = vector
            .has("submitted_round")
            .then(|| vector.number("submitted_round"));
        assert_eq!(
            schedule.submitted_at(time).map(Round::number),
            submitted,
            "{}",
            vector.name
        );
        for (field, got) in [
            ("start_ms", schedule.start(round)),
            ("border_ms", schedule.border(round)),
            ("intake_opens_ms", schedule.intake_opens(round)),
            ("submit_deadline_ms", schedule.submit_deadline(round)),
            (
                "correction_deadline_ms",
                schedule.correction_deadline(round),
            ),
        ] {
            assert_eq!(
                got.millis(),
                vector.number(field),
                "{}: {field}",
                vector.name
            );
        }
    }
}
