//! Recordings that do not tell whose meter they are of.

use core::ops::Range;
use core::str;

use super::decoder::ARC;
use super::{Decoder, ETX, STX, address, data};
use crate::Telegram;
use crate::blank::{self, FINDABLE, KEY};

/// Takes the bytes of a meter and gives them back without its ids: for recordings that are shown to
/// others.
///
/// In the values of 0.0.x, C.1.x, C.90 and, for heat meters, 9.20 and 9.21, and in what else equals
/// one of them, digits become `0` and letters `X`; so for values of 32 characters and more. Checks are made right again. Registers and the
/// identification line, which names maker and model, stay.
///
/// Only whole readouts are given back that were read, and that say the same afterwards, without what
/// was said before them. All other bytes are left out: nobody knows what of an id is in them.
#[derive(Debug)]
pub struct Blanker {
    decoder: Decoder,
    taken: u64,
    given: u64,
}

impl Default for Blanker {
    fn default() -> Self {
        Self::new()
    }
}

impl Blanker {
    /// A blanker that has seen nothing yet.
    pub fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            taken: 0,
            given: 0,
        }
    }

    /// Takes the next bytes; gives back the readouts that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            let block = self.decoder.expects_block_check();
            let mut told = None;
            self.decoder
                .push_with(&[*byte], |result| told = result.ok());
            if let Some(told) = told {
                let (head, data) = self.decoder.last_readout();
                out.extend(readout(head, data, block, &told).unwrap_or_default());
            }
        }
        self.taken += bytes.len() as u64;
        self.given += out.len() as u64;
        out
    }

    /// Bytes that were taken and not given back so far.
    pub const fn left_out(&self) -> u64 {
        self.taken.saturating_sub(self.given)
    }
}

fn readout(head: &[u8], data: &[u8], block: bool, told: &Telegram) -> Option<Vec<u8>> {
    let (mut head, mut data) = (head.to_vec(), data.to_vec());
    blank_data(&mut head, &mut data)?;
    let mut out = head;
    if block {
        let check = data.iter().fold(ETX, |check, byte| check ^ byte);
        out.push(STX);
        out.extend(data);
        out.extend([ETX, check]);
    } else {
        let end = data::end(&data)?;
        let (before, behind) = data.split_at_checked(end + 1)?;
        out.extend(before);
        if behind.trim_ascii().is_empty() {
            out.extend(behind);
        } else {
            let checksum = ARC.checksum(&out);
            out.extend(format!("{checksum:04X}\r\n").bytes());
        }
    }
    let again = Decoder::new().push(&out);
    let same = matches!(&again[..], [Ok(after)] if blank::same_but_identity(told, after));
    same.then_some(out)
}

/// Blanks the ids in the data, and where else they stand.
fn blank_data(head: &mut [u8], data: &mut [u8]) -> Option<()> {
    for range in identities(data) {
        let content = data.get_mut(range)?;
        let id = content.to_vec();
        let stand_in = blank::stand_in(&id, |_, _| 0);
        content.copy_from_slice(&stand_in);
        let trimmed = id.trim_ascii();
        if trimmed.len() >= FINDABLE {
            let other = blank::stand_in(trimmed, |_, _| 0);
            blank::replace(data, trimmed, &other);
            blank::replace(head, trimmed, &other);
        }
    }
    Some(())
}

/// Where ids and keys stand: contents of parentheses.
fn identities(data: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut named, mut open, mut concerned) = (0, None, false);
    for (place, byte) in data.iter().enumerate() {
        match byte {
            b'(' if open.is_none() => {
                let name = data.get(named..place).unwrap_or_default().trim_ascii();
                // Further values of a data set have no name of their own.
                if !name.is_empty() {
                    concerned = str::from_utf8(name)
                        .ok()
                        .and_then(|name| address::parse(name, 1))
                        .is_some_and(blank::is_identity);
                }
                open = Some(place + 1);
            }
            b')' => {
                if let Some(begin) = open.take()
                    && (concerned || place - begin >= KEY)
                {
                    found.push(begin..place);
                }
                named = place + 1;
            }
            b'\n' => (named, open, concerned) = (place + 1, None, false),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_blanked_and_checks_made_right() {
        let data = b"C.1(12345678)\r\n1.8.0(000285.4*kWh)\r\n0.2.1(x12345678)\r\n!\r\n";
        let check = data.iter().fold(ETX, |check, byte| check ^ byte);
        let mut sent = b"noise/EMH5eHZ\r\n\x02".to_vec();
        sent.extend(data);
        sent.extend([ETX, check]);
        let mut blanker = Blanker::new();
        let got = blanker.push(&sent);
        let text = String::from_utf8_lossy(&got).into_owned();
        assert!(
            text.contains("C.1(00000000)\r\n1.8.0(000285.4*kWh)\r\n0.2.1(x00000000)\r\n!"),
            "{text}"
        );
        assert!(Decoder::new().push(&got)[0].is_ok());
        assert_eq!(blanker.left_out(), 5);
        // The same with a changed byte: nothing.
        sent[20] ^= 1;
        assert_eq!(Blanker::new().push(&sent), b"");
    }

    #[test]
    fn further_meters_behind_a_p1_port_are_blanked_too() {
        let text = b"/ISk5MT382-1000\r\n\r\n0-0:96.1.1(4B3845)\r\n0-1:96.1.0(3232323241)\r\n\
            1-0:1.8.1(123456.789*kWh)\r\n!";
        let mut sent = text.to_vec();
        sent.extend(format!("{:04X}\r\n", ARC.checksum(text)).bytes());
        let got = Blanker::new().push(&sent);
        let text = String::from_utf8_lossy(&got).into_owned();
        assert!(
            text.contains("(0X0000)\r\n0-1:96.1.0(0000000000)"),
            "{text}"
        );
        assert!(text.contains("(123456.789*kWh)"), "{text}");
    }
}
