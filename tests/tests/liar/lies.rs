//! What the liar tells its victim.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::key_agreement::{AgreementKey, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::{DrawListView, ListedMembers, LogProof};
use dcnet_protocol::membership::witness::Cosignatures;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::Refusal;
use dcnet_protocol::roster::{MemberBits, Roster};
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::{Signed, SigningKey};
use dcnet_provider::pki::{Authority, DEFAULT_DAYS};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::provider::{Liar, OTHER, VICTIM, id};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The frame gets a receipt and is thrown away; the roster calls its sender missing.
    Withhold,
    /// A first roster without another member, then the one that everybody sees.
    TwoRosters,
    /// A roster without another member, and never the one that everybody sees.
    OtherRoster,
    /// The roster of the round before.
    PastRoster,
    /// A new roster, without another member, for the round so many before.
    BackDated(u64),
    /// A roster of as many as its owner asks for and the loss allows, without holders of the victim.
    Isolated,
    /// A roster of this many, the victim among them.
    Of(usize),
    /// A roster of everybody, of whom so few have readings.
    Readings(u32),
    /// The first listed member comes with the key package of the second.
    SwappedPackage,
    /// The first listed member comes with a key package of the liar's, certified by an authority of
    /// the liar's.
    ForeignPackage,
    /// The first listed member is another than the list has.
    ForgedLeaf,
    /// The first listed member is not shown.
    WithheldLeaf,
    /// Nothing of the list is shown.
    NoList,
    /// A shorter log.
    ShorterLog,
    /// Another log from this entry on.
    Fork { at: u64 },
    /// Answers about rosters that drip and never end.
    Drip,
    /// Other parameters of the net.
    OtherDescriptor,
}

impl Liar {
    /// The first roster of `round` behind step `after`, as `client` is shown it.
    pub(crate) fn roster(
        &mut self,
        client: ClientId,
        round: Round,
        after: u8,
    ) -> Option<Signed<Roster>> {
        let genuine = self.provider.roster(round, after).cloned();
        let shown = match self.lie_to(client) {
            None => genuine,
            Some(Lie::TwoRosters) if after > 0 => self.provider.roster(round, 0).cloned(),
            Some(Lie::OtherRoster) if after > 0 => None,
            Some(Lie::PastRoster) => {
                let before = Round::new(round.number() - 1);
                genuine.and(self.provider.roster(before, 0).cloned())
            }
            Some(lie) => genuine.map(|genuine| self.forged(lie, genuine)),
        };
        if let Some(roster) = &shown {
            self.wiretap.shown(roster.unverified());
        }
        shown
    }

    fn forged(&self, lie: Lie, genuine: Signed<Roster>) -> Signed<Roster> {
        let real = genuine.unverified();
        let (round, members) = (real.round(), real.members());
        let epoch = self.provider.epoch_at(round).unwrap();
        let index = |name: &str| epoch.index(&id(name));
        let all = || (0..members).collect::<Vec<usize>>();
        let (round, present, contributors) = match lie {
            Lie::TwoRosters | Lie::OtherRoster | Lie::BackDated(_) => {
                let mut present = all();
                present.retain(|at| Some(*at) != index(OTHER));
                let round = match lie {
                    Lie::BackDated(rounds) => Round::new(round.number() - rounds),
                    _ => round,
                };
                (round, present, None)
            }
            Lie::Isolated => {
                // As many as may be missing, and these are all holders of the victim's shares.
                let missing = members / 4;
                let holders = &epoch.get(&id(VICTIM)).unwrap().holders;
                let holders = holders.iter().filter_map(|holder| epoch.index(holder));
                let missing: Vec<usize> = holders.take(missing).collect();
                let mut present = all();
                present.retain(|at| !missing.contains(at));
                (round, present, None)
            }
            Lie::Of(size) => {
                let own = index(VICTIM).unwrap();
                let others = all().into_iter().filter(|at| *at != own).take(size - 1);
                (round, others.chain([own]).collect(), None)
            }
            Lie::Readings(readings) => (round, all(), Some(readings)),
            _ => return genuine,
        };
        // The state machine's own constructor has scruples; the encoding has none.
        let mut bits = MemberBits::none(members);
        for at in &present {
            bits.insert(*at);
        }
        let everybody = all().len();
        let reveal = present.len() == everybody;
        let mut full = MemberBits::none(members);
        for at in all() {
            full.insert(at);
        }
        let full = Roster::new(
            &self.descriptor,
            &epoch.head(),
            round,
            (1, reveal),
            full,
            everybody,
        );
        let mut bytes = full.unwrap().encode();
        let bits = bits.encode();
        let end = bytes.len() - bits.len();
        bytes.truncate(end - 4);
        let contributors = contributors.unwrap_or_else(|| u32::try_from(present.len()).unwrap());
        bytes.extend(contributors.to_be_bytes());
        bytes.extend(bits);
        self.key.sign(Roster::decode(&bytes).unwrap())
    }

    pub(crate) fn draw_list(&self, client: ClientId, from: u64) -> Result<DrawListView, Refusal> {
        let mut view = self.provider.draw_list(client, from)?;
        view.proof = self.log_proof(client, view.proof.index, from)?;
        Ok(view)
    }

    pub(crate) fn listed(
        &self,
        client: ClientId,
        list: u64,
        at: &[u32],
    ) -> Result<ListedMembers, Refusal> {
        let mut listed = self.provider.listed(list, at)?;
        match self.lie_to(client) {
            Some(Lie::SwappedPackage) => {
                listed.members[0].package = listed.members[1].package.clone();
            }
            Some(Lie::ForeignPackage) => {
                let package = &mut listed.members[0].package;
                *package = foreign(package.unverified().clone());
            }
            Some(Lie::ForgedLeaf) => listed.members[0].leaf.client = id("mallory"),
            Some(Lie::WithheldLeaf) => drop(listed.members.remove(0)),
            Some(Lie::NoList) => {
                let size = self.provider.log().len();
                return Err(Refusal::LogIndex { index: list, size });
            }
            _ => {}
        }
        Ok(listed)
    }

    pub(crate) fn log_proof(
        &self,
        client: ClientId,
        index: u64,
        from: u64,
    ) -> Result<LogProof, Refusal> {
        let genuine = self.provider.log_proof(index, from)?;
        let entries = self.provider.log().entries();
        let entries = entries.map(|entry| LogEntry::decode(entry).unwrap());
        Ok(match self.lie_to(client) {
            Some(Lie::ShorterLog) => {
                let log = self.log_of(entries.take(usize::try_from(from).unwrap() - 1));
                LogProof {
                    checkpoint: log.head(&self.key),
                    consistency: log.consistency(log.len()).unwrap(),
                    ..genuine
                }
            }
            Some(Lie::Fork { at }) => {
                let changed = entries.zip(0..).map(|(mut entry, index)| {
                    if let LogEntry::Suspended { round, .. } | LogEntry::Resumed { round, .. } =
                        &mut entry
                        && index >= at
                    {
                        *round = round.next();
                    }
                    entry
                });
                let log = self.log_of(changed);
                LogProof {
                    checkpoint: log.head(&self.key),
                    cosignatures: Cosignatures::default(),
                    from,
                    consistency: log.consistency(from).unwrap(),
                    index,
                    entry: LogEntry::decode(log.entry(index).unwrap()).unwrap(),
                    inclusion: log.inclusion(index).unwrap(),
                }
            }
            _ => genuine,
        })
    }

    fn log_of(&self, entries: impl Iterator<Item = LogEntry>) -> Log {
        let mut log = Log::new(self.descriptor.net(), self.descriptor.hash());
        for entry in entries {
            log.append(&entry);
        }
        log
    }
}

/// The key package with a key that the liar knows, certified by an authority of its own.
fn foreign(mut package: KeyPackage) -> SignedKeyPackage {
    let folder = tempfile::tempdir().unwrap();
    let (ca, pki) = (folder.path().join("ca"), folder.path().join("pki"));
    for folder in [&ca, &pki] {
        std::fs::create_dir(folder).unwrap();
    }
    let authority = Authority::create(&ca).unwrap();
    let files = authority
        .issue(&package.client, &pki, DEFAULT_DAYS)
        .unwrap();
    let key = std::fs::read_to_string(files.sig_key).unwrap();
    let key = SigningKey::from_pkcs8_pem(&key).unwrap();
    let chain = CertificateDer::pem_file_iter(files.sig_certificate).unwrap();
    let chain: Vec<_> = chain
        .map(|certificate| certificate.unwrap().to_vec())
        .collect();
    package.public_key = AgreementKey::from_bytes([7; 32]).public_key();
    SignedKeyPackage::sign(package, &chain, &key)
}
