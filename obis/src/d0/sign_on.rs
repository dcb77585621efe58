//! What is said before a readout (IEC 62056-21, section 6): the request, the identification, the
//! choice of a baud rate. Pure data: whoever owns the port moves the bytes and sets the rate.

use super::{ACK, MAX_IDENTIFICATION, RequestError};
use crate::Maker;

/// Bits per second at which a sign-on begins, seven data bits, even parity, one stop bit.
const SIGN_ON_BAUD: u32 = 300;

/// The request message, `/?!` and a line break, with the address of one device on a shared line,
/// or none for whichever is there.
///
/// It is sent at 300 baud, 7E1; the meter answers with its identification line within 1.5 s.
///
/// # Errors
///
/// If the address has more than 32 characters or others than letters, digits and blanks.
pub fn request(address: &str) -> Result<Vec<u8>, RequestError> {
    if !address
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
    {
        return Err(RequestError::Character);
    }
    if address.len() > 32 {
        return Err(RequestError::TooLong { got: address.len() });
    }
    Ok(format!("/?{address}!\r\n").into_bytes())
}

/// The acknowledgement that asks for a data readout at the rate of this baud character: `ACK`,
/// `0` (normal protocol), the character, `0` (readout), a line break.
///
/// It is sent at the rate of the sign-on; both sides change to the new one after it, within 0.2 to
/// 1.5 s. The character `0` asks the meter to stay at 300 baud, whatever it offered.
///
/// ```
/// assert_eq!(dcnet_obis::d0::acknowledge(b'5'), *b"\x06050\r\n");
/// ```
pub const fn acknowledge(baud_char: u8) -> [u8; 6] {
    [ACK, b'0', baud_char, b'0', b'\r', b'\n']
}

/// How a meter that was asked goes on after its identification line.
///
/// Mode D, in which a meter sends without being asked, cannot be told from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It sends its data at once, at the same rate.
    A,
    /// It sends its data at the rate of its baud character, without waiting.
    B,
    /// It waits for an acknowledgement, then sends at the rate that this names.
    C,
    /// As C, and it also offers other protocols (such as HDLC). The acknowledgement of
    /// [`acknowledge`] asks for the readout of mode C.
    E,
}

/// The identification line: who made the meter, how it goes on, which model it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification {
    /// Who made it.
    pub maker: Maker,
    /// True if the meter answers within 20 ms in place of 200 ms (the third letter is small).
    pub quick: bool,
    /// The character that names the rate of the data message.
    pub baud_char: u8,
    /// How the meter goes on when it was asked.
    pub mode: Mode,
    /// What follows: the maker's name for model and version, without escape sequences.
    pub ident: Vec<u8>,
}

impl Identification {
    /// Reads an identification line, with or without its line break; `None` for any other line,
    /// among them a request (`/?!`).
    ///
    /// ```
    /// use dcnet_obis::d0::{Identification, Mode};
    ///
    /// let line = Identification::parse(b"/LGZ5\\2ZMD4104407.B31\r\n").unwrap();
    /// assert_eq!(line.maker.to_string(), "LGZ");
    /// assert_eq!((line.mode, line.baud()), (Mode::E, Some(9600)));
    /// assert_eq!(line.ident, b"ZMD4104407.B31");
    /// ```
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let [b'/', letters @ ..] = line else {
            return None;
        };
        let (letters, rest) = letters.split_first_chunk::<3>()?;
        let (&baud_char, mut ident) = rest.split_first()?;
        let printable = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'/' | b'!');
        if line.len() > MAX_IDENTIFICATION
            || !letters.iter().all(u8::is_ascii_alphabetic)
            || !rest.iter().all(printable)
            || matches!(baud_char, b' ' | b'\\')
        {
            return None;
        }
        // Each escape sequence is a backslash and one character; `\2` offers binary mode E.
        let mut enhanced = false;
        while let [b'\\', kind, rest @ ..] = ident {
            enhanced |= kind.is_ascii_digit();
            ident = rest;
        }
        let mode = match baud_char {
            b'0'..=b'9' if enhanced => Mode::E,
            b'0'..=b'9' => Mode::C,
            b'A'..=b'I' => Mode::B,
            _ => Mode::A,
        };
        Some(Self {
            maker: Maker::from_letters(letters.map(|letter| letter.to_ascii_uppercase()))?,
            quick: letters[2].is_ascii_lowercase(),
            baud_char,
            mode,
            ident: ident.to_vec(),
        })
    }

    /// Bits per second of the data message; `None` if the character is reserved.
    ///
    /// In modes C and E the rate is the one that is acknowledged, so [`acknowledge`] with `0` keeps
    /// the line at 300 baud.
    pub const fn baud(&self) -> Option<u32> {
        let step = match self.mode {
            Mode::A => return Some(SIGN_ON_BAUD),
            Mode::B => self.baud_char - b'A' + 1,
            Mode::C | Mode::E => self.baud_char - b'0',
        };
        match step {
            0 => Some(SIGN_ON_BAUD),
            1 => Some(600),
            2 => Some(1200),
            3 => Some(2400),
            4 => Some(4800),
            5 => Some(9600),
            6 => Some(19_200),
            _ => None,
        }
    }

    /// What to answer to get a data readout at the meter's own rate; `None` if the meter does not
    /// wait for an answer (modes A and B) or offers a rate that is reserved.
    pub const fn acknowledge(&self) -> Option<[u8; 6]> {
        match (self.mode, self.baud()) {
            (Mode::C | Mode::E, Some(_)) => Some(acknowledge(self.baud_char)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_one_device_or_any() {
        assert_eq!(request(""), Ok(b"/?!\r\n".to_vec()));
        assert_eq!(request("0012 34aB"), Ok(b"/?0012 34aB!\r\n".to_vec()));
        for address in ["!", "1/2", "1\r\n", "é"] {
            assert_eq!(
                request(address),
                Err(RequestError::Character),
                "{address:?}"
            );
        }
        assert!(request(&"1".repeat(32)).is_ok());
        assert_eq!(
            request(&"1".repeat(33)),
            Err(RequestError::TooLong { got: 33 })
        );
    }

    #[test]
    fn reads_identifications_of_every_mode() {
        let known: [(&str, &str, Mode, Option<u32>, &str); 9] = [
            ("/SIEC2WR5", "SIE", Mode::B, Some(2400), "2WR5"),
            ("/SIE32WR5", "SIE", Mode::C, Some(2400), "2WR5"),
            ("/ELS5\\@V9.30 ", "ELS", Mode::C, Some(9600), "V9.30 "),
            (
                "/ACE0\\3k260V01.18",
                "ACE",
                Mode::E,
                Some(300),
                "k260V01.18",
            ),
            ("/ITR5EM214", "ITR", Mode::C, Some(9600), "EM214"),
            ("/ISk5MT174-0001", "ISK", Mode::C, Some(9600), "MT174-0001"),
            (
                "/Ene5\\T210-D ESMR5.0",
                "ENE",
                Mode::C,
                Some(9600),
                "210-D ESMR5.0",
            ),
            ("/XXX?old", "XXX", Mode::A, Some(300), "old"),
            ("/XXX9", "XXX", Mode::C, None, ""),
        ];
        for (line, maker, mode, baud, ident) in known {
            let got = Identification::parse(line.as_bytes()).unwrap();
            assert_eq!(got.maker.to_string(), maker);
            assert_eq!((got.mode, got.baud()), (mode, baud), "{line}");
            assert_eq!(got.ident, ident.as_bytes());
            assert_eq!(got.quick, line.as_bytes()[3].is_ascii_lowercase());
            let waits = matches!(mode, Mode::C | Mode::E) && baud.is_some();
            assert_eq!(got.acknowledge().is_some(), waits, "{line}");
        }
    }

    #[test]
    fn takes_no_other_line_for_one() {
        for line in [
            b"".as_slice(),
            b"/",
            b"/EMH",
            b"/?!",
            b"/?12345678!",
            b"EMH5eHZ",
            b"/EM15eHZ",
            b"/EMH5e/Z",
            b"/EMH5eHZ!",
            b"/ISk5\x02MT382",
            b"/EMH\\2",
            b"/EMH5\r\n\r\n",
        ] {
            assert_eq!(Identification::parse(line), None, "{line:02x?}");
        }
        let mut long = b"/EMH5".to_vec();
        long.resize(MAX_IDENTIFICATION, b'x');
        assert!(Identification::parse(&long).is_some());
        long.push(b'x');
        assert_eq!(Identification::parse(&long), None);
    }
}
