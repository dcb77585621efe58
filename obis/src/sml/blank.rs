//! Recordings that do not tell whose meter they are of.

use super::encode::Encoder;
use super::frame::Framer;
use super::tlv::{Kind, Reader};
use super::{Catalog, Checksum, Decoder, MessageError, message};
use crate::blank::{self, FINDABLE, KEY};
use crate::{Device, Telegram, Value};

/// Takes the bytes of a meter and gives them back without its ids: for recordings that are shown to
/// others.
///
/// Ids (server ids, the values of 0.0.x and 96.1.x, and what contains one of them) are replaced by
/// others of the same form with the same maker, whose serial number concerns the same rules of the
/// catalogue; keys and signatures by zeros. Checksums are made right again. Registers, times and
/// everything else stay.
///
/// Only whole files are given back that were read, and that say the same afterwards. All other bytes
/// are left out: nobody knows what of an id is in them.
#[derive(Debug)]
pub struct Blanker {
    framer: Framer,
    catalog: Catalog,
    taken: u64,
    given: u64,
}

/// What is replaced, and by what.
type Secret = (Vec<u8>, Vec<u8>);

impl Blanker {
    /// A blanker that has seen nothing yet, for meters that are read with this catalogue.
    pub fn new(catalog: &Catalog) -> Self {
        Self {
            framer: Framer::new(),
            catalog: catalog.clone(),
            taken: 0,
            given: 0,
        }
    }

    /// Takes the next bytes; gives back the files that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let catalog = &self.catalog;
        self.framer.push(bytes, |file| {
            if let Ok(file) = file
                && let Some(blanked) = blank_file(file.body, file.checksum, catalog)
            {
                out.extend(blanked);
            }
        });
        self.taken += bytes.len() as u64;
        self.given += out.len() as u64;
        out
    }

    /// Bytes that were taken and not given back so far.
    pub const fn left_out(&self) -> u64 {
        self.taken.saturating_sub(self.given)
    }
}

fn blank_file(body: &[u8], checksum: Checksum, catalog: &Catalog) -> Option<Vec<u8>> {
    let mut told = Vec::new();
    let kind = message::read_file(body, checksum, catalog, |telegram| told.push(telegram)).ok()?;
    let secrets = secrets(&told, catalog)?;
    let mut out = Vec::with_capacity(body.len());
    let mut reader = Reader::new(body);
    reader.skip_zeros();
    while !reader.is_empty() {
        blank_message(&mut reader, kind, &secrets, &mut out).ok()?;
        reader.skip_zeros();
    }
    let encoder = Encoder::new().checksums(checksum, checksum);
    let file = encoder.frame(&out).ok()?;
    let again = Decoder::with_catalog(catalog).push(&file);
    let same = again.len() == told.len()
        && told.iter().zip(&again).all(|(before, after)| {
            after
                .as_ref()
                .is_ok_and(|after| blank::same_but_identity(before, after))
        });
    (same && !told.is_empty()).then_some(file)
}

/// All ids of a file; `None` if one is no octet string.
fn secrets(told: &[Telegram], catalog: &Catalog) -> Option<Vec<Secret>> {
    let mut secrets: Vec<Secret> = Vec::new();
    let mut add = |id: &[u8]| {
        let stand_in = blank::stand_in(id, |maker, serial| catalog.serial_like(maker, serial));
        // The serial number may stand alone elsewhere.
        if let Some(device) = Device::from_server_id(id)
            && device.serial > u64::from(u16::MAX)
            && let (Some(own), Some(other)) = (id.last_chunk::<4>(), stand_in.last_chunk::<4>())
            && id.len() > FINDABLE
        {
            secrets.push((own.to_vec(), other.to_vec()));
        }
        secrets.push((id.to_vec(), stand_in));
    };
    for telegram in told {
        add(&telegram.server_id);
        for entry in &telegram.entries {
            match &entry.value {
                Value::Bytes(id) if blank::is_identity(entry.obis) => add(id),
                _ if blank::is_identity(entry.obis) => return None,
                _ => {}
            }
        }
    }
    // Long ones first: a short one may be a part.
    secrets.sort_by_key(|(id, _)| core::cmp::Reverse(id.len()));
    secrets.dedup();
    Some(secrets)
}

/// Reads a message and appends it without ids, under a checksum of that kind.
fn blank_message(
    reader: &mut Reader<'_>,
    kind: Checksum,
    secrets: &[Secret],
    out: &mut Vec<u8>,
) -> Result<(), MessageError> {
    let begin = reader.offset();
    let mut octets = Vec::new();
    // A message has the checksum behind its fourth element.
    reader.list_of(6, "a message")?;
    let mut left = 4_usize;
    while left > 0 {
        left -= 1;
        let head = reader.head("an element")?;
        if head.kind == Kind::List {
            left += head.length;
        } else {
            let content = reader.octets_content(head, "an element")?;
            if head.kind == Kind::Octets && !content.is_empty() {
                octets.push((reader.offset() - content.len() - begin, content.len()));
            }
        }
    }
    let checked = reader.since(begin);
    reader.unsigned(2, "a checksum")?;
    reader.byte("the end of a message")?;
    let mut message = checked.to_vec();
    for (place, length) in octets {
        if let Some(content) = message.get_mut(place..place + length) {
            blank_octets(content, secrets);
        }
    }
    let checksum = kind.of(&message).to_be_bytes();
    out.extend(message);
    out.push(0x63);
    out.extend(checksum);
    out.push(0);
    Ok(())
}

fn blank_octets(content: &mut [u8], secrets: &[Secret]) {
    if content.len() >= KEY {
        content.fill(0);
        return;
    }
    for (id, stand_in) in secrets {
        if content == id.as_slice() {
            content.copy_from_slice(stand_in);
            return;
        }
        if id.len() >= FINDABLE || id.len() == 4 {
            blank::replace(content, id, stand_in);
        }
    }
}
