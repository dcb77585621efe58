//! Faults of the store that no real file shows on demand.

use super::*;
use crate::monitoring::Metrics;
use crate::pki::{Authority, create_provider};
use crate::service::committer;
use crate::store::testing::on_both;
use crate::store::{Location, NetRow};
use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{KeyPackage, SignedKeyPackage};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::SigningKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::path::Path;

fn key(path: &Path) -> SigningKey {
    SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn parameters(key: &SigningKey, anchor: &TrustAnchor) -> NetParameters {
    NetParameters {
        version: 1,
        net: "elbe-4".parse().unwrap(),
        region: Vec::new(),
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
        max_loss_permille: 50,
        correction_mode: CorrectionMode::Resend,
        epoch_length: 1,
        provider_key: key.verifying_key().to_sec1(),
        ca_fingerprint: anchor.fingerprint(),
    }
}

fn register(client: ClientId, setup: &Setup, chain: &[Vec<u8>], key: &SigningKey) -> Vec<u8> {
    let descriptor = &setup.descriptor;
    let package = KeyPackage {
        net: descriptor.net(),
        descriptor: descriptor.hash(),
        client,
        serial: 1,
        public_key: [3; 32],
    };
    let package = Box::new(SignedKeyPackage::sign(package, chain, key));
    let header = FrameHeader {
        net: descriptor.net(),
        descriptor: descriptor.hash(),
        client,
        transmission: false,
        epoch: Epoch::new(0),
        round: Round::new(0),
    };
    Frame::control(
        header,
        FrameBody::Register {
            package,
            emergency: false,
        },
    )
    .unwrap()
    .encode()
}

/// A net that runs, whose first `lies` batches reach the disk and are reported as failed; a gateway,
/// and its notification 1.
struct Running {
    _folder: tempfile::TempDir,
    store: Store,
    net: Arc<Net>,
    client: ClientId,
    frame: Vec<u8>,
}

async fn running(store: &Location, lies: u32) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(&folder.path().join("ca")).unwrap();
    let names = ["localhost".to_owned()];
    let provider = create_provider(&folder.path().join("provider"), &names, 2).unwrap();
    let client: ClientId = "gw-1".parse().unwrap();
    let files = authority
        .issue(&client, &folder.path().join("gw-1"), 2)
        .unwrap();
    let der = |path: &Path| CertificateDer::from_pem_file(path).unwrap().to_vec();
    let ca = der(&authority.certificate_path());
    let anchor = TrustAnchor::from_der(&ca).unwrap();
    let signing = key(&provider.signing_key);
    let descriptor = NetDescriptor::new(parameters(&signing, &anchor)).unwrap();
    let setup = Setup {
        descriptor,
        key: signing,
        anchor,
    };
    let frame = register(
        client,
        &setup,
        &[der(&files.sig_certificate)],
        &key(&files.sig_key),
    );

    let store = Store::create_or_open(store).await.unwrap();
    let mut writer = store.writer().await.unwrap();
    let bytes = setup.descriptor.encode();
    let row = NetRow {
        net: setup.descriptor.net(),
        descriptor: bytes.clone(),
        authority: ca,
        created: 0,
    };
    writer.insert_net(&row, None).await.unwrap();
    let committer = committer::start_lying(writer, lies);
    let watch = Metrics::new(1).nets.watch(&setup.descriptor);
    let net = Arc::new(Net::new(
        setup,
        bytes.into(),
        store.clone(),
        committer,
        None,
        watch,
    ));
    let incarnation = net.restore().await.unwrap();
    tokio::spawn(Arc::clone(&net).run(incarnation));
    Running {
        _folder: folder,
        store,
        net,
        client,
        frame,
    }
}

#[tokio::test]
async fn receipts_given_at_one_time_share_signatures() {
    let folder = tempfile::tempdir().unwrap();
    let running = running(&folder.path().join("store").into(), 0).await;
    let (net, client) = (&running.net, running.client);
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let (net, frame) = (Arc::clone(net), running.frame.clone());
            tokio::spawn(async move { net.frame(client, frame).await.unwrap() })
        })
        .collect();
    let mut receipts = Vec::new();
    for request in requests {
        receipts.push(request.await.unwrap());
    }
    let first = receipts[0].verify(&net.setup.descriptor).unwrap();
    // Behind the receipt: what is signed.
    let (begin, batch) = (first.encode().len(), 7 + 32 + 4 + 32);
    let mut batches: Vec<Vec<u8>> = Vec::new();
    for receipt in &receipts {
        assert_eq!(receipt.verify(&net.setup.descriptor), Ok(first));
        batches.push(receipt.encode()[begin..begin + batch].to_vec());
    }
    batches.dedup();
    assert!(batches.len() < 10, "{} signatures", batches.len());
}

on_both!(
    a_commit_that_failed_and_reached_the_disk_all_the_same_does_no_harm,
    "net_commit"
);
async fn a_commit_that_failed_and_reached_the_disk_all_the_same_does_no_harm(location: Location) {
    let Running {
        store,
        net,
        client,
        frame,
        _folder,
    } = running(&location, 1).await;
    // Two at once: the second rests on what the first left in the machine.
    let (one, two) = tokio::join!(
        net.frame(client, frame.clone()),
        net.frame(client, frame.clone())
    );
    assert_eq!(one, Err(ServiceError::StoreUnavailable));
    assert_eq!(two, Err(ServiceError::StoreUnavailable));
    assert_eq!(
        store.members(net.id).await.unwrap().len(),
        1,
        "it is on disk all the same"
    );
    let receipt = net.frame(client, frame.clone()).await.unwrap();
    let receipt = receipt.verify(&net.setup.descriptor).unwrap();
    assert_eq!(receipt.client, client);
    assert_eq!(store.members(net.id).await.unwrap().len(), 1);
    assert!(net.package(client).await.unwrap().is_some());
}
