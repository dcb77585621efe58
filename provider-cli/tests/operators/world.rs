//! Stores with nets whose rounds have ended, and members with names that can be looked for.

use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor};
use dcnet_protocol::evidence::{Evidence, EvidenceFile};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::provider::{EpochMember, EpochRecord, MemberRecord, RoundOutcome, RoundStatus};
use dcnet_protocol::roster::{MemberBits, Roster};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::{Signed, SigningKey};
use dcnet_protocol::superposition::Superposition;
use dcnet_provider::bench::{Seed, record, seed};
use dcnet_provider::operator::Role;
use reqwest::Client;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::common::descriptor::{descriptor, key};
use crate::common::operators::{certify, http, operators, serve};
use crate::common::{Lab, Server};

/// The first round of all nets.
pub(crate) const FIRST: u64 = 1_980_000;

/// Rounds of `elbe-4`: an export of them is larger than what is sent at once.
pub(crate) const ROUNDS: u64 = 700;

/// The first corrected round of `elbe-4`: of all rounds it alone has rosters.
pub(crate) const CORRECTED: u64 = FIRST + (3 + 11 - FIRST % 11) % 11;

/// A laboratory whose server has two nets, a folder of evidence, and three operators: of the consumer's nets,
/// one is there.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) server: Server,
    pub(crate) anna: Client,
    pub(crate) otto: Client,
    pub(crate) grid: Client,
}

impl World {
    pub(crate) async fn new(lab: Lab) -> Self {
        let gateways = CertificateDer::from_pem_file(lab.authority.certificate_path()).unwrap();
        let seeds = [("elbe-4", ROUNDS), ("weser", 3)];
        let seeds = seeds.map(|(name, rounds)| net(name, rounds, &gateways));
        let store = lab.store.location().parse().unwrap();
        seed(&store, &seeds).await.unwrap();
        let elbe = &seeds[0];
        let rosters = [(1, &[0, 1, 2, 3, 4][..]), (2, &[0, 1, 2, 3])];
        let rosters = rosters.map(|(step, present)| roster(elbe, step, present));
        let net = elbe.descriptor.net();
        record(&store, net, (0, &log(elbe)), &rosters)
            .await
            .unwrap();
        let evidence = lab.path("evidence");
        std::fs::create_dir(&evidence).unwrap();
        let lie = [
            roster(elbe, 1, &[0, 1, 2, 3]),
            roster(elbe, 1, &[1, 2, 3, 4]),
        ];
        std::fs::write(evidence.join("lie.bin"), contradiction(elbe, lie)).unwrap();
        std::fs::write(evidence.join("letter.bin"), "this is no evidence").unwrap();
        let authority = operators(&lab);
        let evidence = ["--evidence-dir", evidence.to_str().unwrap()];
        let server = serve(&lab, &authority.certificate_path(), &evidence);
        let client = |name, role, nets| http(&lab, &certify(&lab, &authority, name, role, nets));
        Self {
            anna: client("anna", Role::Administrator, &[]),
            otto: client("otto", Role::Auditor, &[]),
            grid: client("grid", Role::Consumer, &["elbe-4", "gone"]),
            lab,
            server,
        }
    }
}

fn name(number: u64) -> ClientId {
    format!("gw-{number}").parse().unwrap()
}

/// A net of five. Its descriptor names the key of another provider: no server can serve it, and all can read
/// it.
fn net(net: &str, rounds: u64, authority: &[u8]) -> Seed {
    let key = key();
    let descriptor = descriptor(net, CorrectionMode::DoubleMask);
    let members: Vec<_> = (0..5)
        .map(|it| member(&descriptor, name(it), &key))
        .collect();
    let end = |number| EdgeEnd {
        client: name(number),
        agreement: Agreement::from_bytes([5; 32]),
    };
    let in_force = members.iter().enumerate().map(|(at, member)| EpochMember {
        client: member.client,
        package: member.package_hash(),
        neighbours: (0..5).filter(|it| *it != at as u64).map(end).collect(),
        holders: ClientSet::default(),
    });
    let mut epoch = EpochRecord::new(Epoch::new(1), Round::new(FIRST), in_force.collect());
    epoch.log_index = 5;
    Seed {
        outcomes: (FIRST..FIRST + rounds).filter_map(outcome).collect(),
        descriptor,
        authority: authority.to_vec(),
        members,
        epoch,
    }
}

/// That its members were admitted, its epoch, and that one of them was away for a while.
fn log(seed: &Seed) -> Vec<LogEntry> {
    let admitted = seed.members.iter().map(|member| LogEntry::Admitted {
        client: member.client,
        package: member.package_hash(),
    });
    let (client, round) = (name(2), Round::new(FIRST + 7));
    let mut log: Vec<_> = admitted.collect();
    log.extend([
        LogEntry::Epoch(seed.epoch.head()),
        LogEntry::Suspended { client, round },
        LogEntry::Resumed { client, round },
    ]);
    log
}

/// A roster of [`CORRECTED`].
fn roster(seed: &Seed, step: u8, present: &[usize]) -> Signed<Roster> {
    let mut bits = MemberBits::none(5);
    for index in present {
        bits.insert(*index);
    }
    let (head, round) = (seed.epoch.head(), Round::new(CORRECTED));
    let roster = Roster::new(&seed.descriptor, &head, round, (step, step > 1), bits, 4);
    key().sign(roster.unwrap())
}

/// A file with two rosters of one step.
fn contradiction(seed: &Seed, [one, other]: [Signed<Roster>; 2]) -> Vec<u8> {
    let evidence = Evidence::Rosters(Box::new((one, other)));
    EvidenceFile::new(seed.descriptor.clone(), evidence).to_bytes()
}

fn member(descriptor: &NetDescriptor, client: ClientId, key: &SigningKey) -> MemberRecord {
    let package = KeyPackage {
        net: descriptor.net(),
        descriptor: descriptor.hash(),
        client,
        serial: 1,
        public_key: [9; 32],
    };
    MemberRecord {
        client,
        status: MemberStatus::Active,
        package: SignedKeyPackage::sign(package, &[vec![1]], key),
        statement_key: key.verifying_key().to_sec1(),
        neighbourhood: None,
        exit: None,
        exit_round: Round::default(),
    }
}

/// Some are corrected, some fail, some have no outcome at all.
fn outcome(round: u64) -> Option<RoundOutcome> {
    let (status, there) = match round % 11 {
        3 => (RoundStatus::Corrected, 4),
        5 => (RoundStatus::TooFewPresent, 0),
        8 => return None,
        _ => (RoundStatus::Complete, 5),
    };
    let set = |numbers: std::ops::Range<u64>| numbers.map(name).collect::<ClientSet>();
    let sums = [9_007_199_254_740_993 + round, round % 90];
    Some(RoundOutcome {
        round: Round::new(round),
        epoch: Epoch::new(1),
        status,
        sum: status
            .is_success()
            .then(|| Superposition::from_stored(&sums)),
        contributors: set(0..there),
        silent: ClientSet::default(),
        missing: set(there..5),
        members: 5,
        wrong_shares: Vec::new(),
        unrecovered: set(if there == 4 { 4..5 } else { 0..0 }),
    })
}
