//! A device as it is found at the other end: who it is, and which registers are read.

use dcnet_obis::{Entry, ObisCode, Telegram};
use dcnet_profiles::modbus::{
    Direction, Function, NotAvailable, Register, Serial, SerialKind, Template,
};

use super::fault::Fault;
use super::link::Link;
use super::plan::{Span, apart, plan};
use super::value::{decode, scale_factor};

/// A device whose registers are known.
pub(super) struct Device {
    /// Empty: the device does not tell.
    pub(super) id: Vec<u8>,
    /// The maker's name, if the device tells.
    pub(super) maker: Option<Vec<u8>>,
    pub(super) registers: Vec<Register>,
    pub(super) not_available: NotAvailable,
    pub(super) positive: Direction,
    spans: Vec<Span>,
    blocks: Vec<Span>,
}

impl Device {
    /// A device with these registers, read in blocks of at most `block` with gaps up to `gap`.
    pub(super) fn new(
        registers: Vec<Register>,
        not_available: NotAvailable,
        positive: Direction,
        (block, gap): (u16, u16),
    ) -> Self {
        let spans: Vec<Span> = registers.iter().flat_map(spans).collect();
        Self {
            id: Vec::new(),
            maker: None,
            registers,
            not_available,
            positive,
            blocks: plan(&spans, block, gap),
            spans,
        }
    }

    /// The device that `template` describes, with the serial number that it tells.
    pub(super) async fn ask(
        link: &mut Link,
        template: &Template,
        positive: Direction,
    ) -> Result<Self, Fault> {
        let mut device = Self::new(
            template.registers.clone(),
            template.not_available,
            positive,
            (template.block, template.gap),
        );
        if let Some(serial) = &template.serial {
            device.id = serial_number(link, serial).await?;
        }
        Ok(device)
    }

    /// All registers, once.
    ///
    /// A device that refuses registers which it does not have may still have those around them: then
    /// each quantity is asked for by itself from now on.
    pub(super) async fn read(&mut self, link: &mut Link) -> Result<Telegram, Fault> {
        let read = match read_blocks(link, &self.blocks).await {
            Err(Fault::Refused { span, code: 2 | 3 }) if !self.spans.contains(&span) => {
                self.blocks = apart(&self.spans);
                read_blocks(link, &self.blocks).await?
            }
            read => read?,
        };
        let mut entries = Vec::new();
        if let Some(maker) = &self.maker {
            entries.push(Entry::bytes(ObisCode::MAKER, maker.clone()));
        }
        entries.extend(
            self.registers
                .iter()
                .filter_map(|register| self.entry(register, &read)),
        );
        Ok(Telegram {
            server_id: self.id.clone(),
            sensor_time: None,
            entries,
        })
    }

    fn entry(&self, register: &Register, read: &[(Span, Vec<u16>)]) -> Option<Entry> {
        let factor = match scale_span(register) {
            Some(span) => scale_factor(part(read, span)?)?,
            None => 0,
        };
        let number = decode(
            part(read, value_span(register))?,
            register.kind,
            register.word_order,
            self.not_available,
            register.scale.checked_add(factor)?,
        )?;
        let obis = register.obis.0;
        let number = if self.positive == Direction::Export && is_signed_power(obis) {
            number.checked_neg()?
        } else {
            number
        };
        Some(Entry::number(obis, number, register.unit))
    }
}

/// Active power as a sum with a sign: over all phases or of one.
fn is_signed_power(obis: ObisCode) -> bool {
    matches!(obis.to_bytes(), [1, _, 16 | 36 | 56 | 76, 7, ..])
}

async fn read_blocks(link: &mut Link, blocks: &[Span]) -> Result<Vec<(Span, Vec<u16>)>, Fault> {
    let mut read = Vec::with_capacity(blocks.len());
    for block in blocks {
        read.push((*block, link.read(*block).await?));
    }
    Ok(read)
}

fn part(read: &[(Span, Vec<u16>)], span: Span) -> Option<&[u16]> {
    read.iter()
        .find_map(|(block, words)| block.part(words, span))
}

fn value_span(register: &Register) -> Span {
    Span {
        function: register.function,
        address: register.address,
        count: register.kind.registers(),
    }
}

fn scale_span(register: &Register) -> Option<Span> {
    register.scale_register.map(|address| Span {
        function: register.function,
        address,
        count: 1,
    })
}

fn spans(register: &Register) -> impl Iterator<Item = Span> + use<> {
    [value_span(register)]
        .into_iter()
        .chain(scale_span(register))
}

/// The serial number; empty if this device does not have the register.
async fn serial_number(link: &mut Link, serial: &Serial) -> Result<Vec<u8>, Fault> {
    let span = Span {
        function: serial.function,
        address: serial.address,
        count: serial.registers,
    };
    match link.read(span).await {
        Ok(words) => Ok(match serial.kind {
            SerialKind::Text => text(&words).unwrap_or_default(),
            SerialKind::Number => number(&words),
        }),
        Err(Fault::Refused { code: 1..=3, .. }) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    }
}

/// A text in registers, two characters each; `None` if it is empty or not printable.
pub(super) fn text(words: &[u16]) -> Option<Vec<u8>> {
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    let text: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    let text = text.trim_ascii();
    let printable = text
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    (printable && !text.is_empty()).then(|| text.to_vec())
}

/// The bytes of a number; none if each bit is the same, which no serial number is.
fn number(words: &[u16]) -> Vec<u8> {
    if words.iter().all(|word| *word == 0) || words.iter().all(|word| *word == u16::MAX) {
        return Vec::new();
    }
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A span of holding registers, which `SunSpec` uses alone.
pub(super) const fn holding(address: u16, count: u16) -> Span {
    Span {
        function: Function::Holding,
        address,
        count,
    }
}
