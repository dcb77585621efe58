//! TLS towards targets, and where a secret may be sent without it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::SinkError;

/// Trusts the roots in this PEM file and nothing else; without a file nobody.
pub(super) fn under(roots: Option<&Path>) -> Result<ClientConfig, SinkError> {
    let mut trusted = RootCertStore::empty();
    if let Some(path) = roots {
        let unusable = |reason: String| SinkError::Roots {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
        for root in CertificateDer::pem_reader_iter(BufReader::new(file)) {
            let root = root.map_err(|error| unusable(error.to_string()))?;
            trusted
                .add(root)
                .map_err(|error| unusable(error.to_string()))?;
        }
        if trusted.is_empty() {
            return Err(unusable("there is no certificate in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SinkError::Client(error.to_string()))?;
    Ok(tls.with_root_certificates(trusted).with_no_client_auth())
}

/// Whether what is sent to this host never leaves the machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
