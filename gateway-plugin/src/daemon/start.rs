//! From a configuration to a session: ledger, net descriptor, state machine.

use std::path::Path;
use std::time::Duration;

use dcnet_profiles::evaluation::Collector;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::gateway::{Policy, Setup};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::billing::Billing;
use super::machine::Machine;
use super::manager::Manager;
use super::outbox::Outbox;
use super::session::{LONGEST_SLEEP, Parts, Session};
use super::{RunError, Show, hex, os_rng, random};
use crate::clock::{Clock, Plausibility};
use crate::config::Config;
use crate::ledger::{Ledger, LedgerError, StateDirectory};
use crate::logbook;
use crate::retry::Backoff;
use crate::source::{MeterEvent, Meters};
use crate::submit::{Client, SubmitError, client_config};

/// Everything up to the first step; `None` if it was asked to stop on the way.
pub(super) async fn start(
    config: &Config,
    clock: &Clock,
    meters: &Meters,
    show: &Show,
    events: &mut mpsc::Receiver<MeterEvent>,
    stop: &mut watch::Receiver<bool>,
    manager: &mut Manager,
) -> Result<Option<Session>, RunError> {
    let communication = &config.profile.communication;
    let ledger = open(&config.profile.state).await?;
    let ledger = ledger.keeping(config.profile.home.logbooks);
    show.ledger.send_replace(ledger.view());
    let mut billing = Billing::open(&config.profile, &ledger, clock.now())?;
    let tls = client_config(&config.tls)?;
    let client = Client::new(
        communication.provider.as_str(),
        communication.net,
        tls,
        clock.clone(),
    )?;
    let known =
        match ledger.binding()? {
            None => None,
            Some(binding) => Some(NetDescriptor::decode(&binding.descriptor).map_err(|_| {
                LedgerError::Damaged {
                    path: ledger.path().to_owned(),
                    what: "descriptor",
                }
            })?),
        };
    let mut keeper = Keeper {
        clock,
        ledger: &ledger,
        billing: &mut billing,
    };
    // Known from earlier: the daemon runs without the provider, and compares when it is there.
    let (descriptor, confirmed) = match known {
        Some(known) => (known, false),
        None => match first_contact(&client, &mut keeper, events, stop, manager).await? {
            Some(descriptor) => (descriptor, true),
            None => return Ok(None),
        },
    };
    check(config, &descriptor)?;
    let schedule = descriptor.schedule();
    let setup = Setup {
        descriptor,
        client: config.client,
        key: config.signing_key.clone(),
        chain: config.signing_chain.clone(),
        anchor: config.anchor.clone(),
        policy: Policy {
            min_size: communication.accept.min_size,
            allow_resend: communication.accept.allow_resend,
            witnesses: communication.accept.witnesses.clone(),
        },
    };
    let plausibility = Plausibility::new(ledger.last_seen()?);
    let machine = Machine::open(ledger, setup, clock.now(), &mut os_rng())?;
    let collector = Collector::new(
        &config.profile.meters,
        &config.profile.evaluation,
        schedule.interval_millis(),
    );
    let (outbox, results) = Outbox::new(client.clone(), clock.clone(), schedule);
    Ok(Some(Session::new(Parts {
        clock: clock.clone(),
        profile: config.profile.clone(),
        client,
        machine,
        collector,
        billing,
        counters: meters.counters().to_vec(),
        show: show.clone(),
        plausibility,
        outbox,
        results,
        descriptor_confirmed: confirmed,
    })))
}

/// Opens the ledger. Who only looks (`status`, `logbook`, the page) holds it for a moment, which is not to
/// end a daemon that starts right then.
async fn open(state: &Path) -> Result<Ledger, LedgerError> {
    const PAUSE: Duration = Duration::from_millis(100);
    let mut left = 100;
    loop {
        match StateDirectory::acquire(state).and_then(Ledger::open) {
            Err(LedgerError::InUse { .. }) if left > 0 => left -= 1,
            opened => return opened,
        }
        sleep(PAUSE).await;
    }
}

/// Keeps the registers for the bill while there is no session.
struct Keeper<'a> {
    clock: &'a Clock,
    ledger: &'a Ledger,
    billing: &'a mut Billing,
}

impl Keeper<'_> {
    /// Reads the registers, if it is time.
    fn settle(&mut self, events: &mut mpsc::Receiver<MeterEvent>) -> Result<(), LedgerError> {
        logbook::write(|changes| self.ledger.commit(changes))?;
        let now = self.clock.now();
        if !self.billing.is_due(now) {
            return Ok(());
        }
        while let Ok(event) = events.try_recv() {
            self.billing.observe(&event);
        }
        self.billing
            .settle(now, |changes| self.ledger.commit(changes))
    }

    fn until_due(&self) -> Duration {
        self.billing.until_due(self.clock.now())
    }
}

/// Asks for the net's parameters until they are there.
async fn first_contact(
    client: &Client,
    keeper: &mut Keeper<'_>,
    events: &mut mpsc::Receiver<MeterEvent>,
    stop: &mut watch::Receiver<bool>,
    manager: &mut Manager,
) -> Result<Option<NetDescriptor>, LedgerError> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let mut told = String::new();
    manager.tell("waiting for the provider: the net's parameters are not known yet");
    loop {
        let attempt = async {
            match client.descriptor().await {
                Ok(answer) => Ok(answer.value),
                Err(error) => {
                    tell_once(&error, &mut told);
                    sleep(backoff.pause(random())).await;
                    Err(())
                }
            }
        };
        tokio::pin!(attempt);
        loop {
            // The ledger is open and this loop runs: a provider that is away does not make the daemon
            // one that did not start.
            keeper.settle(events)?;
            manager.progress();
            // The clock may be set while it sleeps.
            let pause = manager.pause().min(LONGEST_SLEEP).min(keeper.until_due());
            tokio::select! {
                outcome = &mut attempt => match outcome {
                    Ok(descriptor) => return Ok(Some(descriptor)),
                    Err(()) => break,
                },
                // Without the interval there is no round that a telegram could belong to, but tariffs
                // have borders of their own.
                Some(event) = events.recv() => keeper.billing.observe(&event),
                () = sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            }
        }
    }
}

fn tell_once(error: &SubmitError, told: &mut String) {
    let text = error.to_string();
    if text != *told {
        tracing::warn!(
            event = "provider.lost",
            "the net's parameters cannot be fetched: {text}; trying again"
        );
        *told = text;
    }
}

/// Whether the owner's profile fits the net.
pub(super) fn check(config: &Config, descriptor: &NetDescriptor) -> Result<(), RunError> {
    let hash = *descriptor.hash().as_bytes();
    if let Some(pin) = config.profile.communication.descriptor
        && pin.0 != hash
    {
        return Err(RunError::OtherDescriptor {
            expected: hex(&pin.0),
            got: hex(&hash),
        });
    }
    let authority = descriptor.parameters().ca_fingerprint;
    if authority != config.anchor.fingerprint() {
        let anchor = Box::new(config.anchor.clone());
        return Err(RunError::Authority {
            net: authority,
            anchor,
        });
    }
    config.profile.evaluation.matches(descriptor.slots())?;
    Ok(())
}
