//! Groups of whole small nets: masked words, sums, corrections.

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::key_agreement::{
    Agreement, AgreementKey, EdgeKey, EdgePlace, EphemeralKey, EpochSecret, KeyPackage, Party,
};
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::pad::Pad;
use dcnet_protocol::round::Round;
use dcnet_protocol::superposition::{Reading, Superposition};
use dcnet_protocol::word::Word;
use serde_json::Value;

use crate::group::{Vector, bytes, load, number, numbers};

/// One member of a vector's net, with its edges.
pub(crate) struct Member<'a> {
    pub(crate) client: &'a str,
    pub(crate) json: &'a Value,
    pub(crate) edges: Vec<EdgeKey>,
}

pub(crate) fn party(member: &Value) -> Party {
    Party::from(&KeyPackage::decode(&bytes(&member["package"])).unwrap())
}

/// The ephemeral key of a member of a vector for its edge with `peer`.
pub(crate) fn ephemeral(member: &Value, peer: &Party) -> EphemeralKey {
    let key = &member["ephemerals"][peer.client.as_str()];
    EphemeralKey::from_bytes(
        number(&key["serial"]),
        bytes(&key["secret"]).try_into().unwrap(),
    )
}

/// The index of a member of a vector in the member tree.
fn index(member: &Value) -> u32 {
    member["index"].as_u64().unwrap().try_into().unwrap()
}

/// What two members of a vector have agreed, derived by the first, and the secret of the epoch.
pub(crate) fn agreed(
    descriptor: DescriptorHash,
    head: &EpochHead,
    member: &Value,
    peer: &Value,
) -> (Agreement, EpochSecret) {
    let key = AgreementKey::from_bytes(bytes(&member["secret"]).try_into().unwrap());
    let (own, other) = (party(member), party(peer));
    let theirs = ephemeral(peer, &own).public();
    let pair = key.agree(&own, &other).unwrap();
    let chain = pair.chain(&descriptor, ephemeral(member, &other), &theirs);
    let (agreement, mut chain) = chain.unwrap();
    let place = EdgePlace::new(
        *head,
        (own.client, index(member)),
        (other.client, index(peer)),
    );
    (agreement, chain.pass(&place).unwrap())
}

/// The members of a vector's net, whose descriptor has this hash.
pub(crate) fn members(vector: &Vector, descriptor: DescriptorHash) -> Vec<Member<'_>> {
    let all = vector.get("members").as_array().unwrap();
    let head = EpochHead::decode(&vector.bytes("head")).unwrap();
    assert_eq!(head.epoch.number(), vector.number("epoch"));
    let find = |client: &Value| all.iter().find(|member| member["client"] == *client);
    all.iter()
        .map(|member| {
            let edges = member["neighbours"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(find)
                .map(|peer| {
                    let (_, secret) = agreed(descriptor, &head, member, peer);
                    secret.edge_key(party(member).client, party(peer).client)
                });
            Member {
                client: member["client"].as_str().unwrap(),
                json: member,
                edges: edges.collect(),
            }
        })
        .collect()
}

fn descriptor(vector: &Vector) -> DescriptorHash {
    DescriptorHash::from_bytes(vector.array("descriptor"))
}

/// The reading, or the neutral element if there is none, under the pads of `edges`.
pub(crate) fn masked(member: &Member<'_>, round: Round, slots: usize) -> Vec<u64> {
    let mut words = Superposition::zero(slots);
    if let Some(values) = member.json["reading"].as_array() {
        let values: Vec<i64> = values
            .iter()
            .map(|value| value.as_str().unwrap().parse().unwrap())
            .collect();
        let reading = Reading::new(values).unwrap();
        let clear: Vec<u64> = reading
            .values()
            .iter()
            .map(|v| Word::from_signed(*v).get())
            .collect();
        words.add(&Superposition::from_stored(&clear)).unwrap();
    }
    for edge in &member.edges {
        let pad = Superposition::from_stored(&Pad::words_for_vectors(edge, round, slots));
        words.add(&pad).unwrap();
    }
    words.to_stored()
}

fn sum(words: impl IntoIterator<Item = Vec<u64>>, slots: usize) -> Superposition {
    let mut sum = Superposition::zero(slots);
    for words in words {
        sum.add(&Superposition::from_stored(&words)).unwrap();
    }
    sum
}

pub(crate) fn true_sum<'a>(
    members: impl IntoIterator<Item = &'a Member<'a>>,
    slots: usize,
) -> Vec<i64> {
    let mut sum = vec![0; slots];
    for member in members {
        for (total, value) in sum
            .iter_mut()
            .zip(member.json["reading"].as_array().into_iter().flatten())
        {
            *total += value.as_str().unwrap().parse::<i64>().unwrap();
        }
    }
    sum
}

fn signed(superposition: &Superposition) -> Vec<i64> {
    superposition
        .words()
        .iter()
        .map(|word| word.to_signed())
        .collect()
}

#[test]
fn superpositions() {
    for vector in load("superpositions") {
        let slots = usize::try_from(vector.number("slots")).unwrap();
        if vector.has("reading_only") {
            let values = vector.get("reading_only").as_array().unwrap();
            let values: Vec<i64> = values
                .iter()
                .map(|value| value.as_str().unwrap().parse().unwrap())
                .collect();
            let reading = Reading::new(values)
                .ok()
                .filter(|reading| reading.values().len() == slots);
            vector.outcome(reading.ok_or("no reading of this net"));
            continue;
        }
        let members = members(&vector, descriptor(&vector));
        let round = Round::new(vector.number("round"));
        let complete = members
            .iter()
            .all(|m| m.edges.len() == m.json["neighbours"].as_array().unwrap().len());
        for member in &members {
            let odd = vector.has("odd_one") && vector.get("odd_one")["client"] == member.client;
            if complete && !odd {
                let expected = numbers(&member.json["masked"]);
                assert_eq!(
                    masked(member, round, slots),
                    expected,
                    "{}: {}",
                    vector.name,
                    member.client
                );
            }
        }
        let total = sum(
            members.iter().map(|member| numbers(&member.json["masked"])),
            slots,
        );
        assert_eq!(
            total.to_stored(),
            numbers(vector.get("sum")),
            "{}",
            vector.name
        );
        let expected = true_sum(&members, slots);
        let cancels = signed(&total) == expected;
        vector.outcome(if cancels {
            Ok(())
        } else {
            Err("the pads do not cancel")
        });
        if vector.accepted {
            let texts = vector.get("signed_sum").as_array().unwrap();
            let texts: Vec<i64> = texts
                .iter()
                .map(|value| value.as_str().unwrap().parse().unwrap())
                .collect();
            assert_eq!(expected, texts, "{}", vector.name);
        }
    }
}

#[test]
fn corrected_superpositions() {
    for vector in load("corrected-superpositions") {
        let slots = usize::try_from(vector.number("slots")).unwrap();
        let round = Round::new(vector.number("round"));
        let missing: Vec<&str> = vector
            .get("missing")
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c.as_str().unwrap())
            .collect();
        let members = members(&vector, descriptor(&vector));
        for member in &members {
            let expected = numbers(&member.json["masked"]);
            assert_eq!(
                masked(member, round, slots),
                expected,
                "{}: {}",
                vector.name,
                member.client
            );
        }
        let rest: Vec<&Member<'_>> = members
            .iter()
            .filter(|m| !missing.contains(&m.client))
            .collect();
        if vector.accepted {
            for member in &rest {
                assert_eq!(
                    without(member, &missing, round, slots),
                    numbers(&member.json["corrected"]),
                    "{}: {}",
                    vector.name,
                    member.client
                );
            }
        }
        let total = sum(
            rest.iter().map(|member| numbers(&member.json["corrected"])),
            slots,
        );
        assert_eq!(
            total.to_stored(),
            numbers(vector.get("sum")),
            "{}",
            vector.name
        );
        let cancels = signed(&total) == true_sum(rest, slots);
        vector.outcome(if cancels {
            Ok(())
        } else {
            Err("the pads do not cancel")
        });
    }
}

/// The member's words, the number of its pads towards `missing` taken out.
fn without(member: &Member<'_>, missing: &[&str], round: Round, slots: usize) -> Vec<u64> {
    let mut words = numbers(&member.json["masked"]);
    for edge in member
        .edges
        .iter()
        .filter(|edge| missing.contains(&edge.peer().as_str()))
    {
        for (word, pad) in words
            .iter_mut()
            .zip(Pad::words_for_vectors(edge, round, slots))
        {
            *word = (Word::new(*word) - Word::new(pad)).get();
        }
    }
    words
}

#[test]
fn numbers_of_either_kind_are_read() {
    assert_eq!(number(&Value::from(7)), 7);
    assert_eq!(number(&Value::from("18446744073709551615")), u64::MAX);
}
