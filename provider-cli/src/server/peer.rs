//! Who is at the other end of a connection, and what handlers ask of that.
//!
//! A handler takes [`Client`] as an argument if it serves gateways, and [`Operator`] if it serves
//! operators: whoever is the other gets the problem `wrong-role`. What they may do, a handler asks with
//! [`Operator::require`] and [`Operator::require_net`], whose errors are that problem, too.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use dcnet_protocol::certificate::CertificateError;
use dcnet_protocol::round::UnixTime;
use hyper::StatusCode;
use hyper::http::request::Parts;

use super::problem::Problem;
use crate::operator::{AccessError, Operator, OperatorError};
use crate::service::Client;

/// Whom a client's certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    Gateway(Client),
    Operator(Operator),
}

/// A client whose certificate counts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) peer: Peer,
    /// When its certificate is over.
    pub(super) not_after: UnixTime,
}

/// Why a client whose handshake was completed is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("show a TLS client certificate in the handshake: this server serves nobody without")]
    NoCertificate,
    #[error("{0}")]
    Certificate(CertificateError),
    #[error("{0}")]
    Operator(OperatorError),
    #[error("the certificate has expired: have it renewed with `dcnet pki renew`")]
    Expired,
    #[error(
        "the certificate is revoked since {}: {reason}; ask who issued it for another one",
        super::problem::moment(*.since)
    )]
    Revoked {
        since: UnixTime,
        reason: &'static str,
    },
    #[error(
        "the operators' revocation list is too old to tell who may enter: whoever runs this provider \
         has to make a new one with `dcnet pki crl`"
    )]
    OldList,
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let detail = refusal.to_string();
        let forbidden = |slug| Self::new(StatusCode::FORBIDDEN, slug, &*detail).closing();
        match refusal {
            Refusal::NoCertificate => forbidden("client-certificate-required"),
            Refusal::Certificate(CertificateError::Expired) | Refusal::Expired => {
                forbidden("client-certificate-expired")
            }
            Refusal::Certificate(_) | Refusal::Operator(_) => {
                forbidden("client-certificate-unusable")
            }
            Refusal::Revoked { .. } => forbidden("client-certificate-revoked"),
            Refusal::OldList => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "revocation-list-expired",
                detail,
            )
            .retry(300),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get() {
            Some(Peer::Gateway(client)) => Ok(*client),
            Some(Peer::Operator(operator)) => Err(wrong_role(format!(
                "this is for gateways, and the certificate gives the role {}: use the paths for operators",
                operator.role()
            ))),
            None => Err(Problem::from(&Refusal::NoCertificate)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    /// A problem, as it is sent.
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        match parts.extensions.get() {
            Some(Peer::Operator(operator)) => Ok(operator.clone()),
            Some(Peer::Gateway(_)) => Err(wrong_role(
                "this is for operators, and the certificate names a gateway: have one issued by the \
                 operators' authority with `dcnet pki issue --role`"
                    .to_owned(),
            )
            .into_response()),
            None => Err(Problem::from(&Refusal::NoCertificate).into_response()),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        wrong_role(error.to_string())
    }
}

fn wrong_role(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "wrong-role", detail)
}
