//! Damaged bytes give the right readings or none.

use dcnet_obis::Telegram;
use dcnet_obis::sml::Decoder;

use crate::support::{Random, Stream, decode, readings, streams};

const START: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];

/// Where files begin; the bytes before the first one and the end of the stream count as well.
fn borders(bytes: &[u8]) -> Vec<usize> {
    let starts = bytes
        .windows(START.len())
        .enumerate()
        .filter(|(_, window)| *window == START)
        .map(|(index, _)| index)
        // Four escape bytes before it make it escaped data.
        .filter(|index| !bytes[..*index].ends_with(&START[..4]));
    let mut borders = vec![0];
    borders.extend(starts.filter(|start| *start > 0));
    borders.push(bytes.len());
    borders
}

/// Cut off at every length, followed by a whole file: that is always read, and of the file that
/// was cut nothing but itself.
#[test]
fn truncated_at_every_length() {
    for stream in streams() {
        let borders = borders(&stream.bytes);
        let files: Vec<&[u8]> = borders
            .windows(2)
            .map(|pair| &stream.bytes[pair[0]..pair[1]])
            .collect();
        let whole = files
            .iter()
            .copied()
            .find(|file| !readings(decode(file)).is_empty());
        let Some(whole) = whole else { continue };
        let next = readings(decode(whole));
        for file in &files {
            let complete = readings(decode(file));
            for length in 0..file.len() {
                let mut decoder = Decoder::new();
                let cut = readings(decoder.push(&file[..length]));
                // Behind the end of a file there may be more bytes.
                assert!(cut.is_empty() || cut == complete, "{}", stream.name);
                let after = readings(decoder.push(whole));
                // The next file begins with an escape byte. If just that was missing, it is the
                // next file that is not whole.
                let completed = file[length..] == START[..1] && after == complete;
                assert!(
                    completed || after == next,
                    "{}, cut at {length}",
                    stream.name
                );
            }
        }
    }
}

#[test]
fn every_byte_flipped() {
    for stream in streams() {
        let borders = borders(&stream.bytes);
        for index in 0..borders.len() - 1 {
            // A damaged file can at most harm its neighbours; decoding these is enough.
            let from = borders[index.saturating_sub(1)];
            let to = borders[(index + 2).min(borders.len() - 1)];
            let mut window = stream.bytes[from..to].to_vec();
            let file = borders[index] - from..borders[index + 1] - from;
            let expected = readings(decode(&window));
            let harmed = readings(decode(&window[file.clone()])).len();
            for position in file {
                for change in [1, 2, 4, 8, 16, 32, 64, 128, 0xff] {
                    window[position] ^= change;
                    let got = readings(decode(&window));
                    window[position] ^= change;
                    assert_part(&got, &expected, harmed, &stream, from + position, change);
                }
            }
        }
    }
}

/// Nothing but right readings, in their order, and none lost but those of the harmed file.
fn assert_part(
    got: &[Telegram],
    expected: &[Telegram],
    harmed: usize,
    stream: &Stream,
    position: usize,
    change: u8,
) {
    let place = || format!("{}: byte {position} ^ {change:02x}", stream.name);
    let mut rest = expected.iter();
    for telegram in got {
        assert!(rest.any(|right| right == telegram), "{}", place());
    }
    assert!(got.len() + harmed >= expected.len(), "{}", place());
}

/// Bursts, lost bytes and doubled bytes, wherever they may hit.
#[test]
fn random_damage() {
    let mut random = Random(7);
    for stream in streams() {
        let expected = readings(decode(&stream.bytes));
        for _ in 0..30 {
            let mut bytes = stream.bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                let length = 1 + random.below(20.min(bytes.len() - at));
                match random.below(3) {
                    0 => drop(bytes.drain(at..at + length)),
                    1 => bytes[at..at + length].fill(0),
                    _ => {
                        let doubled = bytes[at..at + length].to_vec();
                        bytes.splice(at..at, doubled);
                    }
                }
            }
            let mut rest = expected.iter();
            for telegram in readings(decode(&bytes)) {
                assert!(rest.any(|right| *right == telegram), "{}", stream.name);
            }
        }
    }
}
