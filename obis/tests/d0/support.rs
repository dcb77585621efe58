//! Readouts with good checks.

use dcnet_obis::d0::{DecodeError, Decoder};
use dcnet_obis::{ObisCode, Telegram};

/// The data of a readout, up to the line break after its `!`.
pub(crate) const DATA: &str = "F.F(00000000)\r\nC.1(53965555)\r\n0.9.1(120500)\r\n\
    1.6.0(02.468*kW)(1703100930)\r\n1.8.0(022108.7*kWh)\r\n1.8.1(022108.7*kWh)\r\n\
    2.8.0(-10452.0*kWh)\r\n31.7.0(+000.8*A)\r\n0.2.0(V01.69#EEA3546C)\r\n!\r\n";

/// Data between STX and ETX, with the block check behind it.
pub(crate) fn block(data: &str) -> Vec<u8> {
    let mut bytes = vec![0x02];
    bytes.extend(data.bytes());
    bytes.push(0x03);
    bytes.push(bytes[1..].iter().fold(0, |check, byte| check ^ byte));
    bytes
}

/// A readout of mode C.
pub(crate) fn checked() -> Vec<u8> {
    [b"/ITR5EM214\r\n".as_slice(), &block(DATA)].concat()
}

/// A telegram of a P1 port; the text ends with its `!`.
pub(crate) fn with_crc(text: &str) -> Vec<u8> {
    let crc = crc::Crc::<u16>::new(&crc::CRC_16_ARC).checksum(text.as_bytes());
    format!("{text}{crc:04X}\r\n").into_bytes()
}

pub(crate) fn decode(bytes: &[u8]) -> Vec<Result<Telegram, DecodeError>> {
    Decoder::new().push(bytes)
}

pub(crate) fn one(bytes: &[u8]) -> Telegram {
    match &decode(bytes)[..] {
        [Ok(telegram)] => telegram.clone(),
        other => panic!("{other:?}"),
    }
}

/// A number of a telegram, exact.
pub(crate) fn number(telegram: &Telegram, code: &str) -> Option<(i128, i8)> {
    let code: ObisCode = code.parse().unwrap();
    telegram
        .number(code)
        .map(|number| (number.mantissa(), number.exponent()))
}
