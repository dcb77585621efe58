//! What a witness's folder is not trusted with.

use super::*;
use dcnet_protocol::descriptor::{CorrectionMode, NetParameters, SlotSpec};
use dcnet_protocol::membership::checkpoint::Checkpoint;
use dcnet_protocol::membership::log::Log;
use dcnet_protocol::signature::Signed;

fn key(scalar: u8) -> SigningKey {
    SigningKey::from_scalar(&[scalar; 32]).unwrap()
}

fn descriptor(net: &str) -> NetDescriptor {
    NetDescriptor::new(NetParameters {
        version: 1,
        net: net.parse().unwrap(),
        region: b"Neustadt".to_vec(),
        interval_s: 900,
        submit_window_s: 60,
        correction_window_s: 60,
        slots: vec![SlotSpec {
            obis: [1, 0, 1, 8, 0, 255],
            unit: 30,
            scale: -1,
        }],
        min_size: 4,
        out_degree: 3,
        threshold: 2,
        max_loss_permille: 0,
        correction_mode: CorrectionMode::Resend,
        epoch_length: 1,
        provider_key: key(3).verifying_key().to_sec1(),
        ca_fingerprint: [9; 32],
    })
    .unwrap()
}

fn checkpoint(net: &str, scalar: u8) -> Signed<Checkpoint> {
    let net = descriptor(net);
    Log::new(net.net(), net.hash()).head(&key(scalar))
}

/// What a file that holds the checkpoint as the last one holds.
fn last(checkpoint: &Signed<Checkpoint>) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend(checkpoint.encode());
    bytes
}

#[test]
fn nothing_is_followed_by_what_cannot_be_trusted() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::create(&place.path().join("w"), "w-1".parse().unwrap()).unwrap();
    let net = descriptor("elbe-4");
    let file = place.path().join("elbe-4.bin");
    fs::write(&file, net.encode()).unwrap();
    assert!(folder.load(net.hash()).unwrap().is_none());
    assert_eq!(folder.nets().unwrap(), []);

    // An attempt to add it that did not end.
    let log = folder.net_folder(net.hash()).join(LOG);
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, b"half").unwrap();
    assert_eq!(folder.nets().unwrap(), []);
    folder.add(&file).unwrap();
    assert_eq!(folder.nets().unwrap(), [net.hash()]);
    let known = folder.load(net.hash()).unwrap().unwrap();
    assert_eq!(known.follower(), &LogFollower::new());

    // As it is written.
    fs::write(&log, last(&checkpoint("elbe-4", 3))).unwrap();
    let known = folder.load(net.hash()).unwrap().unwrap();
    assert_eq!(known.follower().last(), Some(&checkpoint("elbe-4", 3)));
    folder.store(net.hash(), known.follower()).unwrap();
    assert_eq!(fs::read(&log).unwrap(), last(&checkpoint("elbe-4", 3)));

    for damaged in [
        Vec::new(),
        b"half".to_vec(),
        last(&checkpoint("elbe-5", 3)),
        last(&checkpoint("elbe-4", 4)),
    ] {
        fs::write(&log, damaged).unwrap();
        let error = folder.load(net.hash()).unwrap_err();
        assert!(matches!(error, FolderError::Log { .. }), "{error}");
    }
    fs::remove_file(&log).unwrap();
    let error = folder.load(net.hash()).unwrap_err();
    assert!(matches!(error, FolderError::Log { .. }), "{error}");

    let path = folder.net_folder(net.hash()).join(DESCRIPTOR);
    fs::write(path, descriptor("elbe-5").encode()).unwrap();
    let error = folder.load(net.hash()).unwrap_err();
    assert!(matches!(error, FolderError::OtherDescriptor(_)), "{error}");
}
