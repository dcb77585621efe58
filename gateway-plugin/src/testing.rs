//! Helpers of the unit tests.

use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::signature::SigningKey;

/// A net of three slots; lengths in seconds.
pub(crate) fn descriptor(interval_s: u32, submit_s: u32, correction_s: u32) -> NetDescriptor {
    let provider = SigningKey::from_scalar(&[7; 32]).unwrap();
    NetDescriptor::new(NetParameters {
        version: 1,
        net: "quarter-7".parse().unwrap(),
        region: b"test".to_vec(),
        interval_s,
        submit_window_s: submit_s,
        correction_window_s: correction_s,
        slots: vec![
            SlotSpec {
                obis: [1, 0, 1, 8, 0, 255],
                unit: 30,
                scale: -1,
            },
            SlotSpec {
                obis: [1, 0, 2, 8, 0, 255],
                unit: 30,
                scale: -1,
            },
            SlotSpec {
                obis: [1, 0, 16, 7, 0, 255],
                unit: 27,
                scale: 0,
            },
        ],
        min_size: 4,
        out_degree: 3,
        threshold: 2,
        max_loss_permille: 200,
        correction_mode: CorrectionMode::Resend,
        epoch_length: 1,
        provider_key: provider.verifying_key().to_sec1(),
        ca_fingerprint: [9; 32],
    })
    .unwrap()
}
