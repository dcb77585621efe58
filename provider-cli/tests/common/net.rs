//! A net as its gateways see it, and frames that stand for theirs.

use std::time::{Duration, SystemTime};

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader, PROTOCOL};
use dcnet_protocol::message::{Receipt, SignedReceipt};
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round, UnixTime};
use dcnet_protocol::self_mask::{SelfMask, ShareKey};

use super::{Answer, Gateway, Server};

/// How long the gateways of a test may take to enter its net, in milliseconds.
const ENTERING: u64 = 2_000;

/// A net as a gateway fetched it.
pub struct Net {
    pub id: NetId,
    pub descriptor: NetDescriptor,
}

impl Net {
    pub async fn fetch(server: &Server, gateway: &Gateway, name: &str) -> Self {
        let bytes = gateway.get(server, &format!("/v1/nets/{name}")).await.ok();
        Self {
            id: name.parse().unwrap(),
            descriptor: NetDescriptor::decode(&bytes).unwrap(),
        }
    }

    pub fn header(&self, client: ClientId) -> FrameHeader {
        FrameHeader {
            net: self.id,
            descriptor: self.descriptor.hash(),
            client,
            transmission: false,
            epoch: Epoch::new(0),
            round: Round::new(0),
        }
    }

    /// Notification 5 with words that stand for a superposition: nothing here holds pads.
    pub fn transmit(&self, client: ClientId, epoch: u64, round: Round, words: &[u64]) -> Vec<u8> {
        self.transmit_with(client, (epoch, round), words, None)
    }

    /// Notification 5 with what stands for a self-mask.
    pub fn transmit_with(
        &self,
        client: ClientId,
        (epoch, round): (u64, Round),
        words: &[u64],
        mask: Option<&SelfMask>,
    ) -> Vec<u8> {
        let header = FrameHeader {
            transmission: true,
            epoch: Epoch::new(epoch),
            round,
            ..self.header(client)
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(header.encode());
        bytes.push(5);
        bytes.extend(superposition(words));
        bytes.push(u8::from(mask.is_some()));
        bytes.extend(mask.map(Wire::encode).unwrap_or_default());
        Frame::decode(&bytes).unwrap();
        bytes
    }

    /// Notification 6 with words that stand for pads.
    pub fn pads(&self, client: ClientId, roster: &Roster, words: &[u64]) -> Vec<u8> {
        let header = FrameHeader {
            epoch: roster.epoch(),
            round: roster.round(),
            ..self.header(client)
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(header.encode());
        bytes.push(6);
        bytes.extend(roster.hash().encode());
        bytes.extend(superposition(words));
        Frame::decode(&bytes).unwrap();
        bytes
    }

    /// Notification 7.
    pub fn reveal(&self, client: ClientId, roster: &Roster, keys: Vec<ShareKey>) -> Vec<u8> {
        let header = FrameHeader {
            epoch: roster.epoch(),
            round: roster.round(),
            ..self.header(client)
        };
        let roster = roster.hash();
        let frame = Frame::control(header, FrameBody::Reveal { roster, keys });
        frame.unwrap().encode()
    }

    /// Notification 4: the same, without the pads of `missing`.
    pub fn resend(&self, frame: &[u8], missing: &ClientSet) -> Vec<u8> {
        // Behind the words one byte says that there is no self-mask.
        let frame = &frame[..frame.len() - 1];
        let words = 2 + 8 * self.descriptor.slots().len();
        let (head, words) = frame.split_at(frame.len() - words);
        let mut bytes = head[..head.len() - 1].to_vec();
        bytes.push(4);
        bytes.extend(missing.encode());
        bytes.extend(words);
        Frame::decode(&bytes).unwrap();
        bytes
    }

    /// Registers and enters everybody; everybody is everybody's neighbour.
    pub async fn enter_all(&self, server: &Server, gateways: &[Gateway]) {
        self.enter_ring(server, gateways, gateways.len()).await;
    }

    /// Registers and enters everybody; neighbours are those at most `reach` places away in a ring.
    pub async fn enter_ring(&self, server: &Server, gateways: &[Gateway], reach: usize) {
        for gateway in gateways {
            gateway
                .frame(server, self, &gateway.register_frame(self))
                .await
                .ok();
        }
        self.wait_to_enter().await;
        for (place, gateway) in gateways.iter().enumerate() {
            let near = gateways.iter().enumerate().filter(|(other, _)| {
                let apart = place.abs_diff(*other);
                apart > 0 && apart.min(gateways.len() - apart) <= reach
            });
            let frame =
                gateway.entered_frame(self, 1, near.map(|(_, other)| other.end()).collect());
            gateway.frame(server, self, &frame).await.ok();
        }
    }

    /// Waits if members are fixed soon: with some of those that enter the net would have an epoch that
    /// ends with its first round, and the others would wait for them in vain.
    async fn wait_to_enter(&self) {
        let schedule = self.descriptor.schedule();
        let now = now();
        let metered = schedule.round_at(now);
        let fixed = [metered.previous(), metered]
            .map(|round| schedule.correction_deadline(round).millis_since(now))
            .into_iter()
            .find(|millis| *millis > 0);
        if let Some(millis) = fixed.filter(|millis| *millis < ENTERING) {
            tokio::time::sleep(Duration::from_millis(millis + 200)).await;
        }
    }

    /// Waits for the border of `round`: from then on it is final as soon as it is complete.
    pub async fn wait_for(&self, round: Round) {
        let border = self.descriptor.schedule().border(round);
        tokio::time::sleep(Duration::from_millis(border.millis_since(now()) + 20)).await;
    }
}

/// The receipt in an answer, its signature checked. The batch around it may be another each time.
pub fn receipt(net: &Net, answer: Answer) -> Receipt {
    let signed = SignedReceipt::decode(&answer.ok()).unwrap();
    signed.verify(&net.descriptor).unwrap().clone()
}

/// Whether `word`, big endian, stands in `bytes`.
pub fn holds(bytes: &[u8], word: u64) -> bool {
    bytes.windows(8).any(|window| window == word.to_be_bytes())
}

pub fn roster_path(net: &Net, round: Round, after: u8, wait: u64) -> String {
    format!(
        "/v1/nets/{}/rounds/{round}/roster?after={after}&wait={wait}",
        net.id
    )
}

fn superposition(words: &[u64]) -> Vec<u8> {
    let mut bytes = u16::try_from(words.len() * 8)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    bytes
}

pub fn now() -> UnixTime {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixTime::from_millis(u64::try_from(elapsed.as_millis()).unwrap())
}
