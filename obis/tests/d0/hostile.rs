//! Bytes made to harm: none of them panics, and every byte is accounted for.

use dcnet_obis::d0::{DecodeError, Decoder, Identification, MAX_DATA};
use proptest::prelude::*;

use crate::support::{block, checked, decode, one};

#[test]
fn data_without_an_end_is_refused_at_the_bound() {
    for begin in [b"\x02".as_slice(), b"/EMH5\r\n\r\n", b"/EMH5\r\n"] {
        let endless = [begin, &b"1.8.0(1)".repeat(MAX_DATA / 8 + 1)].concat();
        let got = decode(&endless);
        assert_eq!(got, [Err(DecodeError::TooLong { limit: MAX_DATA })]);
    }
    let longest = "x".repeat(MAX_DATA - 3);
    assert_eq!(one(&block(&format!("{longest}!\r\n"))).entries, []);
    let got = decode(&block(&format!("{longest}x!\r\n")));
    assert_eq!(got, [Err(DecodeError::TooLong { limit: MAX_DATA })]);
    // An identification line, an echo and line breaks without an end are no readouts.
    for begin in ["/EMH5", "/EMH5\r\n\x06", "/EMH5\r\n"] {
        for filling in ["x", "\n", "/", "\x06"] {
            let mut decoder = Decoder::new();
            decoder.push(begin.as_bytes());
            decoder.push(filling.repeat(4 * MAX_DATA).as_bytes());
            let telegrams: Vec<_> = decoder.push(&checked());
            assert_eq!(
                telegrams.last(),
                Some(&Ok(one(&checked()))),
                "{begin:?} {filling:?}"
            );
        }
    }
}

#[test]
fn many_values_in_few_bytes() {
    let telegram = one(&block(&format!("1.8.0{}!\r\n", "()".repeat(10_000))));
    assert_eq!(telegram.entries.len(), 10_000);
}

fn account(bytes: &[u8], size: usize) {
    let mut decoder = Decoder::new();
    for piece in bytes.chunks(size) {
        let results = decoder.push(piece);
        assert!(results.len() <= piece.len());
    }
    let got = decoder.statistics();
    assert_eq!(got.bytes, bytes.len() as u64);
    assert!(got.discarded_bytes <= got.bytes);
    decoder.reset();
    // The decoder goes on.
    let whole = one(&checked());
    assert_eq!(decoder.push(&checked()), [Ok(whole)]);
}

/// Bytes that mean something to the decoder, mixed.
fn mixture() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<&'static [u8]> = vec![
        b"/",
        b"\x02",
        b"\x03",
        b"\x06050\r\n",
        b"!",
        b"\r\n",
        b"(",
        b")",
        b"*kWh",
        b"1.8.0",
        b"/EMH5x\r\n",
        b"\r\n\r\n",
        b"!522B\r\n",
        b"\x00",
        b"\xff",
        b"/?!",
        b"000123.4",
    ];
    prop::collection::vec(prop::sample::select(parts), 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes(bytes: Vec<u8>, size in 1_usize..64) {
        account(&bytes, size);
        let _ = Identification::parse(&bytes);
    }

    #[test]
    fn bytes_that_mean_something(bytes in mixture(), size in 1_usize..64) {
        account(&bytes, size);
    }

    #[test]
    fn any_text_behind_a_good_check(text in "[ -~\r\n]{0,200}") {
        account(&block(&text), 17);
    }

    #[test]
    fn a_value_comes_back_exactly(whole in 0_u32..=999_999_999, decimals in 0_u32..=999) {
        let telegram = one(&block(&format!("1.8.0({whole:09}.{decimals:03}*kWh)\r\n!\r\n")));
        let number = telegram.number(dcnet_obis::ObisCode::ACTIVE_ENERGY_IMPORT).unwrap();
        let expected = i64::from(whole) * 1000 + i64::from(decimals);
        prop_assert_eq!(number.exact_to(0), Some(expected));
    }
}
