//! What the owner reads when the profile is wrong: file, line, column, key, and what to do.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use dcnet_profiles::Profile;

const GOOD: &str = "\
meter:
  name: cellar
  source:
    sml:
      device: /dev/ttyUSB0
evaluation:
  taf: 7
  slots:
    - obis: 1.8.0
      unit: Wh
      scale: -1
    - obis: 2.8.0
      unit: Wh
      scale: -1
communication:
  provider: https://provider.example
  net: quarter-7
  provider_ca: ca.pem
  tls:
    certificate: tls.pem
    key: tls.key
  signature:
    certificate: sig.pem
    key: sig.key
  accept:
    min_size: 100
state: state
";

/// (text replaced, by what, message)
const CASES: &[(&str, &str, &str)] = &[
    (
        "  name: cellar\n",
        "  name: cellar\n  nmae: x\n",
        "p.yaml:3:3: meter: unknown field `nmae`, expected one of `name`, `device`, `source`, `sources`, `obis`; remove this key or correct its spelling",
    ),
    (
        "  name: cellar\n",
        "  name: cellar\n  name: attic\n",
        "p.yaml:2:3: meter: duplicate field `name`; remove one of the two",
    ),
    (
        "      device: /dev/ttyUSB0\n",
        "      baud: 9600\n",
        "p.yaml:5:7: meter.source.sml: missing field `device`; add this key, the samples in the catalogue show each one",
    ),
    (
        "state: state\n",
        "",
        "p.yaml:1:1: missing field `state`; add this key, the samples in the catalogue show each one",
    ),
    (
        "/dev/ttyUSB0\n",
        "/dev/ttyUSB0\n      baud: fast\n",
        "p.yaml:6:13: meter.source.sml.baud: invalid type: string \"fast\", expected a whole number from 300 to 921600; correct the value",
    ),
    (
        "/dev/ttyUSB0\n",
        "/dev/ttyUSB0\n      data_bits: 9\n",
        "p.yaml:6:18: meter.source.sml.data_bits: invalid value: integer `9`, expected a whole number from 7 to 8; correct the value",
    ),
    (
        "/dev/ttyUSB0\n",
        "/dev/ttyUSB0\n      parity: mark\n",
        "p.yaml:6:15: meter.source.sml.parity: unknown variant `mark`, expected one of `none`, `even`, `odd`",
    ),
    (
        "obis: 1.8.0",
        "obis: 1.8",
        "p.yaml:9:13: evaluation.slots[0].obis: ",
    ),
    (
        "obis: 2.8.0",
        "obis: 1.8.0",
        "p.yaml:12:13: evaluation.slots[1].obis: 1-0:1.8.0*255 stands twice; a code has one slot, remove one",
    ),
    (
        "unit: Wh",
        "unit: kWh",
        "p.yaml:10:13: evaluation.slots[0].unit: ",
    ),
    (
        "scale: -1",
        "scale: 0.1",
        "p.yaml:11:14: evaluation.slots[0].scale: invalid type: floating point `0.1`, expected a power of ten from -9 to 9 (-1 counts tenths, 3 thousands of the unit); correct the value",
    ),
    (
        "taf: 7",
        "taf: 15",
        "p.yaml:7:8: evaluation.taf: invalid value: integer `15`, expected 7 (a series of readings), the only use case evaluated for a net; correct the value",
    ),
    (
        "https://",
        "http://",
        "p.yaml:16:13: communication.provider: \"http://provider.example\" does not begin with https://; readings go over HTTPS only",
    ),
    (
        "net: quarter-7",
        "net: quarter 7",
        "p.yaml:17:8: communication.net: character 8 of the name is not allowed: use letters, digits, '.', '_' and '-', beginning with a letter or digit",
    ),
    (
        "net: quarter-7\n",
        "net: quarter-7\n  descriptor: 00ff\n",
        "p.yaml:18:15: communication.descriptor: has 2 bytes, 32 are needed",
    ),
    (
        "min_size: 100",
        "min_size: 3",
        "p.yaml:26:15: communication.accept.min_size: invalid value: integer `3`, expected a whole number from 4 to 4294967295; correct the value",
    ),
    (
        "min_size: 100",
        "allow_resend: 1",
        "p.yaml:26:19: communication.accept.allow_resend: invalid type: integer `1`, expected a boolean; correct the value",
    ),
    (
        "    min_size: 100\n",
        "    cosignatures: 1\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: 1 cosignatures are demanded of 0 witnesses",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n      - name: w-2\n        key: \"026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n    cosignatures: 3\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: 3 cosignatures are demanded of 2 witnesses",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n      - name: w-1\n        key: \"026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: the witness w-1 is listed twice",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n      - name: w-2\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n",
        "p.yaml:16:3: communication: accept.witnesses, accept.cosignatures: the witnesses w-1 and w-2 have the same key",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w 1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n",
        "p.yaml:27:15: communication.accept.witnesses[0].name: character 2 of the name is not allowed: use letters, digits, '.', '_' and '-', beginning with a letter or digit",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"000000000000000000000000000000000000000000000000000000000000000000\"\n",
        "p.yaml:28:14: communication.accept.witnesses[0].key: this is no public key on the curve P-256",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"04\"\n",
        "p.yaml:28:14: communication.accept.witnesses[0].key: has 1 bytes, 33 are needed",
    ),
    (
        "    min_size: 100\n",
        "    witnesses:\n      - name: w-1\n        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"\n        url: x\n",
        "p.yaml:29:9: communication.accept.witnesses[0]: unknown field `url`, expected `name` or `key`; remove this key or correct its spelling",
    ),
    (
        "    min_size: 100\n",
        "    cosignatures: 33\n",
        "p.yaml:26:19: communication.accept.cosignatures: invalid value: integer `33`, expected a whole number from 0 to 32; correct the value",
    ),
    (
        "key: tls.key",
        "key: ''",
        "p.yaml:21:10: communication.tls.key: is empty; give a path",
    ),
    (
        "  name: cellar",
        "\tname: cellar",
        "p.yaml:2:1: found character that cannot start any token, while scanning for the next token",
    ),
];

#[test]
fn the_sound_profile_is_read() {
    Profile::parse(GOOD, Path::new("p.yaml")).unwrap();
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let mut wrong = Vec::new();
    for (from, to, expected) in CASES {
        assert!(GOOD.contains(from), "{from:?}");
        let text = GOOD.replacen(from, to, 1);
        match Profile::parse(&text, Path::new("p.yaml")) {
            Ok(_) => wrong.push(format!("{to:?} was accepted")),
            Err(error) => {
                let message = error.to_string();
                // Messages of other crates end where ours end.
                let fits = message == *expected
                    || (expected.ends_with(": ")
                        && message.len() > expected.len() + 10
                        && message.starts_with(expected));
                if !fits {
                    wrong.push(format!("expected {expected}\n     got {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn witnesses_are_read_and_none_is_the_default() {
    let good = Profile::parse(GOOD, Path::new("p.yaml")).unwrap();
    assert_eq!(good.communication.accept.witnesses.needed(), 0);
    let keys = "    witnesses:
      - name: w-1
        key: \"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"
      - name: w-2
        key: \"026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\"
    cosignatures: 2
";
    let text = GOOD.replacen("    min_size: 100\n", keys, 1);
    let profile = Profile::parse(&text, Path::new("p.yaml")).unwrap();
    let accept = profile.communication.accept;
    assert_eq!((accept.min_size, accept.allow_resend), (100, false));
    assert_eq!(accept.witnesses.needed(), 2);
    let names = accept.witnesses.witnesses().iter();
    let names: Vec<&str> = names.map(|witness| witness.name.as_str()).collect();
    assert_eq!(names, ["w-1", "w-2"]);
}

#[test]
fn no_slot_is_no_profile() {
    let (head, rest) = GOOD.split_once("  slots:\n").unwrap();
    let (_, tail) = rest.split_once("communication:").unwrap();
    let text = format!("{head}  slots: []\ncommunication:{tail}");
    let error = Profile::parse(&text, Path::new("p.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "p.yaml:8:10: evaluation.slots: has 0 entries; a net has 1 to 32 slots, list each of them"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = Profile::load(Path::new("/nonexistent/p.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/p.yaml: cannot be read: No such file or directory (os error 2); give the \
         path of a profile (YAML)"
    );
}

#[test]
fn no_byte_of_a_profile_can_make_the_reader_panic() {
    for position in 0..GOOD.len() {
        for byte in [
            b' ', b':', b'-', b'[', b'{', b'&', b'*', b'!', b'\n', b'\t', b'"', 0,
        ] {
            let mut bytes = GOOD.as_bytes().to_vec();
            *bytes.get_mut(position).unwrap() = byte;
            let text = String::from_utf8(bytes).unwrap();
            let _ = Profile::parse(&text, Path::new("p.yaml"));
        }
    }
}
