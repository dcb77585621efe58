//! Telegrams as a meter would send them: for simulated meters and tests.
//!
//! [`file()`] writes what the standard says. An [`Encoder`] can also write each of the deviations
//! that meters have, so that tests of the decoder do not need recordings. Deviations that depend
//! on the maker need no option: a telegram with the server id of such a meter is written as that
//! meter would write it, and reads back as the same telegram.

mod tlv;

use self::tlv::Writer;
use super::quirk::{self, Rule};
use super::{Catalog, Checksum, END, ESCAPE, MAX_FILE, START};
use crate::{Entry, MeterTime, Telegram, Value};

/// The whole file for a telegram in standard form; shorthand for [`Encoder::encode`].
///
/// # Errors
///
/// See [`EncodeError`].
pub fn file(telegram: &Telegram) -> Result<Vec<u8>, EncodeError> {
    Encoder::new().encode(telegram)
}

/// Writes files, one after the other, with increasing transaction ids.
///
/// ```
/// use dcnet_obis::sml::{Checksum, Decoder, encode::Encoder};
/// # use dcnet_obis::Telegram;
/// # let telegram = Telegram { server_id: vec![1], sensor_time: None, entries: vec![] };
///
/// // A meter of Holley, as some owners have it.
/// let mut meter = Encoder::new()
///     .checksums(Checksum::Kermit, Checksum::Kermit)
///     .bare_time()
///     .omit_zero_scaler();
/// let bytes = meter.encode(&telegram)?;
/// assert_eq!(Decoder::new().push(&bytes), [Ok(telegram)]);
/// # Ok::<(), dcnet_obis::sml::encode::EncodeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    transaction: u32,
    message_checksum: Checksum,
    file_checksum: Checksum,
    four_padding_bytes: bool,
    style: Style,
}

/// How elements are written.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a deviation of its own, in any combination"
)]
struct Style {
    bare_time: bool,
    omit_zero_scaler: bool,
    shortest_integers: bool,
    zero_value_time: bool,
}

impl Encoder {
    /// An encoder of the standard form.
    pub fn new() -> Self {
        Self::default()
    }

    /// The kinds of checksum for messages and for whole files.
    #[must_use]
    pub const fn checksums(mut self, message: Checksum, file: Checksum) -> Self {
        self.message_checksum = message;
        self.file_checksum = file;
        self
    }

    /// Writes a seconds index as a bare integer (Holley).
    #[must_use]
    pub const fn bare_time(mut self) -> Self {
        self.style.bare_time = true;
        self
    }

    /// Leaves out a scaler of 0 (Holley).
    #[must_use]
    pub const fn omit_zero_scaler(mut self) -> Self {
        self.style.omit_zero_scaler = true;
        self
    }

    /// Leaves out the leading bytes of integers that carry no information (DZG).
    #[must_use]
    pub const fn shortest_integers(mut self) -> Self {
        self.style.shortest_integers = true;
        self
    }

    /// Writes second 0 for values without a time (DZG).
    #[must_use]
    pub const fn zero_value_time(mut self) -> Self {
        self.style.zero_value_time = true;
        self
    }

    /// Ends every file with four padding bytes; a longer transaction id makes room for them.
    #[must_use]
    pub const fn four_padding_bytes(mut self) -> Self {
        self.four_padding_bytes = true;
        self
    }

    /// The file that carries this telegram: the messages open, list and close.
    ///
    /// # Errors
    ///
    /// If SML or the meter that the server id names cannot say this.
    pub fn encode(&mut self, telegram: &Telegram) -> Result<Vec<u8>, EncodeError> {
        let said = as_said(telegram)?;
        let mut body = self.messages(telegram, &said, 0)?;
        if self.four_padding_bytes {
            // A transaction id may have any length.
            let room = padding(body.len());
            body = self.messages(telegram, &said, room)?;
        }
        self.transaction = self.transaction.wrapping_add(3);
        self.frame(&body)
    }

    fn messages(
        &self,
        telegram: &Telegram,
        said: &[Said<'_>],
        longer_id: usize,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::default();
        let server_id = telegram.server_id.as_slice();
        let file_id = self.transaction.to_be_bytes();
        self.message(&mut out, 0, 0, 0x0101, |out| {
            out.list(6);
            out.absent();
            out.absent();
            out.octets(&file_id);
            out.octets(server_id);
            out.absent();
            out.absent();
            Ok(())
        })?;
        self.message(&mut out, 1, 0, 0x0701, |out| {
            out.list(7);
            out.absent();
            out.octets(server_id);
            out.absent();
            out.time(telegram.sensor_time, self.style.bare_time);
            out.list(said.len());
            said.iter()
                .try_for_each(|entry| self.style.entry(out, entry))?;
            out.absent();
            out.absent();
            Ok(())
        })?;
        self.message(&mut out, 2, longer_id, 0x0201, |out| {
            out.list(1);
            out.absent();
            Ok(())
        })?;
        Ok(out.into_bytes())
    }

    fn message(
        &self,
        out: &mut Writer,
        number: u32,
        longer_id: usize,
        kind: u64,
        content: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let begin = out.len();
        out.list(6);
        let mut id = vec![0; longer_id];
        id.extend(self.transaction.wrapping_add(number).to_be_bytes());
        out.octets(&id);
        out.unsigned(0, 1);
        out.unsigned(0, 1);
        out.list(2);
        out.unsigned(kind, 4);
        content(out)?;
        let checksum = self.message_checksum.of(out.since(begin));
        let width = if self.style.shortest_integers && checksum < 0x100 {
            1
        } else {
            2
        };
        out.unsigned(u64::from(checksum), width);
        out.byte(0);
        Ok(())
    }

    /// Puts a file's content between escape sequences.
    pub(super) fn frame(&self, body: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut file = START.to_vec();
        let mut escapes = 0;
        for byte in body {
            file.push(*byte);
            escapes = if *byte == ESCAPE { escapes + 1 } else { 0 };
            if escapes == 4 {
                file.extend([ESCAPE; 4]);
                escapes = 0;
            }
        }
        let padding = match padding(body.len()) {
            0 if self.four_padding_bytes => 4,
            padding => padding,
        };
        if body.len() + padding > MAX_FILE {
            return Err(EncodeError::TooLong {
                length: body.len(),
                limit: MAX_FILE,
            });
        }
        file.resize(file.len() + padding, 0);
        // At most four, so nothing is cut off.
        let padding = u8::try_from(padding).unwrap_or_default();
        file.extend([ESCAPE, ESCAPE, ESCAPE, ESCAPE, END, padding]);
        let checksum = self.file_checksum.of(&file);
        file.extend(checksum.to_be_bytes());
        Ok(file)
    }
}

/// Bytes missing to a length that four divides.
const fn padding(length: usize) -> usize {
    (4 - length % 4) % 4
}

/// An entry as its meter puts it.
struct Said<'a> {
    entry: &'a Entry,
    /// The value without a sign that its meter does not send.
    unsigned: bool,
    /// Tagged as signed, though it is not (the leading zero byte is missing).
    tagged_signed: bool,
    /// Negative numbers in no less than four bytes.
    long_negative: bool,
}

/// The inverse of [`quirk::apply`].
fn as_said(telegram: &Telegram) -> Result<Vec<Said<'_>>, EncodeError> {
    let mut said: Vec<Said<'_>> = telegram
        .entries
        .iter()
        .map(|entry| Said {
            entry,
            unsigned: false,
            tagged_signed: false,
            long_negative: false,
        })
        .collect();
    for rule in Catalog::built_in().concerning(telegram) {
        match rule {
            Rule::TaggedSigned { obis } => {
                for entry in said.iter_mut().filter(|said| said.entry.obis == obis) {
                    entry.tagged_signed = true;
                    entry.long_negative = true;
                }
            }
            Rule::SignInStatus {
                obis,
                register,
                bit,
            } => {
                let status = telegram.entry(register).and_then(|entry| entry.status);
                let feeding_in = status.is_some_and(|status| status & bit != 0);
                for entry in said.iter_mut().filter(|said| said.entry.obis == obis) {
                    let Value::Number(number) = entry.entry.value else {
                        continue;
                    };
                    if number.is_negative() != (feeding_in && number.mantissa() != 0) {
                        return Err(EncodeError::SignAgainstStatus {
                            obis,
                            register,
                            bit,
                        });
                    }
                    entry.unsigned = true;
                }
            }
            Rule::NoValueTime => {}
        }
    }
    Ok(said)
}

impl Style {
    fn entry(self, out: &mut Writer, said: &Said<'_>) -> Result<(), EncodeError> {
        let entry = said.entry;
        out.list(7);
        out.octets(&entry.obis.to_bytes());
        match entry.status {
            Some(status) => out.unsigned(status, natural_width(tlv::unsigned_width(status))),
            None => out.absent(),
        }
        match entry.time {
            None if self.zero_value_time => out.time(Some(MeterTime::SecIndex(0)), self.bare_time),
            time => out.time(time, self.bare_time),
        }
        match entry.unit {
            Some(unit) => out.unsigned(u64::from(unit.code()), 1),
            None => out.absent(),
        }
        match &entry.value {
            Value::Number(number) => {
                match number.exponent() {
                    0 if self.omit_zero_scaler => out.absent(),
                    exponent => out.signed(i64::from(exponent), 1),
                }
                self.number(out, said, number.mantissa())?;
            }
            Value::Bytes(bytes) => {
                out.absent();
                out.octets(bytes);
            }
            Value::Bool(value) => {
                out.absent();
                out.boolean(*value);
            }
            Value::Time(time) => {
                out.absent();
                out.list(2);
                out.unsigned(1, 1);
                out.time(Some(*time), false);
            }
        }
        out.absent();
        Ok(())
    }

    fn number(self, out: &mut Writer, said: &Said<'_>, mantissa: i128) -> Result<(), EncodeError> {
        let too_large = EncodeError::NumberTooLarge {
            obis: said.entry.obis,
            mantissa,
        };
        let magnitude = u64::try_from(mantissa.unsigned_abs()).map_err(|_| too_large)?;
        let unsigned_width = tlv::unsigned_width(magnitude);
        if mantissa >= 0 || said.unsigned {
            if said.tagged_signed && unsigned_width <= quirk::SHORT {
                out.signed(magnitude.cast_signed(), unsigned_width);
            } else if self.shortest_integers {
                out.unsigned(magnitude, unsigned_width);
            } else {
                out.unsigned(magnitude, natural_width(unsigned_width));
            }
            return Ok(());
        }
        let signed = i64::try_from(mantissa).map_err(|_| too_large)?;
        let mut width = tlv::signed_width(signed);
        if !self.shortest_integers {
            width = natural_width(width);
        }
        if said.long_negative {
            width = natural_width(width.max(quirk::SHORT + 1));
        }
        out.signed(signed, width);
        Ok(())
    }
}

/// The next of the widths that integers have in most languages: 1, 2, 4 or 8 bytes.
const fn natural_width(width: usize) -> usize {
    width.next_power_of_two()
}

/// Why a telegram cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// SML has integers of 64 bits at most.
    #[error("{obis} has the mantissa {mantissa}, which does not fit into 64 bits")]
    NumberTooLarge {
        /// The entry's code.
        obis: crate::ObisCode,
        /// Its mantissa.
        mantissa: i128,
    },
    /// This meter tells the direction of energy in a status word, and that says otherwise.
    #[error(
        "the sign of {obis} contradicts the status of {register}: this meter sets the bit \
         {bit:#x} there while it feeds in, and only then the value is negative"
    )]
    SignAgainstStatus {
        /// The entry's code.
        obis: crate::ObisCode,
        /// The register whose status word has the direction.
        register: crate::ObisCode,
        /// The bit of the status word.
        bit: u64,
    },
    /// The file would be longer than what the decoder takes.
    #[error("the file has {length} bytes, the limit is {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}
