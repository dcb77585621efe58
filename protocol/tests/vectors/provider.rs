//! The provider itself against the vectors: it is given the frames and answers of a round, and must
//! show the reference's rosters, byte by byte, and form the reference's sum.

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::frame::Frame;
use dcnet_protocol::key_agreement::{KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::provider::{
    EpochMember, EpochRecord, Input, MemberRecord, Provider, Record, RoundOutcome, RoundStatus,
    Setup, Snapshot,
};
use dcnet_protocol::round::{Epoch, Round, UnixTime};
use dcnet_protocol::signature::SigningKey;
use dcnet_protocol::superposition::Superposition;
use serde_json::{Value, json};

use crate::group::{Vector, bytes, hex, load, numbers};
use crate::sums::agreed;
use crate::world::accepted;

fn clients(list: &Value) -> ClientSet {
    let list = list.as_array().unwrap().iter();
    list.map(|client| client.as_str().unwrap().parse().unwrap())
        .collect()
}

fn members(vector: &Vector) -> &[Value] {
    vector.get("members").as_array().unwrap()
}

fn epoch(vector: &Vector) -> EpochRecord {
    let all = members(vector);
    let descriptor = NetDescriptor::decode(&vector.bytes("descriptor")).unwrap();
    let head = EpochHead::decode(&vector.bytes("head")).unwrap();
    let members = all.iter().map(|member| {
        let package = KeyPackage::decode(&bytes(&member["package"])).unwrap();
        let neighbours = clients(&member["neighbours"]);
        let ends = neighbours.iter().map(|client| {
            let peer = all.iter().find(|peer| peer["client"] == client.as_str());
            let (agreement, _) = agreed(descriptor.hash(), &head, member, peer.unwrap());
            EdgeEnd {
                client: *client,
                agreement,
            }
        });
        EpochMember {
            client: package.client,
            package: package.hash(),
            neighbours: ends.collect(),
            holders: clients(&member["holders"]),
        }
    });
    EpochRecord::new(
        Epoch::new(vector.number("epoch")),
        Round::new(vector.number("round")),
        members.collect(),
    )
}

/// A provider in whose net the vector's epoch is in force.
fn provider(vector: &Vector) -> Provider {
    let sample = accepted("key-packages", "of gw-1");
    let statement_key = SigningKey::from_scalar(&sample.array("statement_scalar")).unwrap();
    let records = members(vector).iter().map(|member| {
        let package = KeyPackage::decode(&bytes(&member["package"])).unwrap();
        MemberRecord {
            client: package.client,
            status: MemberStatus::Active,
            // Certificates are examined at registration only.
            package: SignedKeyPackage::sign(package, &[], &statement_key),
            statement_key: statement_key.verifying_key().to_sec1(),
            neighbourhood: None,
            exit: None,
            exit_round: Round::default(),
        }
    });
    let snapshot = Snapshot {
        members: records.collect(),
        epochs: vec![epoch(vector)],
        ..Snapshot::default()
    };
    let key = accepted("manifests", "plain").array("signing_scalar");
    let setup = Setup {
        descriptor: NetDescriptor::decode(&vector.bytes("descriptor")).unwrap(),
        key: SigningKey::from_scalar(&key).unwrap(),
        anchor: TrustAnchor::from_der(&sample.bytes("anchor")).unwrap(),
    };
    Provider::restore(setup, snapshot).unwrap()
}

/// A provider with what it has recorded last about the round's end.
struct Running {
    provider: Provider,
    outcome: Option<RoundOutcome>,
}

impl Running {
    fn give(&mut self, now: UnixTime, input: Input) {
        let handled = self.provider.handle(now, input);
        if let Some(Err(refusal)) = handled.reply {
            panic!("{refusal}");
        }
        for record in handled.records {
            if let Record::Outcome(outcome) = record {
                assert!(self.outcome.is_none(), "two outcomes");
                self.outcome = Some(*outcome);
            }
        }
    }

    fn post(&mut self, now: UnixTime, encoded: &Value) {
        let bytes = bytes(encoded);
        let from: ClientId = Frame::decode(&bytes).unwrap().header().client;
        self.give(now, Input::Frame { from, bytes });
    }
}

#[test]
fn the_provider_forms_the_sums_of_the_reference() {
    for vector in load("masked-superpositions") {
        let mut running = Running {
            provider: provider(&vector),
            outcome: None,
        };
        let schedule = running.provider.descriptor().schedule();
        let round = Round::new(vector.number("round"));
        let mut now = schedule.border(round);
        running.give(now, Input::Tick);
        for member in members(&vector) {
            if !member["frame"].is_null() {
                running.post(now, &member["frame"]);
            }
        }
        if running.provider.roster(round, 0).is_none() {
            // As its deadlines ask for: a provider without input for so long judges nobody.
            let middle = schedule.submit_millis() / 2;
            running.give(now.plus_millis(middle), Input::Tick);
            now = schedule.submit_deadline(round);
            running.give(now, Input::Tick);
        }
        for (step, shown) in (0_u8..).zip(vector.get("rosters").as_array().unwrap()) {
            let roster = running
                .provider
                .roster(round, step)
                .unwrap_or_else(|| {
                    panic!(
                        "{}: no roster behind {step}: {:?}",
                        vector.name, running.outcome
                    )
                })
                .clone();
            assert_eq!(hex(&roster.encode()), shown["roster"], "{}", vector.name);
            let answers = shown["answers"].as_array().unwrap();
            for answer in answers {
                running.post(now, answer);
            }
            let roster = roster.unverified();
            if answers.len() < roster.present().count() {
                now = if roster.reveal() {
                    schedule.correction_deadline(round)
                } else {
                    let quarter = schedule.correction_millis() / 4;
                    let past = quarter * u64::from(roster.step());
                    schedule.submit_deadline(round).plus_millis(past)
                };
                running.give(now, Input::Tick);
            }
        }
        compare(&vector, &running.outcome.unwrap());
    }
}

fn compare(vector: &Vector, outcome: &RoundOutcome) {
    let name = &vector.name;
    let sum = vector.has("sum").then(|| numbers(vector.get("sum")));
    let got = outcome.sum.as_ref().map(Superposition::to_stored);
    assert_eq!(got, sum, "{name}");
    let missing = clients(vector.get("missing"));
    assert_eq!(outcome.missing, missing, "{name}");
    let wrong = outcome
        .wrong_shares
        .iter()
        .map(|wrong| json!({"dealer": wrong.dealer.as_str(), "holder": wrong.holder.as_str()}));
    let wrong: Vec<_> = wrong.collect();
    assert_eq!(json!(wrong), *vector.get("wrong"), "{name}");
    let status = match (sum, missing.is_empty()) {
        (None, _) => RoundStatus::SharesMissing,
        (Some(_), true) => RoundStatus::Complete,
        (Some(_), false) => RoundStatus::Corrected,
    };
    assert_eq!(outcome.status, status, "{name}");
    if status.is_success() {
        let contributors = clients(vector.get("contributors"));
        assert_eq!(outcome.contributors, contributors, "{name}");
        assert!(outcome.unrecovered.is_empty(), "{name}");
    }
    // What the pads and masks do not cancel out of, no provider can tell from a sum.
    assert!(!vector.accepted || status.is_success(), "{name}");
}
