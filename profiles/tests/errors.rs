//! What the owner reads when the profile is wrong: file, line, column, key, and what to do.
#![allow(clippy::unwrap_used, reason = "a test")]

mod bad;

use std::path::Path;

use bad::{CASES, GOOD, TARIFF, TARIFF_CASES};
use dcnet_profiles::Profile;

#[test]
fn the_sound_profile_is_read() {
    Profile::parse(GOOD, Path::new("p.yaml")).unwrap();
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    wrong_as_expected(GOOD, CASES);
}

fn wrong_as_expected(good: &str, cases: &[(&str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from:?}");
        let text = good.replacen(from, to, 1);
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
fn errors_in_tariffs_name_the_place_and_the_remedy() {
    let good = GOOD.replacen("communication:", TARIFF, 1);
    Profile::parse(&good, Path::new("p.yaml")).unwrap();
    wrong_as_expected(&good, TARIFF_CASES);
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
