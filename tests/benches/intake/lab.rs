//! A provider and gateways of many nets, whose round takes frames for as long as the measurement needs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::provider::{EpochMember, EpochRecord, MemberRecord, RoundStatus};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::SigningKey;
use dcnet_provider::Location;
use dcnet_provider::bench::{Ending, Seed, finish};
use dcnet_provider::pki::{Authority, GatewayFiles, ProviderFiles, create_provider};
use dcnet_provider::server::{Limits, Options};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use crate::stores::Store;

/// Neighbours in the ring-like key graph; intake does not depend on their number.
const REACH: usize = 2;

pub(crate) struct Gateway {
    pub(crate) id: ClientId,
    pub(crate) files: GatewayFiles,
}

/// A provider and its gateways before anything runs.
pub(crate) struct Lab {
    pub(crate) store: Location,
    ca: PathBuf,
    pub(crate) provider: ProviderFiles,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) nets: Vec<NetDescriptor>,
    authority: Vec<u8>,
    pub(crate) round: Round,
}

impl Lab {
    pub(crate) fn new(folder: &Path, store: &Store, nets: usize, gateways: usize) -> Self {
        let provider =
            create_provider(&folder.join("provider"), &["localhost".to_owned()], 2).unwrap();
        let authority = Authority::create(&folder.join("ca")).unwrap();
        let ca = authority.certificate_path();
        let gateways = (0..gateways)
            .map(|index| {
                let id: ClientId = format!("gw-{index:05}").parse().unwrap();
                let files = authority.issue(&id, &folder.join(id.as_str()), 2).unwrap();
                Gateway { id, files }
            })
            .collect();
        let authority = CertificateDer::from_pem_file(&ca).unwrap().to_vec();
        let key = signing_key(&provider.signing_key);
        let (interval, round) = open_round();
        let nets = (0..nets)
            .map(|index| {
                let parameters = parameters(index, interval, &key, &authority);
                NetDescriptor::new(parameters).unwrap()
            })
            .collect();
        let Ok(store) = store.location().parse();
        Self {
            store,
            ca,
            provider,
            gateways,
            nets,
            authority,
            round,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            store: self.store.clone(),
            replica: None,
            listen: "127.0.0.1:0".parse().unwrap(),
            tls_certificate: self.provider.tls_certificate.clone(),
            tls_key: self.provider.tls_key.clone(),
            gateway_crl: None,
            operator_ca: None,
            operator_crl: None,
            gateway_ca: self.ca.clone(),
            signing_key: self.provider.signing_key.clone(),
            dashboard: None,
            evidence_dir: None,
            witnesses: Vec::new(),
            metrics: None,
            otlp: None,
            limits: Limits {
                idle_seconds: 600,
                ..Limits::default()
            },
        }
    }

    pub(crate) fn seeds(&self) -> Vec<Seed> {
        let ids: Vec<ClientId> = self.gateways.iter().map(|gateway| gateway.id).collect();
        // Key packages play no part in the intake of frames: one per gateway serves all nets.
        let records: Vec<MemberRecord> = self
            .gateways
            .iter()
            .map(|gateway| self.member(gateway))
            .collect();
        let end = |client| EdgeEnd {
            client,
            agreement: Agreement::from_bytes([7; 32]),
        };
        let members: Vec<EpochMember> = records
            .iter()
            .enumerate()
            .map(|(index, record)| {
                let around = (1..=REACH).flat_map(|step| {
                    [
                        ids[(index + step) % ids.len()],
                        ids[(index + ids.len() - step) % ids.len()],
                    ]
                });
                EpochMember {
                    client: record.client,
                    package: record.package_hash(),
                    neighbours: around.map(end).collect(),
                    holders: ClientSet::default(),
                }
            })
            .collect();
        self.nets
            .iter()
            .map(|descriptor| Seed {
                descriptor: descriptor.clone(),
                authority: self.authority.clone(),
                members: records.clone(),
                epoch: EpochRecord::new(Epoch::new(1), self.round, members.clone()),
                outcomes: Vec::new(),
            })
            .collect()
    }

    /// Ends the round of every net with a sum that everybody is in. No server may run.
    pub(crate) async fn end_rounds(&self) {
        let ending = Ending {
            round: self.round.number(),
            status: RoundStatus::Complete,
            sums: Some(vec![1, 2, 3]),
            contributors: self.gateways.iter().map(|gateway| gateway.id).collect(),
            missing: Vec::new(),
        };
        for net in &self.nets {
            finish(&self.store, net, std::slice::from_ref(&ending))
                .await
                .unwrap();
        }
    }

    fn member(&self, gateway: &Gateway) -> MemberRecord {
        let key = signing_key(&gateway.files.sig_key);
        let chain = [
            CertificateDer::from_pem_file(&gateway.files.sig_certificate)
                .unwrap()
                .to_vec(),
        ];
        let package = KeyPackage {
            net: self.nets[0].net(),
            descriptor: self.nets[0].hash(),
            client: gateway.id,
            serial: 1,
            public_key: [9; 32],
        };
        MemberRecord {
            client: gateway.id,
            status: MemberStatus::Active,
            package: SignedKeyPackage::sign(package, &chain, &key),
            statement_key: key.verifying_key().to_sec1(),
            neighbourhood: None,
            exit: None,
            exit_round: Round::default(),
        }
    }
}

fn signing_key(path: &Path) -> SigningKey {
    SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// An interval and its round such that the round takes frames for the next minutes and does not
/// become final meanwhile.
fn open_round() -> (u32, Round) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    (7200..10_000)
        .find_map(|interval: u32| {
            let (long, half) = (u64::from(interval), u64::from(interval / 2));
            let round = now / long;
            let (opens, border) = ((round + 1) * long - half, (round + 1) * long);
            (opens + 60 < now && now + 900 < border).then_some((interval, Round::new(round)))
        })
        .expect("one of many intervals fits")
}

fn parameters(index: usize, interval: u32, key: &SigningKey, authority: &[u8]) -> NetParameters {
    let slot = |c, unit, scale| SlotSpec {
        obis: [1, 0, c, 8, 0, 255],
        unit,
        scale,
    };
    NetParameters {
        version: 1,
        net: format!("net-{index:05}").parse::<NetId>().unwrap(),
        region: Vec::new(),
        interval_s: interval,
        submit_window_s: interval / 2,
        correction_window_s: 0,
        slots: vec![slot(1, 30, -1), slot(2, 30, -1), slot(16, 27, 0)],
        min_size: 4,
        out_degree: 4,
        threshold: 3,
        max_loss_permille: 50,
        correction_mode: CorrectionMode::Resend,
        epoch_length: 1,
        provider_key: key.verifying_key().to_sec1(),
        ca_fingerprint: Sha256::digest(authority).into(),
    }
}
