//! Decoded values as the vectors write their fields. What a type does not show is covered by
//! encoding it again.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{NetDescriptor, SlotSpec};
use dcnet_protocol::envelope::{EdgeNotice, EnvelopeHeader};
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::key_agreement::{Ephemeral, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::checkpoint::Checkpoint;
use dcnet_protocol::membership::edge::EdgeSet;
use dcnet_protocol::membership::entry::{ExitStatement, Neighbourhood};
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::message::{
    Correction, Manifest, ManifestEdge, MemberList, Message, Receipt, SignedReceipt,
};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::self_mask::SelfMask;
use dcnet_protocol::signature::Signed;
use dcnet_protocol::superposition::Superposition;
use serde_json::{Value, json};

use crate::group::hex;

pub(crate) fn descriptor(value: &NetDescriptor) -> Value {
    let p = value.parameters();
    json!({
        "version": p.version,
        "net": p.net.as_str(),
        "region": value.region(),
        "interval_s": p.interval_s,
        "submit_window_s": p.submit_window_s,
        "correction_window_s": p.correction_window_s,
        "slots": p.slots.iter().copied().map(slot).collect::<Vec<_>>(),
        "min_size": p.min_size,
        "out_degree": p.out_degree,
        "threshold": p.threshold,
        "max_loss_permille": p.max_loss_permille,
        "correction_mode": p.correction_mode as u8,
        "epoch_length": p.epoch_length,
        "provider_key": hex(&p.provider_key),
        "ca_fingerprint": hex(&p.ca_fingerprint),
    })
}

fn slot(value: SlotSpec) -> Value {
    json!({"obis": hex(&value.obis), "unit": value.unit, "scale": value.scale})
}

pub(crate) fn key_package(value: &KeyPackage) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "client": value.client.as_str(),
        "serial": value.serial.to_string(),
        "public_key": hex(&value.public_key),
    })
}

/// All but the signature, which the type does not show.
fn signed_key_package(value: &SignedKeyPackage) -> Value {
    json!({
        "body": key_package(value.unverified()),
        "chain": value.chain().map(hex).collect::<Vec<_>>(),
    })
}

pub(crate) fn neighbourhood(value: &Neighbourhood) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "client": value.client.as_str(),
        "package": hex(value.package.as_bytes()),
        "serial": value.serial.to_string(),
        "neighbours": edges(&value.neighbours),
        "holders": clients(&value.holders),
    })
}

pub(crate) fn exit(value: &ExitStatement) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "client": value.client.as_str(),
        "serial": value.serial.to_string(),
        "neighbours": clients(&value.neighbours),
    })
}

pub(crate) fn manifest(value: &Manifest) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "client": value.client.as_str(),
        "head": epoch_head(&value.head),
        "log_index": value.log_index.to_string(),
        "index": value.index,
        "neighbours": value.neighbours.iter().map(manifest_edge).collect::<Vec<_>>(),
    })
}

fn epoch_head(value: &EpochHead) -> Value {
    json!({
        "epoch": epoch(value.epoch),
        "first_round": round(value.first_round),
        "members": value.members,
        "member_root": hex(value.member_root.as_bytes()),
    })
}

fn manifest_edge(value: &ManifestEdge) -> Value {
    json!({
        "client": value.end.client.as_str(),
        "agreement": hex(value.end.agreement.as_bytes()),
        "index": value.index,
        "role": u8::from(value.role.holder) + 2 * u8::from(value.role.dealer),
    })
}

pub(crate) fn roster(value: &Roster) -> Value {
    let mut present = vec![0_u8; value.members().div_ceil(8)];
    for index in value.present().iter() {
        present[index / 8] |= 1 << (index % 8);
    }
    json!({
        "net": value.net().as_str(),
        "descriptor": hex(value.descriptor().as_bytes()),
        "epoch": epoch(value.epoch()),
        "round": round(value.round()),
        "member_root": hex(value.member_root().as_bytes()),
        "members": value.members(),
        "step": value.step(),
        "reveal": u8::from(value.reveal()),
        "contributors": value.contributors(),
        "present": hex(&present),
    })
}

pub(crate) fn self_mask(value: &SelfMask) -> Value {
    let shares = value.shares.iter().map(|share| {
        json!({
            "ciphertext": hex(&share.ciphertext),
            "check": hex(&share.check),
        })
    });
    json!({
        "commitment": hex(&value.commitment),
        "threshold": value.threshold,
        "shares": shares.collect::<Vec<_>>(),
    })
}

pub(crate) fn correction(value: &Correction) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "epoch": epoch(value.epoch),
        "round": round(value.round),
        "missing": clients(&value.missing),
    })
}

pub(crate) fn frame(value: &Frame) -> Value {
    let header = value.header();
    json!({
        "protocol": hex(b"DCN1"),
        "net": header.net.as_str(),
        "descriptor": hex(header.descriptor.as_bytes()),
        "client": header.client.as_str(),
        "transmission": u8::from(header.transmission),
        "epoch": epoch(header.epoch),
        "round": round(header.round),
        "notification": value.notification().number(),
        "body": match value.body() {
            FrameBody::Register { package, emergency } => json!({
                "package": signed_key_package(package),
                "emergency": u8::from(*emergency),
            }),
            FrameBody::Entered(signed) => json!({"body": neighbourhood(signed.unverified())}),
            FrameBody::Exiting(signed) => json!({"body": exit(signed.unverified())}),
            FrameBody::Resend { missing, words: rest } => {
                json!({"missing": clients(missing), "words": words(rest)})
            }
            FrameBody::Transmit { words: all, mask } => {
                json!({"words": words(all), "mask": mask.as_ref().map(self_mask)})
            }
            FrameBody::Pads { roster, words: sum } => {
                json!({"roster": hex(&roster.encode()), "words": words(sum)})
            }
            FrameBody::Reveal { roster, keys } => {
                let keys = keys.iter().map(|key| hex(&key.to_bytes()));
                json!({"roster": hex(&roster.encode()), "keys": keys.collect::<Vec<_>>()})
            }
        },
    })
}

pub(crate) fn envelope_header(value: &EnvelopeHeader) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "from": value.from.as_str(),
        "to": value.to.as_str(),
        "kind": value.kind as u8,
    })
}

pub(crate) fn edge_notice(value: &EdgeNotice) -> Value {
    json!({
        "reason": value.reason as u8,
        "own_package_hash": hex(value.own_package.as_bytes()),
        "peer_package_hash": hex(value.peer_package.as_bytes()),
        "own": value.own.as_ref().map(ephemeral),
        "peer": value.peer.as_ref().map(ephemeral),
        "checkpoint": value.checkpoint.as_ref().map(checkpoint),
    })
}

fn ephemeral(value: &Ephemeral) -> Value {
    json!({"serial": value.serial.to_string(), "key": hex(&value.key)})
}

/// All but the signature, which the type does not show.
fn checkpoint(value: &Signed<Checkpoint>) -> Value {
    let body = value.unverified();
    json!({
        "body": {
            "net": body.net.as_str(),
            "descriptor": hex(body.descriptor.as_bytes()),
            "size": body.size.to_string(),
            "root": hex(body.root.as_bytes()),
        },
    })
}

pub(crate) fn message(value: &Message) -> Value {
    match value {
        Message::Envelope(envelope) => {
            json!({"kind": 1, "body": envelope_header(envelope.header())})
        }
        Message::Manifest(signed) => {
            json!({"kind": 2, "body": {"body": manifest(signed.unverified())}})
        }
        Message::Correction(signed) => {
            json!({"kind": 3, "body": {"body": correction(signed.unverified())}})
        }
        Message::Exit(signed) => json!({"kind": 4, "body": {"body": exit(signed.unverified())}}),
    }
}

/// The receipt in it, which is all that the type shows.
pub(crate) fn signed_receipt(value: &SignedReceipt) -> Value {
    json!({"receipt": receipt(value.unverified())})
}

pub(crate) fn receipt(value: &Receipt) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "client": value.client.as_str(),
        "epoch": epoch(value.epoch),
        "round": round(value.round),
        "notification": value.notification.number(),
        "frame_hash": hex(&value.frame_hash),
    })
}

pub(crate) fn member_list(value: &MemberList) -> Value {
    let members = value.as_slice().iter().map(|summary| {
        json!({
            "client": summary.client.as_str(),
            "serial": summary.serial.to_string(),
            "package_hash": hex(summary.package.as_bytes()),
        })
    });
    json!({"members": members.collect::<Vec<_>>()})
}

pub(crate) fn edges(set: &EdgeSet) -> Value {
    let ends = set.iter().map(|end| {
        json!({
            "client": end.client.as_str(),
            "agreement": hex(end.agreement.as_bytes()),
        })
    });
    ends.collect()
}

pub(crate) fn clients(set: &ClientSet) -> Value {
    set.iter().map(ClientId::as_str).collect()
}

fn words(value: &Superposition) -> Value {
    value.to_stored().iter().map(u64::to_string).collect()
}

fn epoch(value: Epoch) -> Value {
    value.number().to_string().into()
}

fn round(value: Round) -> Value {
    value.number().to_string().into()
}

/// Whether `part` says nothing else than `whole`, which may say more: signatures and ciphertexts
/// that the types do not show.
pub(crate) fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().all(|(name, value)| {
            whole
                .get(name)
                .is_some_and(|other| is_part_of(value, other))
        }),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(a, b)| is_part_of(a, b))
        }
        (part, whole) => part == whole,
    }
}
