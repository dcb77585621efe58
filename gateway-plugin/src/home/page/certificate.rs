//! The page's own certificate: made once, kept in the state directory, made anew before it expires.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dcnet_profiles::home::HomePage;
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::round::UnixTime;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime as PkiTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::access::host;
use crate::clock::is_set;
use crate::config::{PageTlsError, server_config};
use crate::daemon::status::replace;

/// Names of the files in the state directory.
const CERTIFICATE: &str = "page.pem";
const KEY: &str = "page.key";

const DAY: u64 = 24 * 3600;
/// For so long a certificate is valid. Apple's browsers take none that is valid for more than 825
/// days, even if its owner trusts it; those of public authorities have to be shorter still.
const VALID: u64 = 800 * DAY;
/// It begins to be valid so long before it is made: clocks of browsers differ.
const EARLY: u64 = DAY;
/// With less than this left, another one is made.
const LEFT: u64 = 30 * DAY;

/// A certificate of its own making, ready for use.
pub(super) struct Own {
    pub(super) config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it.
    pub(super) fingerprint: String,
    /// Whether it was made just now.
    pub(super) is_new: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnError {
    #[error("no certificate could be made for {names:?}: {source}; look at home.page.names")]
    Make {
        names: BTreeSet<String>,
        source: rcgen::Error,
    },
    #[error("{}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Tls(#[from] PageTlsError),
}

/// The names by which the page may be asked for, as far as they are known: the address it is shown at,
/// those of the profile, this machine's.
pub(super) fn names(page: &HomePage) -> BTreeSet<String> {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_str().unwrap_or_default();
    let listen = page.listen.ip();
    let listen = (!listen.is_unspecified()).then(|| listen.to_string());
    let local = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let local = local.iter().map(IpAddr::to_string);
    let names = page.names.iter().map(String::as_str);
    names
        .chain([machine, "localhost"])
        .filter_map(host)
        .chain(local)
        .chain(listen)
        // What is no name in the sense of certificates stays out; the browser says so then.
        .filter(|name| ServerName::try_from(name.as_str()).is_ok())
        .collect()
}

/// What is kept in `directory`, or another one if that does not have exactly these `names` or will
/// expire soon.
///
/// # Errors
///
/// It cannot be made or written.
pub(super) fn own(
    directory: &Path,
    names: &BTreeSet<String>,
    clients: &[CertificateDer<'static>],
    now: UnixTime,
) -> Result<Own, OwnError> {
    let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
    if let (Ok(kept), Ok(kept_key)) = (
        CertificateDer::from_pem_file(&certificate),
        PrivateKeyDer::from_pem_file(&key),
    ) && serves(&kept, names, now)
    {
        let fingerprint = fingerprint(&kept);
        match server_config(vec![kept], kept_key, clients) {
            Ok(config) => {
                return Ok(Own {
                    config: Arc::new(config),
                    fingerprint,
                    is_new: false,
                });
            }
            // A loss of power came between the two files.
            Err(PageTlsError::Mismatch) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (made, made_key) = make(names, now).map_err(|source| OwnError::Make {
        names: names.clone(),
        source,
    })?;
    for (path, text, mode) in [
        (key, made_key.serialize_pem(), 0o600),
        (certificate, made.pem(), 0o644),
    ] {
        replace(&path, text.as_bytes(), mode).map_err(|source| OwnError::Write { path, source })?;
    }
    let der = made.der().clone();
    let fingerprint = fingerprint(&der);
    let made_key = PrivateKeyDer::Pkcs8(made_key.serialize_der().into());
    Ok(Own {
        config: Arc::new(server_config(vec![der], made_key, clients)?),
        fingerprint,
        is_new: true,
    })
}

fn make(
    names: &BTreeSet<String>,
    now: UnixTime,
) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    let subject = "dcnet-gateway, made by itself";
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = now.millis() / 1000;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(EARLY));
    params.not_after = epoch + Duration::from_secs(now + VALID);
    Ok((params.self_signed(&key)?, key))
}

/// Whether a browser that trusts this certificate would take it for all of `names`, now and for some
/// time to come, and for no others.
fn serves(der: &CertificateDer<'_>, names: &BTreeSet<String>, now: UnixTime) -> bool {
    let (Ok(certificate), Ok(anchor)) =
        (EndEntityCert::try_from(der), anchor_from_trusted_cert(der))
    else {
        return false;
    };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms.all;
    let is_valid_after = |seconds: u64| {
        let then = Duration::from_millis(now.millis()) + Duration::from_secs(seconds);
        let then = PkiTime::since_unix_epoch(then);
        let usage = KeyUsage::server_auth();
        certificate
            .verify_for_usage(
                algorithms,
                std::slice::from_ref(&anchor),
                &[],
                then,
                usage,
                None,
                None,
            )
            .is_ok()
    };
    let is_named = |name: &String| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    };
    // After a start without a battery for the clock everything is of the future: whoever trusts the
    // certificate is not to be asked again for that.
    (!is_set(now) || (is_valid_after(0) && is_valid_after(LEFT)))
        && names.iter().all(is_named)
        && certificate
            .valid_dns_names()
            .all(|name| names.contains(name))
}

fn fingerprint(der: &CertificateDer<'_>) -> String {
    let mut text = String::new();
    for byte in frame_hash(der) {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}"); // writing to a string cannot fail
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn a_certificate_stays_until_it_expires_or_its_names_change() {
        let folder = tempfile::tempdir().unwrap();
        let names = of(&["localhost", "127.0.0.1", "gateway.lan"]);
        let at = |names: &BTreeSet<String>, days: u64| {
            own(
                folder.path(),
                names,
                &[],
                NOW.plus_millis(days * DAY * 1000),
            )
            .unwrap()
        };
        let first = at(&names, 0);
        assert!(first.is_new);
        for days in [0, 1, 769] {
            let again = at(&names, days);
            assert!(!again.is_new, "{days}");
            assert_eq!(again.fingerprint, first.fingerprint);
        }
        let unset = own(folder.path(), &names, &[], UnixTime::from_secs(0)).unwrap();
        assert_eq!(unset.fingerprint, first.fingerprint, "1970 is no reason");
        let renewed = at(&names, 771);
        assert!(renewed.is_new);
        assert_ne!(renewed.fingerprint, first.fingerprint);
        for changed in [
            of(&["localhost", "127.0.0.1", "gateway.lan", "192.168.1.9"]),
            of(&["localhost", "127.0.0.1", "192.168.1.9"]),
        ] {
            assert!(at(&changed, 771).is_new, "{changed:?}");
            assert!(!at(&changed, 771).is_new, "{changed:?}");
        }
        let mode = folder.path().join(KEY).metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_loss_of_power_left_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let names = of(&["localhost"]);
        let made = || own(folder.path(), &names, &[], NOW).unwrap();
        made();
        let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        for left in [other.serialize_pem(), String::new()] {
            std::fs::write(folder.path().join(KEY), left).unwrap();
            assert!(made().is_new);
            assert!(!made().is_new);
        }
        std::fs::write(folder.path().join(CERTIFICATE), "").unwrap();
        assert!(made().is_new);
    }

    #[test]
    fn names_that_no_certificate_can_have_stay_out() {
        let page = HomePage {
            listen: "192.168.1.9:8480".parse().unwrap(),
            names: ["Gateway.lan", "[fe80::1]", "not_a..name"]
                .map(str::to_owned)
                .into(),
            password_file: None,
            clients: None,
            tls: None,
        };
        let names = names(&page);
        for name in ["192.168.1.9", "gateway.lan", "fe80::1", "localhost", "::1"] {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("..")), "{names:?}");
    }
}
