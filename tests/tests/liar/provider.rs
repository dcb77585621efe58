//! The provider that lies: the real one's state machine, its signing key, and no scruples.

use std::collections::BTreeMap;

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::frame::Frame;
use dcnet_protocol::message::{
    Delivery, Inbox, Manifest, Message, Receipt, SignedReceipt, frame_hash,
};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider::{Input, Provider, Record, Refusal, Reply, RoundOutcome, Setup};
use dcnet_protocol::round::{Round, Schedule, UnixTime};
use dcnet_protocol::signature::SigningKey;
use dcnet_tests::harness::{NetPlan, now_millis};

use crate::lies::Lie;
use crate::wire::Wiretap;

/// The gateway that is lied to.
pub(crate) const VICTIM: &str = "gw-1";
/// One of the others.
pub(crate) const OTHER: &str = "gw-2";

pub(crate) fn id(name: &str) -> ClientId {
    name.parse().unwrap()
}

pub(crate) fn now() -> UnixTime {
    UnixTime::from_millis(now_millis())
}

pub(crate) struct Liar {
    pub(crate) key: SigningKey,
    pub(crate) provider: Provider,
    pub(crate) descriptor: NetDescriptor,
    pub(crate) schedule: Schedule,
    pub(crate) lie: Option<Lie>,
    /// Its frames are refused, without a receipt.
    pub(crate) mute: Option<ClientId>,
    pub(crate) inboxes: BTreeMap<ClientId, Vec<Delivery>>,
    pub(crate) outcomes: Vec<RoundOutcome>,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) wiretap: Wiretap,
    /// Who asked what.
    pub(crate) requests: Vec<(ClientId, String)>,
}

impl Liar {
    pub(crate) fn new(plan: &NetPlan, key: SigningKey, anchor: TrustAnchor) -> Self {
        let descriptor = descriptor(plan, &key, &anchor, 250);
        let setup = Setup {
            descriptor: descriptor.clone(),
            key: key.clone(),
            anchor,
        };
        Self {
            key,
            provider: Provider::new(setup).unwrap(),
            schedule: descriptor.schedule(),
            wiretap: Wiretap::new(descriptor.min_size()),
            descriptor,
            lie: None,
            mute: None,
            inboxes: BTreeMap::new(),
            outcomes: Vec::new(),
            manifests: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// The lie, if it is for this gateway.
    pub(crate) fn lie_to(&self, client: ClientId) -> Option<Lie> {
        self.lie.filter(|_| client == id(VICTIM))
    }

    pub(crate) fn tick(&mut self) {
        let handled = self.provider.handle(now(), Input::Tick);
        self.apply(handled.records);
    }

    /// A frame, whatever becomes of it, and what the sender is told.
    pub(crate) fn frame(
        &mut self,
        from: ClientId,
        bytes: Vec<u8>,
    ) -> Result<Option<SignedReceipt>, Refusal> {
        let Ok(frame) = Frame::decode(&bytes) else {
            return self.post(Input::Frame { from, bytes });
        };
        self.wiretap.heard(from, &bytes, &frame);
        let transmits = frame.notification() == Notification::Transmit;
        if transmits && self.mute == Some(from) {
            // To the state machine it has not come.
            return Ok(None);
        }
        if transmits && self.lie_to(from) == Some(Lie::Withhold) {
            let receipt = Receipt {
                net: self.descriptor.net(),
                descriptor: self.descriptor.hash(),
                client: from,
                epoch: frame.header().epoch,
                round: frame.header().round,
                notification: frame.notification(),
                frame_hash: frame_hash(&bytes),
            };
            return Ok(self.sign(receipt));
        }
        self.post(Input::Frame { from, bytes })
    }

    /// Anything else that was posted.
    pub(crate) fn post(&mut self, input: Input) -> Result<Option<SignedReceipt>, Refusal> {
        let handled = self.provider.handle(now(), input);
        self.apply(handled.records);
        match handled.reply.unwrap()? {
            Reply::Receipt(receipt) => Ok(self.sign(receipt)),
            Reply::Relayed => Ok(None),
        }
    }

    fn sign(&self, receipt: Receipt) -> Option<SignedReceipt> {
        SignedReceipt::sign(vec![receipt], &self.descriptor, &self.key).pop()
    }

    pub(crate) fn inbox(&mut self, client: ClientId, after: u64) -> Inbox {
        let inbox = self.inboxes.entry(client).or_default();
        let news = inbox.iter().filter(|delivery| delivery.sequence > after);
        Inbox {
            deliveries: news.cloned().collect(),
        }
    }

    /// Into the inbox of `to`.
    pub(crate) fn deliver(&mut self, to: ClientId, message: Message) {
        if let Message::Manifest(manifest) = &message {
            self.manifests.push(manifest.unverified().clone());
            self.wiretap.announced(to, manifest.unverified());
        }
        let inbox = self.inboxes.entry(to).or_default();
        let sequence = inbox.last().map_or(1, |last| last.sequence + 1);
        inbox.push(Delivery { sequence, message });
    }

    fn apply(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Deliver { to, message } => {
                    let message = Message::decode(&message).unwrap();
                    self.deliver(to, message);
                }
                Record::Outcome(outcome) => self.outcomes.push(*outcome),
                _ => {} // the state machine itself remembers
            }
        }
    }

    /// The round whose correction window is open.
    pub(crate) fn round(&self) -> Option<Round> {
        self.schedule.submitted_at(now())
    }
}

/// The net's parameters, as the gateways' profiles want them.
pub(crate) fn descriptor(
    plan: &NetPlan,
    key: &SigningKey,
    anchor: &TrustAnchor,
    max_loss_permille: u16,
) -> NetDescriptor {
    let slot = |value, unit, scale| SlotSpec {
        obis: [1, 0, value, if value == 16 { 7 } else { 8 }, 0, 255],
        unit,
        scale,
    };
    NetDescriptor::new(NetParameters {
        version: 1,
        net: NetPlan::NET.parse().unwrap(),
        region: b"laboratory".to_vec(),
        interval_s: plan.interval,
        submit_window_s: plan.window(),
        correction_window_s: plan.window(),
        slots: vec![slot(1, 30, -1), slot(2, 30, -1), slot(16, 27, 0)],
        min_size: plan.min_size,
        out_degree: plan.degree,
        threshold: (plan.degree * 3).div_ceil(5),
        max_loss_permille,
        correction_mode: CorrectionMode::DoubleMask,
        epoch_length: 1,
        provider_key: key.verifying_key().to_sec1(),
        ca_fingerprint: anchor.fingerprint(),
    })
    .unwrap()
}
