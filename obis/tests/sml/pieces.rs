//! The same readings however the bytes are cut.

use dcnet_obis::sml::Decoder;

use crate::support::{Random, decode, streams};

#[test]
fn byte_by_byte() {
    for stream in streams() {
        let mut decoder = Decoder::new();
        let got: Vec<_> = stream
            .bytes
            .iter()
            .flat_map(|byte| decoder.push(&[*byte]))
            .collect();
        assert_eq!(got, decode(&stream.bytes), "{}", stream.name);
    }
}

#[test]
fn in_pieces_of_random_size() {
    for stream in streams() {
        let whole = decode(&stream.bytes);
        for seed in 0..20 {
            let mut random = Random(seed);
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            let mut rest = stream.bytes.as_slice();
            while !rest.is_empty() {
                // Mostly what a serial port hands over at once, sometimes nothing or very much.
                let most = [1, 8, 64, 1024][random.below(4)];
                let (piece, later) = rest.split_at(random.below(most + 1).min(rest.len()));
                got.extend(decoder.push(piece));
                rest = later;
            }
            assert_eq!(got, whole, "{}, seed {seed}", stream.name);
            assert_eq!(decoder.statistics().bytes, stream.bytes.len() as u64);
        }
    }
}

#[test]
fn a_reset_forgets_the_part_of_a_file() {
    for stream in streams() {
        let mut decoder = Decoder::new();
        decoder.push(&stream.bytes[..stream.bytes.len().min(300)]);
        decoder.reset();
        assert_eq!(
            decoder.push(&stream.bytes),
            decode(&stream.bytes),
            "{}",
            stream.name
        );
    }
}
