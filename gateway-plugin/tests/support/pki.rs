//! Certificates for the gateways of a test and for its provider, and a profile that names them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use dcnet_protocol::certificate::{GATEWAY_URN, STATEMENT_SIGNING_OID, TrustAnchor};
use dcnet_protocol::signature::SigningKey;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SanType,
};

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: Certificate,
}

pub struct Issued {
    pub certificate: Certificate,
    pub key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let key = new_key();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    pub fn anchor(&self) -> TrustAnchor {
        TrustAnchor::from_der(self.certificate.der()).unwrap()
    }

    /// For statements.
    pub fn statement(&self, client: &str) -> Issued {
        let usage = ExtendedKeyUsagePurpose::Other(STATEMENT_SIGNING_OID.to_vec());
        self.gateway(client, usage)
    }

    /// For TLS.
    pub fn tls(&self, client: &str) -> Issued {
        self.gateway(client, ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub fn gateway(&self, client: &str, usage: ExtendedKeyUsagePurpose) -> Issued {
        let mut params = CertificateParams::default();
        let name = format!("{GATEWAY_URN}{client}");
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        params.extended_key_usages = vec![usage];
        self.sign(&params)
    }

    pub fn sign(&self, params: &CertificateParams) -> Issued {
        let key = new_key();
        Issued {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key,
        }
    }

    pub fn server(&self) -> Issued {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }
}

pub fn new_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

pub fn signing_key(key: &KeyPair) -> SigningKey {
    SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap()
}

/// A folder with everything that one gateway needs.
pub struct Household {
    pub folder: tempfile::TempDir,
}

impl Household {
    /// Certificates for `client` and a profile for the net `net` at `provider`.
    pub fn new(
        gateways: &Authority,
        providers: &Authority,
        client: &str,
        provider: SocketAddr,
        device: &Path,
    ) -> Self {
        let household = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let (tls, sig) = (gateways.tls(client), gateways.statement(client));
        household.write("provider-ca.pem", &providers.certificate.pem(), 0o644);
        household.write("gateway-ca.pem", &gateways.certificate.pem(), 0o644);
        household.write("tls.pem", &tls.certificate.pem(), 0o644);
        household.write("tls.key", &tls.key.serialize_pem(), 0o600);
        household.write("sig.pem", &sig.certificate.pem(), 0o644);
        household.write("sig.key", &sig.key.serialize_pem(), 0o600);
        household.write("gateway.yaml", &profile(provider, device), 0o644);
        household
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn profile(&self) -> PathBuf {
        self.path("gateway.yaml")
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        use std::io::Write as _;
        let path = self.path(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Replaces `from` in the profile.
    pub fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.profile()).unwrap();
        assert!(text.contains(from), "{from}");
        self.write("gateway.yaml", &text.replace(from, to), 0o644);
    }
}

fn profile(provider: SocketAddr, device: &Path) -> String {
    format!(
        "\
meter:
  name: test
  source:
    sml:
      device: {device}
      silence: 2
evaluation:
  taf: 7
  tolerance: 2
  slots:
    - {{ obis: 1.8.0, unit: Wh, scale: -1 }}
    - {{ obis: 16.7.0, unit: W, scale: 0 }}
communication:
  provider: https://{provider}
  net: bench
  provider_ca: provider-ca.pem
  gateway_ca: gateway-ca.pem
  tls: {{ certificate: tls.pem, key: tls.key }}
  signature: {{ certificate: sig.pem, key: sig.key }}
  accept: {{ min_size: 4, allow_resend: true }}
state: state
",
        device = device.display()
    )
}
