//! The key packages that a log rests on: whether they verify, and what their authors signed.

use std::collections::HashMap;

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::key_agreement::{KeyPackageHash, SignedKeyPackage};
use dcnet_protocol::membership::entry::ExitStatement;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::signature::Signed;

/// All key packages that were ever registered, one of them perhaps under several certificates.
pub(crate) struct KeyPackages {
    anchor: TrustAnchor,
    by_hash: HashMap<KeyPackageHash, Vec<SignedKeyPackage>>,
}

impl KeyPackages {
    pub(crate) fn new(
        anchor: TrustAnchor,
        packages: impl IntoIterator<Item = SignedKeyPackage>,
    ) -> Self {
        let mut by_hash: HashMap<_, Vec<_>> = HashMap::new();
        for package in packages {
            let hash = package.unverified().hash();
            by_hash.entry(hash).or_default().push(package);
        }
        Self { anchor, by_hash }
    }

    /// The serial of the package of `client` with this hash, if it verifies at the beginning of `round`.
    pub(super) fn verify(
        &self,
        descriptor: &NetDescriptor,
        client: &ClientId,
        hash: &KeyPackageHash,
        round: Round,
    ) -> Result<u64, String> {
        let now = descriptor.schedule().start(round);
        let (net, descriptor) = (descriptor.net(), descriptor.hash());
        let kept = self.by_hash.get(hash).map(Vec::as_slice);
        let kept = kept.unwrap_or_default();
        let mut refused = None;
        for package in kept {
            match package.verify(&self.anchor, net, descriptor, now) {
                Ok(_) if package.unverified().client == *client => {
                    return Ok(package.unverified().serial);
                }
                Ok(_) => {
                    let owner = package.unverified().client;
                    refused = Some(format!("the key package of {client} is one of {owner}"));
                }
                Err(error) => refused = Some(format!("the key package of {client}: {error}")),
            }
        }
        Err(refused.unwrap_or_else(|| format!("the key package of {client} is not kept")))
    }

    /// Whether the leaver itself signed `exit`, by a certificate of the package with this hash.
    pub(super) fn verify_exit(
        &self,
        descriptor: &NetDescriptor,
        hash: &KeyPackageHash,
        exit: &Signed<ExitStatement>,
    ) -> Result<(), String> {
        let body = exit.unverified();
        let client = body.client;
        // A serial is a time where it can be: the certificate is judged as it was then.
        let now = UnixTime::from_millis(body.serial);
        let (net, descriptor) = (descriptor.net(), descriptor.hash());
        let Some(kept) = self.by_hash.get(hash) else {
            return Err(format!(
                "the key package of {client}, which has left, is not kept"
            ));
        };
        let signed = kept.iter().any(|package| {
            let verified = package.verify(&self.anchor, net, descriptor, now);
            verified.is_ok_and(|verified| exit.verify(verified.statement_key()).is_ok())
        });
        let newer = kept
            .iter()
            .all(|package| package.unverified().serial < body.serial);
        if !signed {
            Err(format!(
                "{client} has not signed the exit that is entered for it"
            ))
        } else if newer {
            Ok(())
        } else {
            Err(format!(
                "the exit of {client} is older than its key package"
            ))
        }
    }
}
