//! The parts of a message, byte for byte: `docs/spec/protocol.md`, sections 4.5 and 4.6.

use dcnet_protocol::codec::Wire;
use dcnet_protocol::envelope::{Envelope, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::self_mask::SelfMask;
use dcnet_protocol::superposition::Superposition;

use super::speech::Speech;

/// Some bytes of a message, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Of the first byte.
    pub(super) offset: usize,
    pub(super) bytes: &'a [u8],
    pub(super) name: String,
    /// What they say, where that can be told in words.
    pub(super) meaning: String,
    pub(super) kind: Kind,
}

/// What the bytes are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anybody may read it.
    Open,
    /// A masked word.
    Masked,
    /// Sealed, signed, or a key's business: without meaning to a reader.
    Closed,
}

impl Kind {
    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Masked => "masked",
            Self::Closed => "closed",
        }
    }
}

/// Splits a message. Every byte is in exactly one part, and what cannot be split is one.
pub(super) fn split<'a>(l: Speech, bytes: &'a [u8], slots: &[String]) -> Vec<Part<'a>> {
    let mut cutter = Cutter {
        l,
        rest: bytes,
        offset: 0,
        parts: Vec::new(),
    };
    if let Ok(frame) = Frame::decode(bytes) {
        cutter.frame(&frame, slots);
    } else if let Ok(envelope) = Envelope::decode(bytes) {
        cutter.envelope(&envelope);
    }
    if !cutter.rest.is_empty() {
        let name = if cutter.parts.is_empty() {
            l.say("message", "Nachricht")
        } else {
            l.say("rest", "Rest")
        };
        cutter.take(cutter.rest.len(), name, String::new(), Kind::Closed);
    }
    cutter.parts
}

/// The words that left, if the message has words.
pub(super) fn words(bytes: &[u8]) -> Option<Vec<u64>> {
    match Frame::decode(bytes).ok()?.body() {
        FrameBody::Transmit { words, .. }
        | FrameBody::Resend { words, .. }
        | FrameBody::Pads { words, .. } => {
            Some(words.words().iter().map(|word| word.get()).collect())
        }
        _ => None,
    }
}

struct Cutter<'a> {
    l: Speech,
    rest: &'a [u8],
    offset: usize,
    parts: Vec<Part<'a>>,
}

impl Cutter<'_> {
    fn take(&mut self, length: usize, name: &str, meaning: String, kind: Kind) {
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        if bytes.is_empty() {
            return;
        }
        self.parts.push(Part {
            offset: self.offset,
            bytes,
            name: name.to_owned(),
            meaning,
            kind,
        });
        self.rest = rest;
        self.offset += bytes.len();
    }

    fn open(&mut self, length: usize, name: &str, meaning: impl Into<String>) {
        self.take(length, name, meaning.into(), Kind::Open);
    }

    fn closed(&mut self, length: usize, name: &str) {
        self.take(length, name, String::new(), Kind::Closed);
    }

    fn frame(&mut self, frame: &Frame, slots: &[String]) {
        let l = self.l;
        self.header(frame.header());
        let number = frame.notification().number();
        self.open(
            1,
            l.say("notification", "Benachrichtigung"),
            number.to_string(),
        );
        let roster = l.say(
            "hash of the roster answered",
            "Hash der beantworteten Teilnehmerliste",
        );
        match frame.body() {
            FrameBody::Register { package, emergency } => {
                let name = l.say("key package, signed", "Schlüsselpaket, signiert");
                self.closed(package.encode().len(), name);
                let name = l.say("in need of neighbours", "braucht Nachbarn");
                self.open(1, name, yes(l, *emergency));
            }
            FrameBody::Entered(_) => {
                let name = l.say("neighbours, signed", "Nachbarschaft, signiert");
                self.closed(self.rest.len(), name);
            }
            FrameBody::Exiting(_) => {
                let name = l.say(
                    "declaration of exit, signed",
                    "Austrittserklärung, signiert",
                );
                self.closed(self.rest.len(), name);
            }
            FrameBody::Resend { missing, words } => {
                let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
                let name = l.say("missing members", "fehlende Mitglieder");
                self.open(missing.encode().len(), name, names.join(", "));
                self.words(words, slots);
            }
            FrameBody::Transmit { words, mask } => {
                self.words(words, slots);
                let name = l.say("has a self-mask", "hat eine Selbstmaske");
                self.open(1, name, yes(l, mask.is_some()));
                if let Some(mask) = mask {
                    self.mask(mask);
                }
            }
            FrameBody::Pads { words, .. } => {
                self.closed(32, roster);
                self.words(words, slots);
            }
            FrameBody::Reveal { keys, .. } => {
                self.closed(32, roster);
                self.length(2);
                for number in 1..=keys.len() {
                    let name = l.tell(
                        format!("share key {number}"),
                        format!("Teilschlüssel {number}"),
                    );
                    self.closed(16, &name);
                }
            }
        }
    }

    fn header(&mut self, header: &FrameHeader) {
        let l = self.l;
        self.open(4, l.say("protocol", "Protokoll"), "DCN1");
        let net = header.net;
        self.open(net.encode().len(), l.say("net", "Netz"), net.to_string());
        self.open(
            32,
            l.say("hash of the net descriptor", "Hash der Netzbeschreibung"),
            "",
        );
        let client = header.client;
        let name = l.say("this gateway", "dieses Gateway");
        self.open(client.encode().len(), name, client.to_string());
        let name = l.say("transmission bit", "Übertragungsbit");
        self.open(1, name, yes(l, header.transmission));
        self.open(8, l.say("epoch", "Epoche"), header.epoch.to_string());
        self.open(8, l.say("round", "Runde"), header.round.to_string());
    }

    fn length(&mut self, width: usize) {
        let length = self.rest.iter().take(width);
        let length = length.fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let name = self.l.say("length of what follows", "Länge des Folgenden");
        self.open(width, name, format!("{length} B"));
    }

    fn words(&mut self, words: &Superposition, slots: &[String]) {
        self.length(2);
        for (index, word) in words.words().iter().enumerate() {
            let number = index + 1;
            let slot = slots.get(index).map_or("", String::as_str);
            let name = self.l.tell(
                format!("masked word {number}: {slot}"),
                format!("maskiertes Wort {number}: {slot}"),
            );
            let name = name.trim_end_matches([' ', ':']);
            self.take(8, name, word.get().to_string(), Kind::Masked);
        }
    }

    fn mask(&mut self, mask: &SelfMask) {
        let l = self.l;
        self.closed(
            32,
            l.say(
                "commitment to the self-mask's seed",
                "Festlegung auf den Keim der Selbstmaske",
            ),
        );
        let name = l.say("shares that recover it", "Anteile, die ihn ergeben");
        self.open(1, name, mask.threshold.to_string());
        self.length(2);
        for number in 1..=mask.shares.len() {
            let name = l.tell(
                format!("share {number}, sealed"),
                format!("Anteil {number}, verschlossen"),
            );
            self.closed(24, &name);
        }
    }

    fn envelope(&mut self, envelope: &Envelope) {
        let l = self.l;
        let header = envelope.header();
        let (net, from, to) = (header.net, header.from, header.to);
        self.open(net.encode().len(), l.say("net", "Netz"), net.to_string());
        self.open(
            32,
            l.say("hash of the net descriptor", "Hash der Netzbeschreibung"),
            "",
        );
        let name = l.say("this gateway", "dieses Gateway");
        self.open(from.encode().len(), name, from.to_string());
        let name = l.say("neighbour", "Nachbar");
        self.open(to.encode().len(), name, to.to_string());
        self.open(1, l.say("kind", "Art"), envelope_kind(l, header.kind));
        self.closed(24, l.say("nonce", "Einmalwert"));
        self.length(4);
        let name = l.say(
            "sealed for the neighbour alone",
            "verschlossen, nur für den Nachbarn",
        );
        self.closed(self.rest.len(), name);
    }
}

/// What an envelope is about.
pub(super) fn envelope_kind(l: Speech, kind: EnvelopeKind) -> &'static str {
    match kind {
        EnvelopeKind::EdgeOffer => l.say(
            "offer of a common key",
            "Angebot eines gemeinsamen Schlüssels",
        ),
        EnvelopeKind::EdgeAccept => l.say(
            "acceptance of a common key",
            "Annahme eines gemeinsamen Schlüssels",
        ),
        EnvelopeKind::Checkpoint => l.say(
            "state of the membership log",
            "Stand des Mitgliederverzeichnisses",
        ),
    }
}

fn yes(l: Speech, flag: bool) -> &'static str {
    if flag {
        l.say("yes", "ja")
    } else {
        l.say("no", "nein")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use dcnet_obis::Language;
    use proptest::prelude::*;
    use tls_codec::Serialize as _;

    use super::*;

    const L: Speech = Speech(Language::German);

    /// A frame of notification 5 with these words, and a self-mask with `shares` shares.
    pub(in super::super) fn transmit(round: u64, words: &[u64], shares: u16) -> Vec<u8> {
        let mut bytes = b"DCN1".to_vec();
        bytes.extend(b"\x09quarter-7");
        bytes.extend([7; 32]);
        bytes.extend(b"\x09gateway-1");
        bytes.push(1);
        bytes.extend(3_u64.to_be_bytes());
        bytes.extend(round.to_be_bytes());
        bytes.push(5);
        bytes.extend(
            Superposition::from_stored(words)
                .tls_serialize_detached()
                .unwrap(),
        );
        bytes.push(u8::from(shares > 0));
        if shares > 0 {
            bytes.extend([8; 32]);
            bytes.push(2);
            bytes.extend((shares * 24).to_be_bytes());
            bytes.extend((0..shares * 24).map(|n| n.to_be_bytes()[1]));
        }
        bytes
    }

    fn joined(parts: &[Part<'_>]) -> Vec<u8> {
        parts.iter().flat_map(|part| part.bytes.to_vec()).collect()
    }

    fn assert_covers(bytes: &[u8], parts: &[Part<'_>]) {
        assert_eq!(joined(parts), bytes, "every byte once, in order");
        let mut offset = 0;
        for part in parts {
            assert_eq!(part.offset, offset);
            offset += part.bytes.len();
        }
    }

    #[test]
    fn a_frame_is_split_into_its_fields() {
        let bytes = transmit(42, &[1, u64::MAX], 2);
        assert!(Frame::decode(&bytes).is_ok());
        let parts = split(L, &bytes, &["Bezug".to_owned()]);
        assert_covers(&bytes, &parts);
        let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
        assert!(names.contains(&"maskiertes Wort 1: Bezug"), "{names:?}");
        assert!(names.contains(&"maskiertes Wort 2"), "{names:?}");
        assert_eq!(names.last(), Some(&"Anteil 2, verschlossen"));
        let round = parts.iter().find(|part| part.name == "Runde").unwrap();
        assert_eq!(round.meaning, "42");
        assert_eq!(words(&bytes), Some(vec![1, u64::MAX]));
        let masked = parts.iter().filter(|part| part.kind == Kind::Masked);
        assert_eq!(masked.map(|part| part.bytes.len()).sum::<usize>(), 16);
    }

    #[test]
    fn what_cannot_be_split_is_one_block() {
        for bytes in [&b"DCN1 and nothing else"[..], b"x"] {
            let parts = split(L, bytes, &[]);
            assert_covers(bytes, &parts);
            assert_eq!(parts.len(), 1);
            assert_eq!(words(bytes), None);
        }
        assert!(split(L, &[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_part(
            words in proptest::collection::vec(any::<u64>(), 1..32),
            shares in 0_u16..9,
            cut in any::<proptest::sample::Index>(),
        ) {
            let bytes = transmit(7, &words, shares);
            assert_covers(&bytes, &split(L, &bytes, &[]));
            let cut = &bytes[..cut.index(bytes.len())];
            assert_covers(cut, &split(L, cut, &[]));
        }
    }
}
