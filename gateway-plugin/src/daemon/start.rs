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
use super::status::{MeterStatus, Status, StatusFile};
use super::{RunError, Show, os_rng, random};
use crate::clock::{Clock, Plausibility};
use crate::config::{Config, Renewal};
use crate::hex::hex;
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
        status: begin(config, clock, show),
        meters,
        show,
        file: StatusFile::new(&config.profile.state),
    };
    // Known from earlier: the daemon runs without the provider, and compares when it is there.
    let (descriptor, confirmed) = match known {
        Some(known) => (known, false),
        None => match first_contact(&client, &mut keeper, events, stop, manager).await? {
            Some(descriptor) => (descriptor, true),
            None => return Ok(None),
        },
    };
    let begun = Status {
        provider_fault: None,
        ..keeper.status
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
        renewal: Renewal::of(config),
        client,
        machine,
        collector,
        billing,
        counters: meters.counters().to_vec(),
        show: show.clone(),
        begun,
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

/// What there is to tell before a session. After a failure of the ledger the sources have been running,
/// and tell changes only: what they told last stays.
fn begin(config: &Config, clock: &Clock, show: &Show) -> Status {
    let shown = show.status.borrow().meters.clone();
    let meters = if shown.is_empty() {
        config.profile.meters.iter().map(MeterStatus::of).collect()
    } else {
        shown
    };
    Status {
        process: std::process::id(),
        started: clock.now().millis(),
        net: config.profile.communication.net.to_string(),
        client: config.client.to_string(),
        meters,
        ..Status::default()
    }
}

/// Keeps the registers for the bill, and the status, while there is no session.
struct Keeper<'a> {
    clock: &'a Clock,
    ledger: &'a Ledger,
    billing: &'a mut Billing,
    status: Status,
    meters: &'a Meters,
    show: &'a Show,
    file: StatusFile,
}

impl Keeper<'_> {
    fn observe(&mut self, event: &MeterEvent) {
        self.billing.observe(event);
        if let Some(meter) = self.status.meters.get_mut(event.meter) {
            meter.observe(event.source, &event.event);
        }
    }

    /// Takes over what the sources have counted.
    fn count(&mut self) {
        let counters = self.meters.counters();
        for (meter, counters) in self.status.meters.iter_mut().zip(counters) {
            meter.count(counters);
        }
    }

    /// Says once what is wrong with the provider.
    fn lost(&mut self, error: &SubmitError) {
        let text = error.to_string();
        if self.status.provider_fault.as_ref() != Some(&text) {
            tracing::warn!(
                event = "provider.lost",
                "the net's parameters cannot be fetched: {text}; trying again"
            );
            self.status.provider_fault = Some(text);
        }
    }

    /// Shows what the daemon is doing.
    fn publish(&mut self) {
        let now = self.clock.now();
        self.status.tariffs = self.billing.status(now);
        let status = &self.status;
        self.show.status.send_if_modified(|shown| {
            let is_news = shown != status;
            if is_news {
                shown.clone_from(status);
            }
            is_news
        });
        if let Err(error) = self.file.write(status, now.millis()) {
            tracing::debug!(
                event = "status",
                "the status file cannot be written: {error}"
            );
        }
    }

    /// Reads the registers, if it is time.
    fn settle(&mut self, events: &mut mpsc::Receiver<MeterEvent>) -> Result<(), LedgerError> {
        logbook::write(|changes| self.ledger.commit(changes))?;
        let now = self.clock.now();
        if !self.billing.is_due(now) {
            return Ok(());
        }
        while let Ok(event) = events.try_recv() {
            self.observe(&event);
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
    let mut wait = Duration::ZERO;
    manager.tell("waiting for the provider: the net's parameters are not known yet");
    loop {
        let pause = wait;
        let attempt = async move {
            sleep(pause).await;
            client.descriptor().await
        };
        tokio::pin!(attempt);
        // Once for each attempt: the counters change with every telegram, the file is on a card.
        keeper.count();
        loop {
            // The ledger is open and this loop runs: a provider that is away does not make the daemon
            // one that did not start.
            keeper.settle(events)?;
            keeper.publish();
            manager.progress();
            // The clock may be set while it sleeps.
            let pause = manager.pause().min(LONGEST_SLEEP).min(keeper.until_due());
            tokio::select! {
                outcome = &mut attempt => match outcome {
                    Ok(answer) => return Ok(Some(answer.value)),
                    Err(error) => {
                        keeper.lost(&error);
                        wait = backoff.pause(random());
                        break;
                    }
                },
                // Without the interval there is no round that a telegram could belong to, but tariffs
                // have borders of their own.
                Some(event) = events.recv() => keeper.observe(&event),
                () = sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            }
        }
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
