//! Whom a client's certificate names, by the authority that issued it, and whether it still counts.

use std::path::Path;

use dcnet_protocol::certificate::{CertificateError, TrustAnchor, Usage};
use dcnet_protocol::round::UnixTime;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::peer::{Admitted, Peer, Refusal};
use super::tls::{TlsError, certificates};
use crate::operator::Operator;
use crate::pki::{Facts, RevocationList};
use crate::service::Client;

/// The authorities whose clients may connect.
#[derive(Debug)]
pub(crate) struct Clients {
    gateways: Authorities,
    operators: Option<Authorities>,
}

/// The authorities of one hierarchy.
#[derive(Debug)]
struct Authorities(Vec<Authority>);

#[derive(Debug)]
struct Authority {
    anchor: TrustAnchor,
    certificate: CertificateDer<'static>,
    facts: Facts,
    list: Option<RevocationList>,
}

/// What will soon be too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ageing {
    pub(super) what: String,
    pub(super) ends: UnixTime,
    /// From when on it is worth a warning.
    pub(super) warn: UnixTime,
}

impl Clients {
    /// Reads authorities and revocation lists.
    pub(super) fn read(
        gateways: (&Path, Option<&Path>),
        operators: (Option<&Path>, Option<&Path>),
    ) -> Result<Self, TlsError> {
        let own = Authorities::read("the gateway authority", gateways.0, gateways.1)?;
        let others = match operators {
            (Some(path), list) => {
                let others = Authorities::read("the operators' authority", path, list)?;
                let key = |authority: &Authority| authority.facts.key.clone();
                if others
                    .0
                    .iter()
                    .any(|other| own.0.iter().any(|own| key(own) == key(other)))
                {
                    return Err(TlsError::SharedAuthority {
                        gateways: gateways.0.to_owned(),
                        operators: path.to_owned(),
                    });
                }
                Some(others)
            }
            (None, Some(_)) => return Err(TlsError::NoOperators),
            (None, None) => None,
        };
        Ok(Self {
            gateways: own,
            operators: others,
        })
    }

    /// Whom a chain names, whichever of the authorities certified it.
    pub(super) fn admit(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Admitted, Refusal> {
        let Some(leaf) = chain.first() else {
            return Err(Refusal::NoCertificate);
        };
        let facts = Facts::of(leaf).ok_or(Refusal::Certificate(CertificateError::Malformed))?;
        let chain: Vec<_> = chain.iter().map(|der| der.to_vec()).collect();
        let gateway = self.gateways.find(|authority| {
            let identity = authority.anchor.verify(&chain, Usage::Tls, now)?;
            let client = Client {
                id: identity.client,
                authority: authority.anchor.fingerprint(),
            };
            Ok((Peer::Gateway(client), authority))
        });
        let operator = |first: CertificateError| match &self.operators {
            None => Err(first),
            Some(operators) => operators
                .find(|authority| {
                    let uris = authority.anchor.uris(&chain, Usage::Tls, now)?;
                    Ok((uris, authority))
                })
                // The hierarchy that knows the issuer has the better word to say.
                .map_err(|second| match (first, second) {
                    (CertificateError::UnknownIssuer, second) => second,
                    (first, _) => first,
                }),
        };
        let (peer, authority) = match gateway {
            Ok(found) => found,
            Err(first) => {
                let (uris, authority) = operator(first).map_err(Refusal::Certificate)?;
                let operator = Operator::from_uris(&uris).map_err(Refusal::Operator)?;
                (Peer::Operator(operator), authority)
            }
        };
        if let Some(list) = &authority.list {
            if let Some((since, reason)) = list.revocation(&facts.serial) {
                return Err(Refusal::Revoked { since, reason });
            }
            // A gateway's reading is never sent later, so an old list keeps what it says and lets
            // gateways on; an operator can wait until there is a new one.
            if matches!(peer, Peer::Operator(_)) && list.next.is_some_and(|next| next < now) {
                return Err(Refusal::OldList);
            }
        }
        Ok(Admitted {
            peer,
            not_after: facts.not_after,
        })
    }

    fn all(&self) -> impl Iterator<Item = &Authority> {
        let operators = self.operators.iter().flat_map(|operators| &operators.0);
        self.gateways.0.iter().chain(operators)
    }

    /// The authorities' certificates.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.all().map(|authority| &authority.certificate)
    }

    /// The revocation lists.
    pub(super) fn lists(&self) -> impl Iterator<Item = CertificateRevocationListDer<'static>> {
        self.all()
            .filter_map(|authority| Some(authority.list.as_ref()?.der.clone()))
    }

    /// What has to be renewed some day.
    pub(super) fn ageing(&self) -> Vec<Ageing> {
        let mut all = Vec::new();
        for authority in self.all() {
            let name = &authority.facts.subject;
            let ends = authority.facts.not_after;
            all.push(Ageing::of(
                format!("the authority {name}"),
                authority.facts.not_before,
                ends,
            ));
            if let Some(list) = &authority.list
                && let Some(next) = list.next
            {
                let what = format!("the revocation list of {name}");
                all.push(Ageing::of(what, list.made, next));
            }
        }
        all
    }
}

impl Ageing {
    /// It is worth a warning in the last quarter of its life, and at most 30 days before its end.
    pub(super) fn of(what: String, begins: UnixTime, ends: UnixTime) -> Self {
        const LONGEST: u64 = 30 * 24 * 3600 * 1000;
        let notice = (ends.millis_since(begins) / 4).min(LONGEST);
        Self {
            what,
            ends,
            warn: UnixTime::from_millis(ends.millis().saturating_sub(notice)),
        }
    }
}

impl Authorities {
    fn read(what: &'static str, path: &Path, lists: Option<&Path>) -> Result<Self, TlsError> {
        let unusable = |source| TlsError::Authority {
            path: path.to_owned(),
            source,
        };
        let mut all = Vec::new();
        for certificate in certificates(what, path)? {
            let facts = Facts::of(&certificate).ok_or(unusable(CertificateError::Malformed))?;
            all.push(Authority {
                anchor: TrustAnchor::from_der(&certificate).map_err(unusable)?,
                certificate,
                facts,
                list: None,
            });
        }
        if let Some(path) = lists {
            add_lists(&mut all, path)?;
        }
        Ok(Self(all))
    }

    fn find<'a, T>(
        &'a self,
        read: impl Fn(&'a Authority) -> Result<T, CertificateError>,
    ) -> Result<T, CertificateError> {
        let mut failure = CertificateError::UnknownIssuer;
        for authority in &self.0 {
            match read(authority) {
                Ok(found) => return Ok(found),
                // Another authority's complaint says more than "not mine".
                Err(CertificateError::UnknownIssuer) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Gives each authority its revocation list: the newest one, if there are several.
fn add_lists(authorities: &mut [Authority], path: &Path) -> Result<(), TlsError> {
    let lists = RevocationList::from_file(path).map_err(|source| TlsError::Pem {
        what: "revocation lists",
        path: path.to_owned(),
        source,
    })?;
    for list in lists {
        let mut named = authorities
            .iter_mut()
            .filter(|it| it.facts.name == list.issuer)
            .peekable();
        if named.peek().is_none() {
            tracing::warn!(file = %path.display(), "a revocation list is of an authority that is not trusted");
            continue;
        }
        let Some(authority) = named.find(|it| list.is_signed_with(&it.facts.key)) else {
            return Err(TlsError::ForgedList(path.to_owned()));
        };
        if authority
            .list
            .as_ref()
            .is_none_or(|known| known.made <= list.made)
        {
            authority.list = Some(list);
        }
    }
    match authorities
        .iter()
        .find(|authority| authority.list.is_none())
    {
        Some(authority) => Err(TlsError::NoList {
            path: path.to_owned(),
            authority: authority.facts.subject.clone(),
        }),
        None => Ok(()),
    }
}
