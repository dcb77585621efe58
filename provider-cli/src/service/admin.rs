//! Administration: on the store, beside a running server or without one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dcnet_obis::{ObisCode, ScaledInteger, Unit};
use dcnet_protocol::descriptor::{CorrectionMode, DescriptorError, NetDescriptor, NetParameters};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::provider::{EpochRecord, MemberRecord, RoundOutcome};
use dcnet_protocol::round::{Round, UnixTime};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::audit_trail::{Action, Actor, Noted};
use super::log_view::EntryView;
use super::orders::{OrderedView, Standing};
use super::{convert, now};
use crate::store::{Location, NetRow, Store, StoreError};

/// A handle for administration.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(super) store: Store,
}

/// Why an administrative command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no net {0} in this store; `dcnet net list` shows those that are")]
    UnknownNet(NetId),
    #[error(
        "round {round} of net {net} is not final or never was; `dcnet round list {net}` shows those that are"
    )]
    UnknownRound { net: NetId, round: u64 },
    #[error(
        "{client} is no member of net {net} and never was; `dcnet member list {net}` shows those that are"
    )]
    UnknownMember { net: NetId, client: ClientId },
    #[error(
        "round {round} of net {net} has no correction: nobody was missing, or the store has nothing of it; `dcnet correction list {net}` shows those that have"
    )]
    NoCorrection { net: NetId, round: u64 },
    #[error("net {net} has no order {number}; `dcnet net audit {net}` shows those that were given")]
    UnknownOrder { net: NetId, number: u64 },
    #[error("the net cannot be created: {0}")]
    Descriptor(#[from] DescriptorError),
}

impl AdminError {
    /// Whether what is stored cannot be read, so that asking again does not help.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(self, Self::Store(StoreError::Corrupt(_)))
    }
}

/// A net to be created.
pub(crate) struct NewNet {
    pub(crate) parameters: NetParameters,
    /// Certificate of the gateways' authority, DER.
    pub(crate) authority: Vec<u8>,
}

/// A net as tables and JSON show it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NetView {
    pub(crate) net: String,
    pub(crate) region: String,
    pub(crate) descriptor_hash: String,
    pub(crate) created: String,
    pub(crate) interval_s: u32,
    pub(crate) submit_window_s: u32,
    pub(crate) correction_window_s: u32,
    pub(crate) slots: Vec<SlotText>,
    pub(crate) min_size: u32,
    pub(crate) degree: u16,
    pub(crate) threshold: u16,
    pub(crate) max_loss_permille: u16,
    pub(crate) mode: &'static str,
    pub(crate) epoch_length: u32,
    pub(crate) provider_key: String,
    pub(crate) gateway_ca_sha256: String,
    pub(crate) members: MemberCounts,
    /// Members that an operator has suspended.
    pub(crate) barred: BTreeMap<String, OrderedView>,
    /// That an operator has closed the net.
    pub(crate) closed: Option<OrderedView>,
    pub(crate) epoch: Option<u64>,
    pub(crate) last_round: Option<RoundView>,
    /// Superpositions held of rounds that are not final.
    pub(crate) frames_held: u64,
}

/// A slot as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct SlotText {
    pub(crate) obis: String,
    pub(crate) unit: String,
    pub(crate) scale: i8,
}

/// Members by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct MemberCounts {
    pub(crate) registered: usize,
    pub(crate) entered: usize,
    pub(crate) active: usize,
    pub(crate) suspended: usize,
    pub(crate) exiting: usize,
    pub(crate) exited: usize,
}

impl MemberCounts {
    pub(super) fn of(members: &[MemberRecord]) -> Self {
        let mut counts = Self::default();
        for member in members {
            *match member.status {
                MemberStatus::Registered => &mut counts.registered,
                MemberStatus::Entered => &mut counts.entered,
                MemberStatus::Active => &mut counts.active,
                MemberStatus::Suspended => &mut counts.suspended,
                MemberStatus::Exiting => &mut counts.exiting,
                MemberStatus::Exited => &mut counts.exited,
            } += 1;
        }
        counts
    }
}

/// A final round as tables, JSON and CSV show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct RoundView {
    pub(crate) net: String,
    pub(crate) round: u64,
    /// Start of the metered interval, RFC 3339, UTC.
    pub(crate) start: String,
    /// End of the metered interval, exclusive.
    pub(crate) end: String,
    pub(crate) epoch: u64,
    /// `complete`, `corrected` or `failed`.
    pub(crate) status: &'static str,
    /// Why there is no sum.
    pub(crate) reason: Option<String>,
    pub(crate) members: u32,
    /// One per slot; none if the round failed.
    pub(crate) sums: Option<Vec<SlotSum>>,
    pub(crate) contributors: Vec<String>,
    pub(crate) silent: Vec<String>,
    pub(crate) missing: Vec<String>,
    /// Shares of self-masks that did not fit.
    pub(crate) wrong_shares: Vec<WrongShareView>,
    /// Members whose self-mask was not recovered.
    pub(crate) unrecovered: Vec<String>,
}

/// A share that did not fit: its dealer or its holder is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct WrongShareView {
    pub(crate) dealer: String,
    pub(crate) holder: String,
}

/// The sum of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct SlotSum {
    pub(crate) obis: String,
    pub(crate) unit: String,
    /// Exact decimal in `unit`: never a floating-point number.
    pub(crate) value: String,
}

impl Admin {
    /// For a command that needs a store that is there.
    pub(crate) async fn open(store: &Location) -> Result<Self, AdminError> {
        Ok(Self {
            store: Store::open(store).await?,
        })
    }

    /// For the command that makes the first net.
    pub(crate) async fn create_or_open(store: &Location) -> Result<Self, AdminError> {
        Ok(Self {
            store: Store::create_or_open(store).await?,
        })
    }

    /// Creates a net. A running server serves it with the first request for it.
    pub(crate) async fn create_net(&self, new: NewNet) -> Result<NetView, AdminError> {
        let descriptor = NetDescriptor::new(new.parameters)?;
        let row = NetRow {
            net: descriptor.net(),
            descriptor: descriptor.encode(),
            authority: new.authority,
            created: now().millis(),
        };
        let mut writer = self.store.writer().await?;
        let noted = Noted::new(Actor::console(), Action::NetCreated, &[row.net], "");
        let result = writer.insert_net(&row, Some(&noted.text())).await;
        writer.close().await;
        result?;
        self.view(&row).await
    }

    /// All nets.
    pub(crate) async fn nets(&self) -> Result<Vec<NetView>, AdminError> {
        let mut views = Vec::new();
        for row in self.store.nets().await? {
            views.push(self.view(&row).await?);
        }
        Ok(views)
    }

    /// One net.
    pub(crate) async fn net(&self, net: NetId) -> Result<NetView, AdminError> {
        let row = self.row(net).await?;
        self.view(&row).await
    }

    /// A net's parameters.
    pub(crate) async fn descriptor(&self, net: NetId) -> Result<NetDescriptor, AdminError> {
        Ok(decode_descriptor(&self.row(net).await?)?)
    }

    /// The membership log.
    pub(crate) async fn log(&self, net: NetId) -> Result<Vec<EntryView>, AdminError> {
        self.row(net).await?;
        let log = self.store.log_entries(net, 0, None).await?;
        Ok(log.iter().map(EntryView::of).collect::<Result<_, _>>()?)
    }

    /// Closes the store.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }

    pub(super) async fn row(&self, net: NetId) -> Result<NetRow, AdminError> {
        self.store
            .net(net)
            .await?
            .ok_or(AdminError::UnknownNet(net))
    }

    pub(super) async fn members(&self, net: NetId) -> Result<Vec<MemberRecord>, AdminError> {
        let rows = self.store.members(net).await?;
        Ok(rows
            .iter()
            .map(|row| convert::decode(&row.record))
            .collect::<Result<_, StoreError>>()?)
    }

    pub(super) async fn epoch(&self, net: NetId) -> Result<Option<EpochRecord>, AdminError> {
        let latest = self.store.latest_epochs(net, 1).await?.pop();
        Ok(latest.map(|row| convert::decode(&row.record)).transpose()?)
    }

    pub(super) async fn view(&self, row: &NetRow) -> Result<NetView, AdminError> {
        let descriptor = decode_descriptor(row)?;
        let p = descriptor.parameters();
        let net = row.net;
        let last = self.store.outcomes(net, None, None, Some(1)).await?.pop();
        let Standing { barred, closed } = self.standing(net).await?;
        let last_round = last
            .map(|(_, outcome)| {
                Ok::<_, StoreError>(view_round(&descriptor, &convert::decode(&outcome)?))
            })
            .transpose()?;
        Ok(NetView {
            net: net.to_string(),
            region: descriptor.region().to_owned(),
            descriptor_hash: descriptor.hash().to_string(),
            created: rfc3339(UnixTime::from_secs(row.created / 1000)),
            interval_s: p.interval_s,
            submit_window_s: p.submit_window_s,
            correction_window_s: p.correction_window_s,
            slots: slots(&descriptor),
            min_size: p.min_size,
            degree: p.out_degree,
            threshold: p.threshold,
            max_loss_permille: p.max_loss_permille,
            mode: mode(&descriptor),
            epoch_length: p.epoch_length,
            provider_key: hex(&p.provider_key),
            gateway_ca_sha256: hex(&p.ca_fingerprint),
            members: MemberCounts::of(&self.members(net).await?),
            barred,
            closed,
            epoch: self.epoch(net).await?.map(|epoch| epoch.epoch.number()),
            last_round,
            frames_held: self.store.frames_held(net).await?,
        })
    }
}

pub(super) fn decode_descriptor(row: &NetRow) -> Result<NetDescriptor, StoreError> {
    NetDescriptor::decode(&row.descriptor).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The correction mode as the command line names it.
pub(super) fn mode(descriptor: &NetDescriptor) -> &'static str {
    match descriptor.correction_mode() {
        CorrectionMode::Resend => "resend",
        CorrectionMode::DoubleMask => "double-mask",
    }
}

pub(super) fn slots(descriptor: &NetDescriptor) -> Vec<SlotText> {
    descriptor
        .slots()
        .iter()
        .map(|slot| SlotText {
            obis: ObisCode::from(slot.obis).to_string(),
            unit: Unit::from_code(slot.unit).to_string(),
            scale: slot.scale,
        })
        .collect()
}

pub(super) fn view_round(descriptor: &NetDescriptor, outcome: &RoundOutcome) -> RoundView {
    let schedule = descriptor.schedule();
    let round: Round = outcome.round;
    let status = outcome.status.as_str();
    let (status, reason) = match status.split_once(": ") {
        Some((_, reason)) => ("failed", Some(reason.to_owned())),
        None => (status, None),
    };
    let sums = outcome.sum.as_ref().map(|sum| {
        slots(descriptor)
            .into_iter()
            .zip(sum.words())
            .map(|(slot, word)| SlotSum {
                value: ScaledInteger::new(word.to_signed().into(), slot.scale).to_string(),
                obis: slot.obis,
                unit: slot.unit,
            })
            .collect()
    });
    RoundView {
        net: descriptor.net().to_string(),
        round: round.number(),
        start: rfc3339(schedule.start(round)),
        end: rfc3339(schedule.border(round)),
        epoch: outcome.epoch.number(),
        status,
        reason,
        members: outcome.members,
        sums,
        contributors: names(&outcome.contributors),
        silent: names(&outcome.silent),
        missing: names(&outcome.missing),
        wrong_shares: outcome
            .wrong_shares
            .iter()
            .map(|share| WrongShareView {
                dealer: share.dealer.to_string(),
                holder: share.holder.to_string(),
            })
            .collect(),
        unrecovered: names(&outcome.unrecovered),
    }
}

pub(super) fn names(clients: &ClientSet) -> Vec<String> {
    clients.iter().map(ClientId::to_string).collect()
}

/// RFC 3339 in UTC; a time beyond the calendar as seconds since 1970.
pub(super) fn rfc3339(time: UnixTime) -> String {
    i64::try_from(time.secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| time.secs().to_string(), |time| time.to_string())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 32 bytes out of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if !rest.is_empty() || pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    Some(bytes)
}
