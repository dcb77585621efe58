//! A certification authority and certificates for statements.

use dcnet_protocol::certificate::{GATEWAY_URN, STATEMENT_SIGNING_OID, TrustAnchor};
use dcnet_protocol::signature::SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    pub(crate) fn anchor(&self) -> TrustAnchor {
        TrustAnchor::from_der(&self.der).unwrap()
    }

    pub(crate) fn issue(&self, client: &str) -> (SigningKey, Vec<Vec<u8>>) {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        let name = format!("{GATEWAY_URN}{client}");
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(
            STATEMENT_SIGNING_OID.to_vec(),
        )];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (
            SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap(),
            vec![certificate.der().to_vec()],
        )
    }
}

pub(crate) fn new_key() -> SigningKey {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    SigningKey::from_pkcs8_der(&key.serialize_der()).unwrap()
}
