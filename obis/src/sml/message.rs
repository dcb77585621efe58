//! From a file's bytes to telegrams: the messages (BSI TR-03109-1 annex IV b, section 5).

use super::checksum::Kinds;
use super::tlv::{Kind, Reader};
use super::{Catalog, Checksum, DecodeError, MessageError, quirk};
use crate::{Entry, MeterTime, ObisCode, ScaledInteger, Telegram, Unit, Value};

/// The message that carries a list of values, `SML_GetList.Res`.
const GET_LIST_RESPONSE: u64 = 0x0701;

/// The fewest bytes that an entry of a list takes: its head, a code, six bytes for the rest.
const SMALLEST_ENTRY: usize = 14;

/// Reads all messages of a file whose checksum was of that kind; calls back for each telegram,
/// unless something about the file is wrong. Gives the kind of the messages' checksums.
pub(super) fn read_file(
    body: &[u8],
    file_checksum: Checksum,
    catalog: &Catalog,
    mut sink: impl FnMut(Telegram),
) -> Result<Checksum, DecodeError> {
    let mut reader = Reader::new(body);
    let mut kinds = Kinds::ALL;
    let mut messages = 0;
    // Almost every file has one list; none is handed out before the whole file was read.
    let (mut first, mut further) = (None, Vec::new());
    reader.skip_zeros();
    while !reader.is_empty() {
        messages += 1;
        let place = |error| DecodeError::Message {
            message: messages,
            error,
        };
        let (telegram, fitting) = read_message(&mut reader, catalog).map_err(place)?;
        kinds = kinds.and(fitting);
        if kinds.first().is_none() {
            return Err(place(MessageError::MixedChecksums));
        }
        match telegram {
            Some(telegram) if first.is_none() => first = Some(telegram),
            telegram => further.extend(telegram),
        }
        reader.skip_zeros();
    }
    // A second kind of checksum must not make errors twice as likely to go unseen: one checksum
    // of this kind alone does not count.
    if kinds.first() == Some(Checksum::Kermit) && messages == 1 && file_checksum != Checksum::Kermit
    {
        return Err(DecodeError::Message {
            message: 1,
            error: MessageError::MixedChecksums,
        });
    }
    first.into_iter().chain(further).for_each(&mut sink);
    Ok(kinds.first().unwrap_or_default())
}

fn read_message(
    reader: &mut Reader<'_>,
    catalog: &Catalog,
) -> Result<(Option<Telegram>, Kinds), MessageError> {
    let begin = reader.offset();
    reader.list_of(6, "a message")?;
    reader.octets("a transaction id")?;
    reader.unsigned(1, "a group number")?;
    reader.unsigned(1, "an abort-on-error number")?;
    reader.list_of(2, "a message body")?;
    let telegram = if reader.unsigned(4, "the kind of a message")? == GET_LIST_RESPONSE {
        Some(read_list(reader, catalog)?)
    } else {
        reader.skip("the content of a message")?;
        None
    };
    let checked = reader.since(begin);
    // Meters leave out a leading zero byte here, too. Two bytes at most, so nothing is cut off.
    let got = u16::try_from(reader.unsigned(2, "a checksum")?).unwrap_or_default();
    match reader.byte("the end of a message")? {
        0 => {}
        got => return Err(MessageError::End { got }),
    }
    let kinds = Kinds::fitting(checked, got);
    if kinds.first().is_none() {
        return Err(MessageError::Checksum {
            expected: Checksum::X25.of(checked),
            got,
        });
    }
    Ok((telegram, kinds))
}

fn read_list(reader: &mut Reader<'_>, catalog: &Catalog) -> Result<Telegram, MessageError> {
    reader.list_of(7, "a list response")?;
    reader.optional(|reader| reader.octets("a client id"))?;
    let server_id = reader.octets("a server id")?.to_vec();
    reader.optional(|reader| reader.octets("a list name"))?;
    let sensor_time = reader.optional(|reader| reader.time("a sensor time"))?;

    let count = reader.list("a list of values")?;
    // What is reserved depends on bytes that are there, not on what they claim.
    let mut entries = Vec::with_capacity(count.min(reader.remaining() / SMALLEST_ENTRY));
    let mut short = quirk::ShortIntegers::default();
    for _ in 0..count {
        if let Some((entry, width)) = read_entry(reader)? {
            short.note(entries.len(), &entry, width);
            entries.push(entry);
        }
    }
    reader.optional(|reader| reader.octets("a list signature"))?;
    reader.optional(|reader| reader.time("a gateway time"))?;

    let mut telegram = Telegram {
        server_id,
        sensor_time,
        entries,
    };
    quirk::apply(catalog, &mut telegram, &short);
    Ok(telegram)
}

/// An entry, and how many bytes its value took if that is a signed integer; nothing for an entry
/// that no OBIS code names or whose value is a list.
fn read_entry(reader: &mut Reader<'_>) -> Result<Option<(Entry, usize)>, MessageError> {
    reader.list_of(7, "an entry")?;
    let name = reader.octets("an OBIS code")?;
    let status = reader.optional(|reader| reader.unsigned(8, "a status word"))?;
    let time = reader.optional(|reader| reader.time("the time of a value"))?;
    let unit = reader.optional(|reader| reader.unsigned(1, "a unit"))?;
    let scaler = reader.optional(|reader| reader.signed(1, "a scaler"))?;
    let value = read_value(reader, scaler)?;
    reader.optional(|reader| reader.octets("a signature"))?;

    let (Ok(code), Some((value, width))) = (<[u8; 6]>::try_from(name), value) else {
        return Ok(None);
    };
    let entry = Entry {
        obis: ObisCode::new(code),
        value,
        // Zero is no unit of the DLMS table; meters send it where there is none.
        unit: unit
            .and_then(|code| u8::try_from(code).ok())
            .filter(|code| *code != 0)
            .map(Unit::from_code),
        status,
        time,
    };
    Ok(Some((entry, width)))
}

fn read_value(
    reader: &mut Reader<'_>,
    scaler: Option<i64>,
) -> Result<Option<(Value, usize)>, MessageError> {
    const VALUE: &str = "a value";
    // A missing scaler means 10^0. One byte at most, so nothing is cut off.
    let exponent = i8::try_from(scaler.unwrap_or(0)).unwrap_or_default();
    let head = reader.head(VALUE)?;
    let value = match head.kind {
        Kind::Octets => Value::Bytes(reader.octets_content(head, VALUE)?.to_vec()),
        Kind::Boolean => Value::Bool(reader.boolean_content(head, VALUE)?),
        Kind::Unsigned => {
            let number = reader.unsigned_content(head, VALUE)?;
            Value::Number(ScaledInteger::new(i128::from(number), exponent))
        }
        Kind::Signed => {
            let number = reader.signed_content(head, VALUE)?;
            let number = ScaledInteger::new(i128::from(number), exponent);
            return Ok(Some((Value::Number(number), head.length)));
        }
        Kind::List => return Ok(read_list_value(reader, head)?.map(|time| (Value::Time(time), 0))),
    };
    Ok(Some((value, 0)))
}

/// The only kind of list that the standard knows as a value is a point in time.
fn read_list_value(
    reader: &mut Reader<'_>,
    head: super::tlv::Head,
) -> Result<Option<MeterTime>, MessageError> {
    const VALUE: &str = "a list value";
    if head.length == 2 {
        let kind = reader.unsigned(1, VALUE)?;
        if kind == 1 {
            return reader.time(VALUE).map(Some);
        }
        reader.skip(VALUE)?;
    } else {
        reader.skip_content(head, VALUE)?;
    }
    Ok(None)
}
