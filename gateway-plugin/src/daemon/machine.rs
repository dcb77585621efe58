//! The state machine of the protocol, tied to the ledger: persist, then send.

use dcnet_protocol::gateway::{
    Gateway, GatewayState, Input, Outgoing, Output, Report, Request, Setup, SetupError,
};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::UnixTime;
use rand_core::CryptoRng;

use crate::ledger::{Binding, Change, Ledger, LedgerError};

/// A gateway whose steps are durable before they are seen.
#[derive(Debug)]
pub struct Machine {
    gateway: Gateway,
    ledger: Ledger,
    failed: bool,
}

/// What is left to do after a step: everything that had to be durable is.
#[derive(Debug)]
pub enum Effect {
    /// Send this to the provider.
    Send(Request),
    /// Tell the owner.
    Report(Report),
}

impl Machine {
    /// Goes on from the ledger, or begins with a key out of `rng` that is durable before it is used.
    ///
    /// # Errors
    ///
    /// The ledger belongs to another gateway or net or fails; or the net does not meet the owner's
    /// demands.
    pub fn open(
        ledger: Ledger,
        setup: Setup,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, OpenError> {
        ledger.bind(&Binding {
            net: setup.descriptor.net(),
            client: setup.client,
            descriptor: setup.descriptor.encode(),
        })?;
        let state = if let Some(bytes) = ledger.state()? {
            let damaged = |_| LedgerError::Damaged {
                path: ledger.path().to_owned(),
                what: "state",
            };
            GatewayState::decode(&bytes).map_err(damaged)?
        } else {
            let state = GatewayState::fresh(now, rng);
            ledger.commit(&[Change::State(state.encode().expose())])?;
            state
        };
        let gateway = Gateway::new(setup, state)?;
        Ok(Self {
            gateway,
            ledger,
            failed: false,
        })
    }

    /// Takes one input; what it made the gateway remember is durable when this returns.
    ///
    /// `seen` is the time to remember as plausible along with it, if it was found so.
    ///
    /// # Errors
    ///
    /// The ledger failed: nothing may be sent, and this machine takes no further step. Open the
    /// ledger anew and go on from what it holds.
    pub fn step(
        &mut self,
        now: UnixTime,
        seen: Option<UnixTime>,
        input: Input,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Effect>, LedgerError> {
        if self.failed {
            return Err(LedgerError::Stopped);
        }
        let mut effects = Vec::new();
        for output in self.gateway.handle(now, input, rng) {
            match output {
                Output::Persist(persist) => {
                    let mut changes = vec![Change::State(persist.state.expose())];
                    changes.extend(persist.sending.as_ref().map(sending));
                    changes.extend(seen.map(Change::Seen));
                    self.commit(&changes)?;
                }
                Output::Send(request) => effects.push(Effect::Send(request)),
                Output::Report(report) => effects.push(Effect::Report(report)),
            }
        }
        Ok(effects)
    }

    /// Makes other changes durable.
    ///
    /// # Errors
    ///
    /// As for [`Self::step`].
    pub fn commit(&mut self, changes: &[Change<'_>]) -> Result<(), LedgerError> {
        if self.failed {
            return Err(LedgerError::Stopped);
        }
        self.ledger
            .commit(changes)
            .inspect_err(|_| self.failed = true)
    }

    /// The state machine, to look at.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The ledger, to look at.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

fn sending(outgoing: &Outgoing) -> Change<'_> {
    let Outgoing {
        notification,
        round,
        bytes,
    } = outgoing;
    match notification {
        Notification::Resend => Change::Answered {
            round: *round,
            bytes,
        },
        _ => Change::Sealed {
            round: *round,
            bytes,
        },
    }
}

/// Why a gateway cannot go on from its ledger.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The net.
    #[error(transparent)]
    Setup(#[from] SetupError),
}
