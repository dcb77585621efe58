//! Where the bytes come from.

use dcnet_obis::sml::encode::Encoder;
use dcnet_obis::sml::{Checksum, DecodeError, Decoder};
use dcnet_obis::{Entry, MeterTime, ObisCode, ScaledInteger, Telegram, Unit};

/// The bytes of a meter, and where they are from.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The folder with recordings and references, unless it is not there.
pub(crate) fn captures() -> Option<std::path::PathBuf> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not name the folder with the recordings");
        return None;
    };
    Some(std::path::Path::new(&shared).join("captures/sml"))
}

/// All recordings by name, none without the folder.
pub(crate) fn recordings() -> Vec<Stream> {
    let Some(folder) = captures() else {
        return Vec::new();
    };
    let mut recordings: Vec<Stream> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "bin"))
        .map(|path| Stream {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            bytes: std::fs::read(&path).unwrap(),
        })
        .collect();
    recordings.sort_by(|left, right| left.name.cmp(&right.name));
    assert!(!recordings.is_empty(), "DCNET_SHARED has no recordings");
    recordings
}

/// Recordings, and generated files with every deviation.
pub(crate) fn streams() -> Vec<Stream> {
    let mut streams = recordings();
    for (name, encoder) in encoders() {
        for (meter, telegram) in telegrams() {
            let mut encoder = encoder.clone();
            let files: Vec<Vec<u8>> = (0..3).map(|_| encoder.encode(&telegram).unwrap()).collect();
            // The recording begins within a file, as most do, and ends within one.
            let mut bytes = files[0][files[0].len() - 50..].to_vec();
            bytes.extend(files.concat());
            bytes.extend(&files[1][..100]);
            streams.push(Stream {
                name: format!("generated: {meter}, {name}"),
                bytes,
            });
        }
    }
    streams
}

pub(crate) fn encoders() -> Vec<(&'static str, Encoder)> {
    let standard = Encoder::new();
    vec![
        ("standard", standard.clone()),
        (
            "short integers, second 0, four padding bytes",
            standard
                .clone()
                .shortest_integers()
                .zero_value_time()
                .four_padding_bytes(),
        ),
        (
            "KERMIT, bare time, no scaler",
            standard
                .clone()
                .checksums(Checksum::Kermit, Checksum::Kermit)
                .bare_time()
                .omit_zero_scaler(),
        ),
        (
            "KERMIT for messages only",
            standard.clone().checksums(Checksum::Kermit, Checksum::X25),
        ),
        (
            "KERMIT for files only",
            standard.checksums(Checksum::X25, Checksum::Kermit),
        ),
    ]
}

pub(crate) fn telegrams() -> Vec<(&'static str, Telegram)> {
    let energy = |obis, mantissa| {
        Entry::number(obis, ScaledInteger::new(mantissa, -1), Unit::WATT_HOUR)
            .with_status(0x001c_0104)
    };
    let small = Telegram {
        server_id: b"\x0a\x01DZG\x00\x02\x80\xde\x81".to_vec(),
        sensor_time: Some(MeterTime::SecIndex(99_043_543)),
        entries: vec![
            Entry::bytes(ObisCode::MAKER, *b"DZG"),
            energy(ObisCode::ACTIVE_ENERGY_IMPORT, 54_301_577),
            Entry::number(
                ObisCode::ACTIVE_POWER,
                ScaledInteger::new(35_624, -2),
                Unit::WATT,
            ),
        ],
    };
    let mut large = Telegram {
        server_id: b"\x06EMH\x01\x02\x00\x00\x00\x01".to_vec(),
        sensor_time: Some(MeterTime::Local {
            timestamp: 1_700_000_000,
            local_offset: 60,
            season_offset: 60,
        }),
        entries: vec![
            // An id that looks like the transport's escape sequences.
            Entry::bytes(
                ObisCode::DEVICE_ID,
                [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1, 0x1b, 0x1b, 0x1b],
            ),
            energy(ObisCode::ACTIVE_ENERGY_IMPORT, i128::from(u64::MAX)).with_status(0x1b0),
            energy(ObisCode::ACTIVE_ENERGY_EXPORT, 0),
            Entry::number(
                ObisCode::ABSOLUTE_ACTIVE_POWER,
                ScaledInteger::new(-1266, -1),
                Unit::WATT,
            ),
        ],
    };
    for phase in [1, 21, 41, 61] {
        let power = ScaledInteger::new(-i128::from(phase) * 1000, 0);
        large.entries.push(
            Entry::number(ObisCode::electricity(phase, 7, 0), power, Unit::WATT)
                .with_time(MeterTime::Timestamp(1_700_000_000)),
        );
    }
    vec![("small", small), ("large", large)]
}

pub(crate) fn decode(bytes: &[u8]) -> Vec<Result<Telegram, DecodeError>> {
    Decoder::new().push(bytes)
}

pub(crate) fn readings(results: Vec<Result<Telegram, DecodeError>>) -> Vec<Telegram> {
    results.into_iter().filter_map(Result::ok).collect()
}

/// `SplitMix64`: numbers that look random and are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}
