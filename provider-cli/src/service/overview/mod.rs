//! What the operator is shown: how the nets are, and the curves of what they used. It only reads, and
//! what a request reads and computes is bounded.

mod calendar;
mod curve;
mod health;
mod quantity;
mod reference;
mod region;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{EpochRecord, MemberRecord, RoundOutcome};
use jiff::tz::TimeZone;
use tokio::sync::{Mutex, Semaphore};

pub(crate) use curve::{Curve, LONGEST, Point, Span, State};
pub(crate) use health::{Day, Health, NetState};
pub(crate) use quantity::Quantity;
pub(crate) use reference::Reference;
use reference::ReferenceError;
pub(crate) use region::{RegionCurve, SetAside};

use super::admin::{MemberCounts, decode_descriptor};
use super::evidence::{EvidenceFolder, Received};
use super::{Service, convert, now};
use crate::store::{NetRow, Store, StoreError};
use curve::{Basis, Sample, Samples};

/// For so long what was found of all nets is shown again.
const FRESH: Duration = Duration::from_secs(5);
/// Outcomes that are read for one curve at most.
pub(crate) const MOST_ROUNDS: u64 = 100_000;
/// Outcomes that are in memory at a time, for a curve.
const AT_ONCE: u64 = 1000;
/// Curves computed at a time.
const CURVES: usize = 2;
/// Of all nets together so many latest rounds are kept at least; of each net at least one.
const LATEST: usize = 100;
/// Of one net at most so many.
const LATEST_OF_NET: usize = 25;

/// Which nets somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    All,
    /// Those that are named.
    Nets(BTreeSet<NetId>),
}

impl Scope {
    /// Whether `net` may be seen.
    pub(crate) fn has(&self, net: NetId) -> bool {
        match self {
            Self::All => true,
            Self::Nets(nets) => nets.contains(&net),
        }
    }
}

/// Beside what is in the store.
#[derive(Debug)]
pub(crate) struct Extras {
    /// In which days are days.
    pub(crate) zone: TimeZone,
    pub(crate) reference: Option<Reference>,
    pub(crate) evidence: Option<Arc<EvidenceFolder>>,
}

/// Why the extras cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ExtrasError {
    /// The time zone.
    #[error("the time zone {0:?} is not in the built-in database; names are such as Europe/Berlin")]
    Zone(String),
    /// The reference profile.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The folder of evidence.
    #[error("cannot list the folder of evidence {}: {source}", path.display())]
    Evidence {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Extras {
    /// Nothing besides; days are those of UTC.
    pub(super) fn none() -> Self {
        Self {
            zone: TimeZone::UTC,
            reference: None,
            evidence: None,
        }
    }

    /// Reads what the operator named. `reference` comes with what a household uses in a year, in kWh.
    pub(crate) fn load(
        zone: &str,
        reference: Option<(&Path, u32)>,
        evidence: Option<Arc<EvidenceFolder>>,
    ) -> Result<Self, ExtrasError> {
        let found = jiff::tz::TimeZoneDatabase::bundled().get(zone);
        Ok(Self {
            zone: found.map_err(|_| ExtrasError::Zone(zone.to_owned()))?,
            reference: reference
                .map(|(path, kwh)| Reference::from_file(path, kwh))
                .transpose()?,
            evidence,
        })
    }
}

/// The folder into which the operator puts evidence.
pub(crate) fn evidence_folder(path: &Path) -> Result<Arc<EvidenceFolder>, ExtrasError> {
    let folder = EvidenceFolder::open(path).map_err(|source| ExtrasError::Evidence {
        path: path.to_owned(),
        source,
    })?;
    Ok(Arc::new(folder))
}

/// A look at all nets of a store.
pub(crate) struct Overview {
    store: Store,
    pub(crate) extras: Extras,
    latest: Mutex<Option<(Instant, Arc<Snapshot>)>>,
    curves: Semaphore,
}

/// How all nets were at one time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// When, in seconds since 1970.
    pub(crate) taken: u64,
    /// By name.
    pub(crate) nets: Vec<NetState>,
}

/// Why something is not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "this time has {rounds} rounds to be read, and one page reads {MOST_ROUNDS} at most: choose a shorter one"
    )]
    TooMuch { rounds: u64 },
    #[error("the server is shutting down")]
    Ending,
}

/// Members of a net.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) counts: MemberCounts,
    /// Name and status, by name.
    pub(crate) list: Vec<(String, &'static str)>,
}

impl Service {
    /// A look at its nets.
    pub(crate) fn overview(&self, extras: Extras) -> Overview {
        Overview::new(self.store.clone(), extras)
    }
}

impl Overview {
    pub(super) fn new(store: Store, extras: Extras) -> Self {
        Self {
            store,
            extras,
            latest: Mutex::default(),
            curves: Semaphore::new(CURVES),
        }
    }

    /// How all nets are, or were a few seconds ago.
    pub(crate) async fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        // Whoever asks meanwhile waits here, and gets the same answer.
        let mut latest = self.latest.lock().await;
        if let Some((taken, snapshot)) = &*latest
            && taken.elapsed() < FRESH
        {
            return Ok(Arc::clone(snapshot));
        }
        let before = latest.as_ref().map(|(_, snapshot)| Arc::clone(snapshot));
        let snapshot = Arc::new(self.look(before.as_deref()).await?);
        *latest = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    async fn look(&self, before: Option<&Snapshot>) -> Result<Snapshot, StoreError> {
        // Nets are immutable: what was decoded once stays.
        let known: HashMap<NetId, Arc<NetDescriptor>> = before
            .into_iter()
            .flat_map(|snapshot| &snapshot.nets)
            .map(|state| (state.net(), Arc::clone(&state.descriptor)))
            .collect();
        let rows = self.store.nets().await?;
        let each = (LATEST / rows.len().max(1)).clamp(1, LATEST_OF_NET);
        let each = u32::try_from(each).unwrap_or(1);
        let mut nets = Vec::with_capacity(rows.len());
        for row in &rows {
            let descriptor = match known.get(&row.net) {
                Some(descriptor) => Arc::clone(descriptor),
                None => Arc::new(decode_descriptor(row)?),
            };
            nets.push(self.state(descriptor, each).await?);
        }
        Ok(Snapshot {
            taken: now().secs(),
            nets,
        })
    }

    /// How one net is, now.
    pub(super) async fn one(&self, row: &NetRow) -> Result<NetState, StoreError> {
        self.state(Arc::new(decode_descriptor(row)?), 1).await
    }

    async fn state(
        &self,
        descriptor: Arc<NetDescriptor>,
        each: u32,
    ) -> Result<NetState, StoreError> {
        let net = descriptor.net();
        let now = now();
        let schedule = descriptor.schedule();
        let day = schedule.round_at(now.minus_millis(86_400_000)).number();
        let outcomes = self.store.outcomes(net, None, None, Some(each)).await?;
        let mut latest = outcomes
            .iter()
            .map(|(_, outcome)| convert::decode::<RoundOutcome>(outcome))
            .collect::<Result<Vec<_>, _>>()?;
        latest.reverse();
        let day = Day::of(&self.store.statuses(net, day).await?);
        let mut state = NetState::new(descriptor, latest, day, now);
        if state.late > 0 || state.latest.is_empty() {
            let epoch = self.store.latest_epochs(net, 1).await?.pop();
            let epoch = epoch.map(|row| convert::decode::<EpochRecord>(&row.record));
            state.is_in(epoch.transpose()?.as_ref());
        }
        Ok(state)
    }

    /// The members of a net.
    pub(crate) async fn members(&self, net: NetId) -> Result<Members, StoreError> {
        let rows = self.store.members(net).await?;
        let members = rows
            .iter()
            .map(|row| convert::decode::<MemberRecord>(&row.record))
            .collect::<Result<Vec<_>, _>>()?;
        let list = members.iter().map(|member| {
            let status = member.status.as_str();
            (member.client.to_string(), status)
        });
        Ok(Members {
            counts: MemberCounts::of(&members),
            list: list.collect(),
        })
    }

    /// The final rounds of a net in `span`, newest first, `limit` at most.
    pub(crate) async fn rounds(
        &self,
        state: &NetState,
        span: Span,
        limit: u32,
    ) -> Result<Vec<RoundOutcome>, StoreError> {
        let interval = state.interval();
        let number = |time: i64| u64::try_from(time).unwrap_or(0) / interval;
        let (from, to) = (number(span.from), number(span.to.saturating_sub(1)));
        let rows = self
            .store
            .outcomes(state.net(), Some(from), Some(to), Some(limit))
            .await?;
        rows.iter()
            .rev()
            .map(|(_, outcome)| convert::decode(outcome))
            .collect()
    }

    /// The curve of one slot of a net.
    pub(crate) async fn net_curve(
        &self,
        state: &NetState,
        slot: usize,
        span: Span,
    ) -> Result<(Quantity, Curve), ShowError> {
        let interval = state.interval();
        let ranges = curve::needed(span, interval, &self.extras.zone);
        bounded(&ranges, 1)?;
        let _turn = self.curves.acquire().await.map_err(|_| ShowError::Ending)?;
        let mut samples = Samples::new();
        let first = self.store.first_round(state.net()).await?;
        for range in ranges {
            self.collect(state.net(), slot, range, &mut samples).await?;
        }
        let quantity = state.quantity(slot);
        let curve = Curve::over(
            span,
            &Basis {
                interval,
                quantity: &quantity,
                zone: &self.extras.zone,
                reference: self.extras.reference.as_ref(),
                samples: &samples,
                first,
                due: state.due(now()),
            },
        );
        Ok((quantity, curve))
    }

    /// Reads what the rounds of `range` say of one slot.
    async fn collect(
        &self,
        net: NetId,
        slot: usize,
        range: RangeInclusive<u64>,
        samples: &mut Samples,
    ) -> Result<(), StoreError> {
        let (mut from, last) = range.into_inner();
        while from <= last {
            let to = last.min(from.saturating_add(AT_ONCE - 1));
            let rows = self.store.outcomes(net, Some(from), Some(to), None).await?;
            for (round, outcome) in rows {
                samples.insert(round, sample(&convert::decode(&outcome)?, slot));
            }
            from = to.saturating_add(1);
        }
        Ok(())
    }

    /// What is in the folder of evidence, and whether there is more; `None` if there is no folder.
    pub(crate) async fn evidence(&self) -> Option<io::Result<(Vec<Received>, bool)>> {
        let folder = Arc::clone(self.extras.evidence.as_ref()?);
        // Files are read and signatures verified: not where others wait.
        tokio::task::spawn_blocking(move || folder.look())
            .await
            .ok()
    }
}

/// Whether a curve over `span` of so many nets is not too much for one page.
pub(crate) fn fits(span: Span, interval: u64, zone: &TimeZone, nets: usize) -> bool {
    bounded(&curve::needed(span, interval, zone), nets).is_ok()
}

/// What an outcome says of one slot.
fn sample(outcome: &RoundOutcome, slot: usize) -> Sample {
    use dcnet_protocol::provider::RoundStatus;
    let word = outcome.sum.as_ref().and_then(|sum| sum.words().get(slot));
    Sample {
        sum: word.map(|word| i128::from(word.to_signed())),
        households: u64::try_from(outcome.contributors.len()).unwrap_or(u64::MAX),
        is_corrected: outcome.status == RoundStatus::Corrected,
        is_failed: !outcome.status.is_success(),
    }
}

/// Refuses to read more than is read for one page.
fn bounded(ranges: &[RangeInclusive<u64>], nets: usize) -> Result<(), ShowError> {
    let rounds = ranges
        .iter()
        .map(|range| range.end().saturating_sub(*range.start()).saturating_add(1))
        .fold(0, u64::saturating_add)
        .saturating_mul(u64::try_from(nets).unwrap_or(u64::MAX));
    if rounds > MOST_ROUNDS {
        return Err(ShowError::TooMuch { rounds });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
