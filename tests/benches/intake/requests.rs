//! The requests that are sent: frames, and the plain readings that they are held against.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::frame::{Frame, FrameHeader, PROTOCOL};
use dcnet_protocol::message::Receipt;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Epoch;
use dcnet_provider::server::MEDIA_TYPE;
use sha2::{Digest as _, Sha256};

use crate::lab::{Gateway, Lab};

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Frame,
    Plain,
}

/// A request ready to be written, and what its answer must begin with: signatures follow a receipt.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

impl Lab {
    pub(crate) fn request(&self, kind: Kind, net: usize, gateway: &Gateway) -> Request {
        let name = self.nets[net].net();
        let (path, body, answer) = match kind {
            Kind::Frame => {
                let body = self.frame(net, gateway.id, words_seed(net, gateway));
                let answer = Self::receipt(&body).encode();
                (format!("/v1/nets/{name}/frames"), body, answer)
            }
            Kind::Plain => {
                let body = self.plain(words_seed(net, gateway));
                let answer = Sha256::digest(&body).to_vec();
                (format!("/bench/nets/{name}/readings"), body, answer)
            }
        };
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MEDIA_TYPE}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend(body);
        Request { bytes, answer }
    }

    /// A frame of notification 5. Its words stand for a superposition: the provider cannot tell.
    pub(crate) fn frame(&self, net: usize, client: ClientId, seed: u64) -> Vec<u8> {
        let header = FrameHeader {
            net: self.nets[net].net(),
            descriptor: self.nets[net].hash(),
            client,
            transmission: true,
            epoch: Epoch::new(1),
            round: self.round,
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(header.encode());
        bytes.push(5);
        bytes.extend(24_u16.to_be_bytes());
        bytes.extend(words(seed).flat_map(u64::to_be_bytes));
        bytes.push(0); // no self-mask
        bytes
    }

    fn receipt(frame: &[u8]) -> Receipt {
        let decoded = Frame::decode(frame).unwrap();
        let header = decoded.header();
        Receipt {
            net: header.net,
            descriptor: header.descriptor,
            client: header.client,
            epoch: header.epoch,
            round: header.round,
            notification: decoded.notification(),
            frame_hash: Sha256::digest(frame).into(),
        }
    }

    pub(crate) fn plain(&self, seed: u64) -> Vec<u8> {
        let mut bytes = self.round.number().to_be_bytes().to_vec();
        bytes.extend(words(seed).flat_map(u64::to_be_bytes));
        bytes
    }
}

fn words_seed(net: usize, gateway: &Gateway) -> u64 {
    let index: u64 = gateway.id.as_str()[3..].parse().unwrap();
    u64::try_from(net).unwrap() << 32 | index
}

/// Three words without any pattern (splitmix64).
fn words(seed: u64) -> impl Iterator<Item = u64> {
    (1..=3_u64).map(move |step| {
        let mut z = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
