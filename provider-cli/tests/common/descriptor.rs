//! Descriptors of nets whose rounds a test writes into the store itself: nobody serves them.

use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::signature::SigningKey;

/// The provider's key of such nets.
pub fn key() -> SigningKey {
    SigningKey::from_scalar(&[7; 32]).unwrap()
}

/// A net of quarter-hours with energy drawn and power. It has no authority that certifies gateways.
pub fn descriptor(net: &str, mode: CorrectionMode) -> NetDescriptor {
    let slot = |code: u8, unit, scale| SlotSpec {
        obis: [1, 0, code, 8 - (code / 16), 0, 255],
        unit,
        scale,
    };
    NetDescriptor::new(NetParameters {
        version: 1,
        net: net.parse().unwrap(),
        region: b"Neustadt, \"S\xc3\xbcd\" = 1".to_vec(),
        interval_s: 900,
        submit_window_s: 60,
        correction_window_s: 60,
        slots: vec![slot(1, 30, -1), slot(16, 27, 2)],
        min_size: 4,
        out_degree: 3,
        threshold: 2,
        max_loss_permille: 50,
        correction_mode: mode,
        epoch_length: 1,
        provider_key: key().verifying_key().to_sec1(),
        ca_fingerprint: [0; 32],
    })
    .unwrap()
}
