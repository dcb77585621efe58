//! How two ends agree on the chain of an edge: section 7.3 of `docs/spec/protocol.md`.
//!
//! An end that has not agreed has the secret half of its ephemeral key and no chain, one that has
//! agreed has a chain and no secret half. So there is nothing from which an agreement could be derived
//! a second time. What is heard may be old, repeated, or from before one end lost its memory: both ends
//! come to the same agreement as soon as an offer and its acceptance get through.

use rand_core::CryptoRng;
use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use crate::descriptor::DescriptorHash;
use crate::envelope::EnvelopeKind;
use crate::key_agreement::{Agreement, Chain, Ephemeral, EphemeralKey, PairSecret, WeakKey};
use crate::round::{Epoch, UnixTime};

/// What this end has for an edge. Its encoding is secret; `Debug` shows nothing secret of it.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Link {
    /// The other end's newest ephemeral key that is known here.
    #[tls_codec(with = "crate::codec::option")]
    peer: Option<Ephemeral>,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
enum Stage {
    #[tls_codec(discriminant = 1)]
    Offered(EphemeralKey),
    Agreed(Agreed),
}

#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
struct Agreed {
    own: Ephemeral,
    agreement: Agreement,
    chain: Chain,
}

/// A genuine offer or acceptance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Whether it is an acceptance.
    pub(super) accepts: bool,
    /// The other end's ephemeral key.
    pub(super) theirs: Ephemeral,
    /// This end's, as the other end knows it.
    pub(super) ours: Option<Ephemeral>,
}

/// What a link needs to know of this end.
pub(super) struct Here<'a> {
    pub(super) descriptor: DescriptorHash,
    pub(super) pair: &'a PairSecret,
    pub(super) now: UnixTime,
    /// The first epoch that is not accepted yet: keys of earlier ones are not to be derived.
    pub(super) next: Epoch,
}

/// The envelope that answers what was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// None: what was offered is accepted.
    Settled,
    Accept,
    /// This end's own word again: what was heard does not fit to it.
    Offer,
}

impl Answer {
    /// What is owed to the other end, if `owed` was until now.
    pub(super) fn owed(self, owed: Option<EnvelopeKind>) -> Option<EnvelopeKind> {
        match self {
            Self::Settled => owed.filter(|kind| *kind == EnvelopeKind::EdgeAccept),
            Self::Accept => Some(EnvelopeKind::EdgeAccept),
            Self::Offer => Some(EnvelopeKind::EdgeOffer),
        }
    }
}

impl Link {
    /// For an offer at `now`.
    pub(super) fn offer(now: UnixTime, rng: &mut impl CryptoRng) -> Self {
        Self {
            peer: None,
            stage: Stage::Offered(EphemeralKey::generate(now.millis(), rng)),
        }
    }

    /// For what comes of these keys, whoever offered.
    ///
    /// # Errors
    /// [`WeakKey`] if no secret can be agreed with the other end's key.
    #[cfg(feature = "exposed")]
    pub(super) fn agreed(
        own: EphemeralKey,
        theirs: Ephemeral,
        here: &Here<'_>,
    ) -> Result<Self, WeakKey> {
        let mut link = Self {
            peer: None,
            stage: Stage::Offered(own.clone()),
        };
        link.agree(own, theirs, here)?;
        Ok(link)
    }

    /// This end's ephemeral key.
    pub(super) fn own(&self) -> Ephemeral {
        match &self.stage {
            Stage::Offered(key) => key.public(),
            Stage::Agreed(agreed) => agreed.own,
        }
    }

    /// The other end's, if one is known.
    pub(super) fn peer(&self) -> Option<Ephemeral> {
        self.peer
    }

    /// What was agreed.
    pub(super) fn agreement(&self) -> Option<Agreement> {
        match &self.stage {
            Stage::Offered(_) => None,
            Stage::Agreed(agreed) => Some(agreed.agreement),
        }
    }

    /// The chain that was agreed.
    pub(super) fn chain(&self) -> Option<&Chain> {
        match &self.stage {
            Stage::Offered(_) => None,
            Stage::Agreed(agreed) => Some(&agreed.chain),
        }
    }

    /// The chain that was agreed, to be stepped.
    pub(super) fn chain_mut(&mut self) -> Option<&mut Chain> {
        match &mut self.stage {
            Stage::Offered(_) => None,
            Stage::Agreed(agreed) => Some(&mut agreed.chain),
        }
    }

    /// Takes in an offer or an acceptance.
    ///
    /// # Errors
    /// [`WeakKey`] if no secret can be agreed with the other end's key; then nothing changes.
    pub(super) fn hear(
        &mut self,
        heard: &Heard,
        here: &Here<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, WeakKey> {
        let own = self.own();
        let fits = heard.ours == Some(own);
        let known = self.peer == Some(heard.theirs);
        let stale = !known
            && self
                .peer
                .is_some_and(|peer| heard.theirs.serial <= peer.serial);
        let forgotten = heard
            .ours
            .filter(|ours| *ours != own && ours.serial >= own.serial);
        if let Some(newer) = forgotten {
            // The other end knows a key that this end has made and forgotten.
            let fresh = Self::fresh(newer, here, rng);
            if !heard.accepts && !known && !stale {
                self.agree(fresh, heard.theirs, here)?;
                return Ok(Answer::Accept);
            }
            if !stale {
                self.peer = Some(heard.theirs);
            }
            self.stage = Stage::Offered(fresh);
            return Ok(Answer::Offer);
        }
        if stale {
            return Ok(Answer::Offer);
        }
        match (&self.stage, heard.accepts) {
            (Stage::Agreed(_), true) if known && fits => Ok(Answer::Settled),
            // Both ends have gone on, each without the other: the lower one begins anew, the other says
            // what it has. If both began, or both said so, they could miss each other for ever.
            (Stage::Agreed(_), true) if !fits && !here.pair.is_lower() => Ok(Answer::Accept),
            (Stage::Agreed(_), true) => {
                // What the other end has derived with is gone here, or is not this end's newest.
                let fresh = Self::fresh(own, here, rng);
                self.peer = Some(heard.theirs);
                self.stage = Stage::Offered(fresh);
                Ok(Answer::Offer)
            }
            (Stage::Agreed(_), false) if known => Ok(Answer::Accept),
            (Stage::Agreed(_), false) => {
                let fresh = Self::fresh(own, here, rng);
                self.agree(fresh, heard.theirs, here)?;
                Ok(Answer::Accept)
            }
            (Stage::Offered(key), false) if fits || !known => {
                self.agree(key.clone(), heard.theirs, here)?;
                Ok(Answer::Accept)
            }
            (Stage::Offered(key), true) if fits => {
                self.agree(key.clone(), heard.theirs, here)?;
                Ok(Answer::Settled)
            }
            // An acceptance of an earlier key, or an offer from before this end's.
            _ => Ok(Answer::Offer),
        }
    }

    /// A key that the other end takes for newer than `last`.
    fn fresh(last: Ephemeral, here: &Here<'_>, rng: &mut impl CryptoRng) -> EphemeralKey {
        let serial = here.now.millis().max(last.serial.saturating_add(1));
        EphemeralKey::generate(serial, rng)
    }

    /// With this the secret half is gone.
    fn agree(
        &mut self,
        key: EphemeralKey,
        theirs: Ephemeral,
        here: &Here<'_>,
    ) -> Result<(), WeakKey> {
        let own = key.public();
        let (agreement, mut chain) = here.pair.chain(&here.descriptor, key, &theirs)?;
        chain.skip_to(here.next);
        self.peer = Some(theirs);
        self.stage = Stage::Agreed(Agreed {
            own,
            agreement,
            chain,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
