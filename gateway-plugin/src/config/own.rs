//! Certificates and keys of this gateway: read at the start, and again when they were renewed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use dcnet_profiles::communication::CommunicationProfile;
use dcnet_protocol::certificate::{TrustAnchor, Usage};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::SigningKey;

use super::credentials::Credentials;
use super::{Config, ConfigError, Content, Files};
use crate::submit::{TlsMaterial, client_config};

/// What the communication profile names, read, checked, and matched.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) client: ClientId,
    pub(crate) tls: TlsMaterial,
    pub(crate) signing_key: SigningKey,
    pub(crate) signing_chain: Vec<Vec<u8>>,
    pub(crate) anchor: TrustAnchor,
}

impl Own {
    pub(super) fn read(
        check: &Files<'_>,
        communication: &CommunicationProfile,
        now: UnixTime,
    ) -> Result<Self, ConfigError> {
        let CommunicationProfile {
            provider_ca,
            gateway_ca,
            tls,
            signature,
            ..
        } = communication;

        let roots = check.certificates("communication.provider_ca", provider_ca)?;
        let authorities = match gateway_ca {
            Some(file) => check.certificates("communication.gateway_ca", file)?,
            None => roots.clone(),
        };
        let tls_chain = check.certificates("communication.tls.certificate", &tls.certificate)?;
        let tls_key = check.key("communication.tls.key", &tls.key)?;
        let signing_chain = check.certificates(
            "communication.signature.certificate",
            &signature.certificate,
        )?;
        let signing_key = check.key("communication.signature.key", &signature.key)?;
        let signing_key = SigningKey::from_pkcs8_der(signing_key.secret_der()).map_err(|_| {
            check.content(
                "communication.signature.key",
                &signature.key,
                Content::KeyForm,
            )
        })?;

        let (anchor, signer) = check.identify(
            "communication.signature.certificate",
            &signature.certificate,
            &authorities,
            &signing_chain,
            Usage::Statement,
            now,
        )?;
        if signer.key != signing_key.verifying_key() {
            return Err(check.content(
                "communication.signature.key",
                &signature.key,
                Content::Mismatch,
            ));
        }
        let (_, peer) = check.identify(
            "communication.tls.certificate",
            &tls.certificate,
            &authorities,
            &tls_chain,
            Usage::Tls,
            now,
        )?;
        if peer.client != signer.client {
            return Err(ConfigError::TwoNames {
                file: check.origin.to_owned(),
                tls: peer.client,
                signature: signer.client,
            });
        }
        let material = TlsMaterial {
            roots,
            chain: tls_chain,
            key: tls_key,
        };
        client_config(&material).map_err(|source| ConfigError::Tls {
            file: check.origin.to_owned(),
            source,
        })?;
        Ok(Self {
            client: signer.client,
            tls: material,
            signing_key,
            signing_chain: signing_chain.iter().map(|der| der.to_vec()).collect(),
            anchor,
        })
    }

    /// Whether it is the same as `other`.
    fn is(&self, other: &Self) -> bool {
        self.tls.roots == other.tls.roots
            && self.tls.chain == other.tls.chain
            && self.signing_chain == other.signing_chain
    }
}

/// Looks after the files while the daemon runs.
#[derive(Debug)]
pub(crate) struct Renewal {
    origin: PathBuf,
    communication: CommunicationProfile,
    /// What is in use.
    used: Own,
    /// Of the files as they were read last, and as they were seen last.
    read: Vec<Stamp>,
    seen: Vec<Stamp>,
}

/// Changes when a file is written or replaced; none, if it cannot be looked at.
type Stamp = Option<(u64, i64, i64, u64)>;

/// What a look at the files has shown.
#[derive(Debug)]
pub(crate) enum Look<'a> {
    /// Nothing new.
    Same,
    /// Certificates that are good and not in use yet; they count as in use from now on.
    Renewed(&'a Own),
    /// The files have changed and cannot be used; what is in use stays.
    Unusable(ConfigError),
    /// They are good for another gateway, or under another authority.
    Another,
}

impl Renewal {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            origin: config.origin.clone(),
            communication: config.profile.communication.clone(),
            used: Own {
                client: config.client,
                tls: TlsMaterial {
                    roots: config.tls.roots.clone(),
                    chain: config.tls.chain.clone(),
                    key: config.tls.key.clone_key(),
                },
                signing_key: config.signing_key.clone(),
                signing_chain: config.signing_chain.clone(),
                anchor: config.anchor.clone(),
            },
            // They may have changed since the configuration was read.
            read: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn look(&mut self, now: UnixTime) -> Look<'_> {
        let check = Files {
            origin: &self.origin,
            credentials: Credentials::of_this_process(),
        };
        let found = check.stamps(&self.communication);
        // Certificates and keys are several files: all are to be there before they are read.
        let is_settled = found == self.seen;
        self.seen.clone_from(&found);
        if !is_settled || found == self.read {
            return Look::Same;
        }
        self.read = found;
        match Own::read(&check, &self.communication, now) {
            Err(error) => Look::Unusable(error),
            Ok(own) if own.is(&self.used) => Look::Same,
            Ok(own)
                if own.client != self.used.client
                    || own.anchor.fingerprint() != self.used.anchor.fingerprint() =>
            {
                Look::Another
            }
            Ok(own) => {
                self.used = own;
                Look::Renewed(&self.used)
            }
        }
    }
}

impl Files<'_> {
    fn stamps(&self, communication: &CommunicationProfile) -> Vec<Stamp> {
        let CommunicationProfile {
            provider_ca,
            gateway_ca,
            tls,
            signature,
            ..
        } = communication;
        let own = [
            &tls.certificate,
            &tls.key,
            &signature.certificate,
            &signature.key,
        ];
        let trusted = std::iter::once(provider_ca).chain(gateway_ca);
        own.into_iter()
            .chain(trusted)
            .map(|file| stamp(&self.credentials.resolve(file)?))
            .collect()
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = file.metadata().ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}
