//! People and programs that use the provider's own interface, as the operators' authority certifies
//! them: by role, and consumers by the nets that they may read.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use dcnet_protocol::names::{ClientId, NameError, NetId};

/// The uniform resource name of a net that a consumer may read.
pub const NET_URN: &str = "urn:dcnet:net:";

/// What somebody may do at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub enum Role {
    /// Runs the provider: sees every net, and changes what can be changed.
    Administrator,
    /// Looks after the provider: sees every net, and changes nothing.
    Auditor,
    /// Uses sums: sees the nets that its certificate names, and changes nothing.
    Consumer,
}

impl Role {
    /// All roles.
    pub(crate) const ALL: [Self; 3] = [Self::Administrator, Self::Auditor, Self::Consumer];

    /// The role as one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
            Self::Consumer => "consumer",
        }
    }

    /// What stands before the name in the certificate of somebody with this role.
    pub fn urn(self) -> &'static str {
        match self {
            Self::Administrator => "urn:dcnet:administrator:",
            Self::Auditor => "urn:dcnet:auditor:",
            Self::Consumer => "urn:dcnet:consumer:",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Name of somebody at the provider, of the same form as the names of gateways.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorName(ClientId);

impl OperatorName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<ClientId> for OperatorName {
    fn from(name: ClientId) -> Self {
        Self(name)
    }
}

impl FromStr for OperatorName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorName({})", self.as_str())
    }
}

/// Somebody with a role, as a certificate names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    name: OperatorName,
    role: Role,
    nets: BTreeSet<NetId>,
}

impl Operator {
    /// Somebody with a role. `nets` are those that a consumer may read: at least one, and none for
    /// other roles, which see every net.
    ///
    /// # Errors
    /// [`OperatorError`] if role and nets do not fit.
    pub fn new(
        name: OperatorName,
        role: Role,
        nets: impl IntoIterator<Item = NetId>,
    ) -> Result<Self, OperatorError> {
        let nets: BTreeSet<_> = nets.into_iter().collect();
        match (role, nets.is_empty()) {
            (Role::Consumer, true) => Err(OperatorError::NoNet),
            (Role::Administrator | Role::Auditor, false) => Err(OperatorError::NeedlessNet(role)),
            _ => Ok(Self { name, role, nets }),
        }
    }

    /// Whom the uniform resource names of a certificate name.
    ///
    /// # Errors
    /// [`OperatorError`] if they do not name exactly one person or program with one role.
    pub fn from_uris(uris: &[String]) -> Result<Self, OperatorError> {
        let mut named = uris.iter().flat_map(|uri| {
            let of = |role: Role| Some((role, uri.strip_prefix(role.urn())?));
            Role::ALL.into_iter().filter_map(of)
        });
        let (Some((role, name)), None) = (named.next(), named.next()) else {
            return Err(OperatorError::Name);
        };
        let name = name.parse().map_err(|_| OperatorError::Name)?;
        let nets = uris
            .iter()
            .filter_map(|uri| uri.strip_prefix(NET_URN))
            .map(|net| net.parse().map_err(|_| OperatorError::Net))
            .collect::<Result<Vec<_>, _>>()?;
        Self::new(name, role, nets)
    }

    /// The uniform resource names that [`Self::from_uris`] reads.
    pub fn uris(&self) -> Vec<String> {
        let name = format!("{}{}", self.role.urn(), self.name);
        let nets = self.nets.iter().map(|net| format!("{NET_URN}{net}"));
        std::iter::once(name).chain(nets).collect()
    }

    /// Who.
    pub fn name(&self) -> OperatorName {
        self.name
    }

    /// As what.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The nets that a consumer may read; empty for other roles.
    pub fn nets(&self) -> &BTreeSet<NetId> {
        &self.nets
    }

    /// Whether they may see what the provider publishes of `net`.
    pub fn may_read(&self, net: &NetId) -> bool {
        match self.role {
            Role::Administrator | Role::Auditor => true,
            Role::Consumer => self.nets.contains(net),
        }
    }

    /// Lets only those go on who have one of `roles`.
    ///
    /// # Errors
    /// [`AccessError::Role`] for all others.
    pub fn require(&self, roles: &[Role]) -> Result<(), AccessError> {
        if roles.contains(&self.role) {
            return Ok(());
        }
        let words: Vec<_> = roles.iter().map(|role| role.word()).collect();
        Err(AccessError::Role {
            needed: words.join(" or "),
            given: self.role,
        })
    }

    /// Lets only those go on who may read `net`.
    ///
    /// # Errors
    /// [`AccessError::Net`] for all others.
    pub fn require_net(&self, net: &NetId) -> Result<(), AccessError> {
        if self.may_read(net) {
            Ok(())
        } else {
            Err(AccessError::Net(*net))
        }
    }
}

/// Why somebody with a role may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Another role can.
    #[error("this takes the role {needed}, and the certificate gives the role {given}")]
    Role {
        /// Those that can, in words.
        needed: String,
        /// What the certificate gives.
        given: Role,
    },
    /// Whoever is certified for the net can.
    #[error("the certificate does not name the net {0}: have one issued with --net {0}")]
    Net(NetId),
}

/// Why a certificate names nobody with a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// None or more than one.
    #[error(
        "the certificate does not name exactly one administrator, auditor or consumer as \
         urn:dcnet:<role>:<name>: have it issued anew with `dcnet pki issue --role`"
    )]
    Name,
    /// A net's name is none.
    #[error("the certificate names a net that cannot exist: have it issued anew")]
    Net,
    /// A consumer who may read nothing.
    #[error("a consumer reads nets that the certificate names, and none is: give --net NET")]
    NoNet,
    /// A net beside a role that sees them all.
    #[error("an {0} sees every net: --net is for consumers")]
    NeedlessNet(Role),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_written_into_a_certificate_is_what_is_read() {
        let nets = ["elbe-4".parse().unwrap(), "weser".parse().unwrap()];
        for (role, nets) in [
            (Role::Administrator, &nets[..0]),
            (Role::Auditor, &nets[..0]),
            (Role::Consumer, &nets[..]),
        ] {
            let name = "grid".parse().unwrap();
            let operator = Operator::new(name, role, nets.iter().copied()).unwrap();
            assert_eq!(Operator::from_uris(&operator.uris()), Ok(operator));
        }
    }

    #[test]
    fn one_name_one_role_and_nets_for_consumers_only() {
        let read = |texts: &[&str]| Operator::from_uris(&uris(texts)).unwrap_err();
        assert_eq!(read(&[]), OperatorError::Name);
        assert_eq!(read(&["urn:dcnet:gateway:gw-1"]), OperatorError::Name);
        assert_eq!(read(&["urn:dcnet:auditor:-"]), OperatorError::Name);
        let two = ["urn:dcnet:auditor:a", "urn:dcnet:administrator:a"];
        assert_eq!(read(&two), OperatorError::Name);
        assert_eq!(read(&["urn:dcnet:consumer:c"]), OperatorError::NoNet);
        let bad = ["urn:dcnet:consumer:c", "urn:dcnet:net:a/b"];
        assert_eq!(read(&bad), OperatorError::Net);
        let more = ["urn:dcnet:auditor:a", "urn:dcnet:net:elbe"];
        assert_eq!(read(&more), OperatorError::NeedlessNet(Role::Auditor));
    }

    #[test]
    fn consumers_read_the_nets_in_their_certificate_and_no_others() {
        let texts = uris(&["urn:dcnet:net:elbe", "urn:dcnet:consumer:grid"]);
        let consumer = Operator::from_uris(&texts).unwrap();
        assert!(consumer.may_read(&"elbe".parse().unwrap()));
        assert!(!consumer.may_read(&"weser".parse().unwrap()));
        assert!(consumer.require_net(&"weser".parse().unwrap()).is_err());
        assert!(
            consumer
                .require(&[Role::Administrator, Role::Auditor])
                .is_err()
        );
        let auditor = Operator::from_uris(&uris(&["urn:dcnet:auditor:a"])).unwrap();
        assert!(
            auditor
                .require(&[Role::Administrator, Role::Auditor])
                .is_ok()
        );
        assert!(auditor.may_read(&"weser".parse().unwrap()));
    }
}
