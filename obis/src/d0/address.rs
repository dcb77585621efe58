//! The addresses of data sets: OBIS codes, mostly short ones (IEC 62056-61, reduced ids).

use crate::ObisCode;

/// Reads `1-0:1.8.1*255` and its short forms `1.8.1`, `1.8.1*01`, `6.8`, `C.1`, `F.F`, `F`.
///
/// Letters stand for abstract quantities: C is 96, F is 97, L is 98, P is 99. A medium that is
/// left out is 0 for C and F, which belong to no medium, and otherwise the one given; a group E
/// that is left out is 0, a group F 255. `None` for anything else.
#[expect(
    clippy::many_single_char_names,
    reason = "the standard names the value groups so"
)]
pub(super) fn parse(text: &str, medium: u8) -> Option<ObisCode> {
    let (told, rest) = match text.split_once(':') {
        None => (None, text),
        // DSMR refers to a code as `0:96.7.19`: without the channel.
        Some((medium, rest)) => match medium.split_once('-') {
            None => (Some((number(medium)?, 0)), rest),
            Some((a, b)) => (Some((number(a)?, number(b)?)), rest),
        },
    };
    let (quantity, period) = match rest.split_once(['*', '&']) {
        None => (rest, 255),
        Some((quantity, period)) => (quantity, number(period)?),
    };
    // Heat meters shorten F.F, the error register, further.
    let quantity = if quantity == "F" { "F.F" } else { quantity };
    let mut groups = quantity.split('.');
    let (c, d) = (group(groups.next()?)?, group(groups.next()?)?);
    let e = groups.next().map_or(Some(0), group)?;
    if groups.next().is_some() {
        return None;
    }
    let (a, b) = told.unwrap_or((if matches!(c, 96 | 97) { 0 } else { medium }, 0));
    Some(ObisCode::new([a, b, c, d, e, period]))
}

fn group(text: &str) -> Option<u8> {
    match text {
        "C" => Some(96),
        "F" => Some(97),
        "L" => Some(98),
        "P" => Some(99),
        _ => number(text),
    }
}

fn number(text: &str) -> Option<u8> {
    // `u8::from_str` would take a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_short_and_long_forms() {
        for (text, code) in [
            ("1-0:1.8.1*255", [1, 0, 1, 8, 1, 255]),
            ("1.8.0", [1, 0, 1, 8, 0, 255]),
            ("1.8.1*01", [1, 0, 1, 8, 1, 1]),
            ("1.6.1&03", [1, 0, 1, 6, 1, 3]),
            ("6.8", [1, 0, 6, 8, 0, 255]),
            ("6.8*01", [1, 0, 6, 8, 0, 1]),
            ("81.7.6", [1, 0, 81, 7, 6, 255]),
            ("0.0.0", [1, 0, 0, 0, 0, 255]),
            ("C.1", [0, 0, 96, 1, 0, 255]),
            ("C.1.0", [0, 0, 96, 1, 0, 255]),
            ("0-0:C.1.0*255", [0, 0, 96, 1, 0, 255]),
            ("C.13.21", [0, 0, 96, 13, 21, 255]),
            ("F", [0, 0, 97, 97, 0, 255]),
            ("F.F", [0, 0, 97, 97, 0, 255]),
            ("0-0:F.F.0*255", [0, 0, 97, 97, 0, 255]),
            ("P.01", [1, 0, 99, 1, 0, 255]),
            ("L.1", [1, 0, 98, 1, 0, 255]),
            ("0-1:24.2.1", [0, 1, 24, 2, 1, 255]),
            ("0:96.7.19", [0, 0, 96, 7, 19, 255]),
        ] {
            assert_eq!(parse(text, 1), Some(ObisCode::new(code)), "{text}");
        }
        assert_eq!(parse("6.8*01", 6), Some(ObisCode::new([6, 0, 6, 8, 0, 1])));
        assert_eq!(parse("C.1", 6), Some(ObisCode::new([0, 0, 96, 1, 0, 255])));
    }

    #[test]
    fn takes_nothing_else() {
        for text in [
            "",
            "1",
            "C",
            ".",
            "1.",
            "1.8.",
            "1.8.0.1",
            "1.8.256",
            "X.1",
            "c.1",
            "1.8.0*",
            "1.8.+1",
            "1.8.0*1*2",
            "-0:1.8.0",
            ":1.8.0",
            "1-0:",
            "ERROR",
        ] {
            assert_eq!(parse(text, 1), None, "{text}");
        }
    }
}
