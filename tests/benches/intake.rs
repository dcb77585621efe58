//! How fast the provider takes frames durably, against plain pseudonymised readings taken by the
//! same server with the same durability, in the same run; and how much room they take. On a file of
//! SQLite, and on PostgreSQL if `DCNET_POSTGRES` names a server.
//!
//! Client and server share this machine: real TLS 1.3 with client certificates over loopback, one
//! kept-alive HTTP/1.1 connection per gateway, one request at a time on each. A frame is answered
//! when its transaction is synced. The targets: at least 0.9 of the rate of plain readings, and
//! beyond 10,000 frames/s on two cores.
//!
//! Rounds do not end while frames come in. They end afterwards, in the store alone, by the transaction
//! in which the provider ends a round: it erases the frames.
//!
//! `cargo bench -p dcnet-tests --bench intake`; `DCNET_BENCH_NETS` and `DCNET_BENCH_GATEWAYS` set
//! the size (frames per turn = their product / turns).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

#[path = "stores/mod.rs"]
mod stores;

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::frame::{Frame, FrameHeader, PROTOCOL};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::message::Receipt;
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::provider::{EpochMember, EpochRecord, MemberRecord, RoundStatus};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::SigningKey;
use dcnet_provider::Location;
use dcnet_provider::bench::{Ending, Seed, finish, seed};
use dcnet_provider::pki::{Authority, GatewayFiles, ProviderFiles, create_provider};
use dcnet_provider::server::{Limits, MEDIA_TYPE, Options, start_with_plain_readings};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use stores::Store;

/// Measured runs of each kind; they alternate.
const TURNS: usize = 50;

/// Neighbours in the ring-like key graph; intake does not depend on their number.
const REACH: usize = 2;

fn main() {
    let (nets, gateways) = (
        number("DCNET_BENCH_NETS", 400),
        number("DCNET_BENCH_GATEWAYS", 256),
    );
    let folder = tempfile::tempdir().unwrap();
    let server = runtime("server");
    let mut stores = vec![("SQLite", Store::sqlite(folder.path(), "store.sqlite3"))];
    let database = server.block_on(Store::postgres("intake"));
    stores.extend(database.map(|store| ("PostgreSQL", store)));
    if stores.len() == 1 {
        println!("DCNET_POSTGRES names no PostgreSQL server: SQLite only");
    }
    for (name, store) in stores {
        let lab = Lab::new(&folder.path().join(name), &store, nets, gateways);
        println!(
            "\n{name}: {gateways} connections, {nets} nets, {} bytes per frame, {} bytes per plain reading",
            lab.frame(0, lab.gateways[0].id, 0).len(),
            lab.plain(0).len()
        );
        measure(&server, &lab, &store);
        server.block_on(store.remove());
    }
}

/// All turns on one store, and what they leave there.
fn measure(server: &Runtime, lab: &Lab, store: &Store) {
    server.block_on(seed(&lab.store, &lab.seeds())).unwrap();
    let empty = server.block_on(room(store));
    let running = server
        .block_on(start_with_plain_readings(lab.options()))
        .unwrap();
    let address = running.address();

    let client = runtime("client");
    let mut connections = client.block_on(async {
        let mut connections = Vec::new();
        for gateway in &lab.gateways {
            connections.push(gateway.connect(&lab.provider, address).await);
        }
        connections
    });

    println!(
        "{:>6} {:>14} {:>14} {:>7}",
        "turn", "frames/s", "readings/s", "ratio"
    );
    let mut measured = Vec::new();
    let (mut of_frames, mut of_plain) = (Room::default(), Room::default());
    for turn in 0..TURNS {
        // Each gateway has one frame per net and round: every turn takes its share of the nets.
        let share: Vec<usize> = (0..lab.nets.len())
            .filter(|net| net % TURNS == turn)
            .collect();
        if share.is_empty() {
            continue;
        }
        let requests = |kind: Kind| -> Vec<Vec<Request>> {
            let of = |gateway| {
                share
                    .iter()
                    .map(|net| lab.request(kind, *net, gateway))
                    .collect()
            };
            lab.gateways.iter().map(of).collect()
        };
        let (frames, plain) = (requests(Kind::Frame), requests(Kind::Plain));
        let mut run_one = |requests, taken: &mut Room| {
            let before = server.block_on(room(store));
            let measured = client.block_on(run(&mut connections, requests));
            *taken += server.block_on(room(store)) - before;
            measured
        };
        // The first of a pair alternates, so that both meet the same disturbances.
        let (frame, reading);
        if turn % 2 == 0 {
            frame = run_one(frames, &mut of_frames);
            reading = run_one(plain, &mut of_plain);
        } else {
            reading = run_one(plain, &mut of_plain);
            frame = run_one(frames, &mut of_frames);
        }
        let ratio = thousandths(frame.rate * 1000 / reading.rate.max(1));
        println!(
            "{turn:>6} {:>14} {:>14} {ratio:>7}",
            frame.rate, reading.rate
        );
        measured.push((frame, reading));
    }
    print_rates(&measured);
    drop(connections);
    server.block_on(running.stop());
    let kept = server.block_on(on_disk(store));
    server.block_on(lab.end_rounds());
    let erased = server.block_on(room(store)) - empty - of_plain;
    print_room(lab, (of_frames, of_plain), erased);
    println!(
        "on the disk with all of them {kept} bytes, {} after the ends of the rounds",
        server.block_on(on_disk(store))
    );
}

fn print_rates(measured: &[(Measured, Measured)]) {
    let over =
        |number: fn(&(Measured, Measured)) -> u64| median(measured.iter().map(number).collect());
    let ratio = over(|(frame, reading)| frame.rate * 1000 / reading.rate.max(1));
    let rate = over(|(frame, _)| frame.rate);
    println!(
        "processor time: {} ns per frame, {} ns per plain reading, client and server together",
        over(|(frame, _)| frame.cpu),
        over(|(_, reading)| reading.cpu)
    );
    println!(
        "medians: {rate} durable frames/s, {} of the rate of plain readings",
        thousandths(ratio)
    );
    println!("target: at least 0.900: {}", verdict(ratio >= 900));
    println!("target: beyond 10000 frames/s: {}", verdict(rate > 10_000));
}

/// Bytes in use in a store, and bytes written into the journal of its server so far.
#[derive(Clone, Copy, Default)]
struct Room {
    used: i64,
    journal: i64,
}

impl std::ops::Sub for Room {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            used: self.used - other.used,
            journal: self.journal - other.journal,
        }
    }
}

impl std::ops::AddAssign for Room {
    fn add_assign(&mut self, other: Self) {
        self.used += other.used;
        self.journal += other.journal;
    }
}

async fn room(store: &Store) -> Room {
    Room {
        used: i64::try_from(store.used().await).unwrap(),
        journal: i64::try_from(store.journal().await).unwrap(),
    }
}

/// Bytes of files, after a checkpoint.
async fn on_disk(store: &Store) -> u64 {
    store.settle().await;
    store.bytes().await
}

/// A frame is kept until its round is final; then the sum and the names of the round's members stay.
fn print_room(lab: &Lab, (frames, plain): (Room, Room), erased: Room) {
    let (nets, gateways) = (lab.nets.len(), lab.gateways.len());
    let of = |bytes: i64, count: usize| bytes / i64::try_from(count).unwrap();
    println!(
        "bytes in the store: {} per frame while it is kept, {} per plain reading; {} per round of a net \
         that is final, {} for each member of it",
        of(frames.used, nets * gateways),
        of(plain.used, nets * gateways),
        of(erased.used, nets),
        of(erased.used, nets * gateways),
    );
    if frames.journal > 0 {
        println!(
            "bytes in the journal: {} per frame, {} per plain reading; the end of a round {} per net",
            of(frames.journal, nets * gateways),
            of(plain.journal, nets * gateways),
            of(erased.journal - frames.journal, nets),
        );
    }
}

fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap()
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect(name))
}

fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1000, number % 1000)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "is missed" }
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

/// What a turn measured.
#[derive(Clone, Copy)]
struct Measured {
    /// Requests per second.
    rate: u64,
    /// Processor time per request, client and server together, in nanoseconds.
    cpu: u64,
}

/// Sends everything, one request at a time per connection.
async fn run(connections: &mut Vec<Connection>, requests: Vec<Vec<Request>>) -> Measured {
    let count = u64::try_from(requests.iter().map(Vec::len).sum::<usize>()).unwrap();
    let cpu = cpu_nanoseconds();
    let started = Instant::now();
    let tasks: Vec<_> = connections
        .drain(..)
        .zip(requests)
        .map(|(mut connection, requests)| {
            tokio::spawn(async move {
                for request in requests {
                    connection.exchange(&request).await;
                }
                connection
            })
        })
        .collect();
    for task in tasks {
        connections.push(task.await.unwrap());
    }
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap();
    Measured {
        rate: count * 1_000_000 / micros.max(1),
        cpu: (cpu_nanoseconds() - cpu) / count.max(1),
    }
}

/// Processor time of all threads of this process: what other load on the machine does not change.
fn cpu_nanoseconds() -> u64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("schedstat")).ok())
        .map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[derive(Clone, Copy)]
enum Kind {
    Frame,
    Plain,
}

/// A request ready to be written, and what its answer must begin with: signatures follow a receipt.
struct Request {
    bytes: Vec<u8>,
    answer: Vec<u8>,
}

struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Writes a request and reads its whole response, which must be the expected one.
    async fn exchange(&mut self, request: &Request) {
        self.stream.write_all(&request.bytes).await.unwrap();
        self.stream.flush().await.unwrap();
        self.buffer.clear();
        loop {
            let mut piece = [0; 2048];
            let read = self.stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "the server hung up");
            self.buffer.extend_from_slice(&piece[..read]);
            if body(&self.buffer).is_some() {
                break;
            }
        }
        let shown = || String::from_utf8_lossy(&self.buffer).into_owned();
        assert!(self.buffer.starts_with(b"HTTP/1.1 200 "), "{}", shown());
        let body = body(&self.buffer).unwrap();
        assert!(body.starts_with(&request.answer), "{}", shown());
    }
}

/// The body of a response, when it is all there.
fn body(response: &[u8]) -> Option<&[u8]> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = response.split_at(end);
    let head = std::str::from_utf8(head).unwrap().to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let (length, _) = length.split_once("\r\n")?;
    (body.len() >= length.parse().unwrap()).then_some(body)
}

struct Gateway {
    id: ClientId,
    files: GatewayFiles,
}

impl Gateway {
    async fn connect(&self, provider: &ProviderFiles, address: std::net::SocketAddr) -> Connection {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&provider.root_certificate).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let chain = CertificateDer::pem_file_iter(&self.files.tls_certificate)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(&self.files.tls_key).unwrap();
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .unwrap();
        Connection {
            stream,
            buffer: Vec::new(),
        }
    }
}

/// A provider and its gateways before anything runs.
struct Lab {
    store: Location,
    ca: std::path::PathBuf,
    provider: ProviderFiles,
    gateways: Vec<Gateway>,
    nets: Vec<NetDescriptor>,
    authority: Vec<u8>,
    round: Round,
}

impl Lab {
    fn new(folder: &Path, store: &Store, nets: usize, gateways: usize) -> Self {
        let provider =
            create_provider(&folder.join("provider"), &["localhost".to_owned()], 2).unwrap();
        let authority = Authority::create(&folder.join("ca")).unwrap();
        let ca = authority.certificate_path();
        let gateways = (0..gateways)
            .map(|index| {
                let id: ClientId = format!("gw-{index:05}").parse().unwrap();
                let files = authority.issue(&id, &folder.join(id.as_str()), 2).unwrap();
                Gateway { id, files }
            })
            .collect();
        let authority = CertificateDer::from_pem_file(&ca).unwrap().to_vec();
        let key = signing_key(&provider.signing_key);
        let (interval, round) = open_round();
        let nets = (0..nets)
            .map(|index| {
                let parameters = parameters(index, interval, &key, &authority);
                NetDescriptor::new(parameters).unwrap()
            })
            .collect();
        let Ok(store) = store.location().parse();
        Self {
            store,
            ca,
            provider,
            gateways,
            nets,
            authority,
            round,
        }
    }

    fn options(&self) -> Options {
        Options {
            store: self.store.clone(),
            replica: None,
            listen: "127.0.0.1:0".parse().unwrap(),
            tls_certificate: self.provider.tls_certificate.clone(),
            tls_key: self.provider.tls_key.clone(),
            gateway_crl: None,
            operator_ca: None,
            operator_crl: None,
            gateway_ca: self.ca.clone(),
            signing_key: self.provider.signing_key.clone(),
            dashboard: None,
            witnesses: Vec::new(),
            metrics: None,
            otlp: None,
            limits: Limits {
                idle_seconds: 600,
                ..Limits::default()
            },
        }
    }

    fn seeds(&self) -> Vec<Seed> {
        let ids: Vec<ClientId> = self.gateways.iter().map(|gateway| gateway.id).collect();
        // Key packages play no part in the intake of frames: one per gateway serves all nets.
        let records: Vec<MemberRecord> = self
            .gateways
            .iter()
            .map(|gateway| self.member(gateway))
            .collect();
        let end = |client| EdgeEnd {
            client,
            agreement: Agreement::from_bytes([7; 32]),
        };
        let members: Vec<EpochMember> = records
            .iter()
            .enumerate()
            .map(|(index, record)| {
                let around = (1..=REACH).flat_map(|step| {
                    [
                        ids[(index + step) % ids.len()],
                        ids[(index + ids.len() - step) % ids.len()],
                    ]
                });
                EpochMember {
                    client: record.client,
                    package: record.package_hash(),
                    neighbours: around.map(end).collect(),
                    holders: ClientSet::default(),
                }
            })
            .collect();
        self.nets
            .iter()
            .map(|descriptor| Seed {
                descriptor: descriptor.clone(),
                authority: self.authority.clone(),
                members: records.clone(),
                epoch: EpochRecord::new(Epoch::new(1), self.round, members.clone()),
                outcomes: Vec::new(),
            })
            .collect()
    }

    /// Ends the round of every net with a sum that everybody is in. No server may run.
    async fn end_rounds(&self) {
        let ending = Ending {
            round: self.round.number(),
            status: RoundStatus::Complete,
            sums: Some(vec![1, 2, 3]),
            contributors: self.gateways.iter().map(|gateway| gateway.id).collect(),
            missing: Vec::new(),
        };
        for net in &self.nets {
            finish(&self.store, net, std::slice::from_ref(&ending))
                .await
                .unwrap();
        }
    }

    fn member(&self, gateway: &Gateway) -> MemberRecord {
        let key = signing_key(&gateway.files.sig_key);
        let chain = [
            CertificateDer::from_pem_file(&gateway.files.sig_certificate)
                .unwrap()
                .to_vec(),
        ];
        let package = KeyPackage {
            net: self.nets[0].net(),
            descriptor: self.nets[0].hash(),
            client: gateway.id,
            serial: 1,
            public_key: [9; 32],
        };
        MemberRecord {
            client: gateway.id,
            status: MemberStatus::Active,
            package: SignedKeyPackage::sign(package, &chain, &key),
            statement_key: key.verifying_key().to_sec1(),
            neighbourhood: None,
            exit: None,
            exit_round: Round::default(),
        }
    }

    fn request(&self, kind: Kind, net: usize, gateway: &Gateway) -> Request {
        let name = self.nets[net].net();
        let (path, body, answer) = match kind {
            Kind::Frame => {
                let body = self.frame(net, gateway.id, words_seed(net, gateway));
                let answer = Self::receipt(&body).encode();
                (format!("/v1/nets/{name}/frames"), body, answer)
            }
            Kind::Plain => {
                let body = self.plain(words_seed(net, gateway));
                let answer = Sha256::digest(&body).to_vec();
                (format!("/bench/nets/{name}/readings"), body, answer)
            }
        };
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MEDIA_TYPE}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend(body);
        Request { bytes, answer }
    }

    /// A frame of notification 5. Its words stand for a superposition: the provider cannot tell.
    fn frame(&self, net: usize, client: ClientId, seed: u64) -> Vec<u8> {
        let header = FrameHeader {
            net: self.nets[net].net(),
            descriptor: self.nets[net].hash(),
            client,
            transmission: true,
            epoch: Epoch::new(1),
            round: self.round,
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(header.encode());
        bytes.push(5);
        bytes.extend(24_u16.to_be_bytes());
        bytes.extend(words(seed).flat_map(u64::to_be_bytes));
        bytes.push(0); // no self-mask
        bytes
    }

    fn receipt(frame: &[u8]) -> Receipt {
        let decoded = Frame::decode(frame).unwrap();
        let header = decoded.header();
        Receipt {
            net: header.net,
            descriptor: header.descriptor,
            client: header.client,
            epoch: header.epoch,
            round: header.round,
            notification: decoded.notification(),
            frame_hash: Sha256::digest(frame).into(),
        }
    }

    fn plain(&self, seed: u64) -> Vec<u8> {
        let mut bytes = self.round.number().to_be_bytes().to_vec();
        bytes.extend(words(seed).flat_map(u64::to_be_bytes));
        bytes
    }
}

fn words_seed(net: usize, gateway: &Gateway) -> u64 {
    let index: u64 = gateway.id.as_str()[3..].parse().unwrap();
    u64::try_from(net).unwrap() << 32 | index
}

/// Three words without any pattern (splitmix64).
fn words(seed: u64) -> impl Iterator<Item = u64> {
    (1..=3_u64).map(move |step| {
        let mut z = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

fn signing_key(path: &Path) -> SigningKey {
    SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// An interval and its round such that the round takes frames for the next minutes and does not
/// become final meanwhile.
fn open_round() -> (u32, Round) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    (7200..10_000)
        .find_map(|interval: u32| {
            let (long, half) = (u64::from(interval), u64::from(interval / 2));
            let round = now / long;
            let (opens, border) = ((round + 1) * long - half, (round + 1) * long);
            (opens + 60 < now && now + 900 < border).then_some((interval, Round::new(round)))
        })
        .expect("one of many intervals fits")
}

fn parameters(index: usize, interval: u32, key: &SigningKey, authority: &[u8]) -> NetParameters {
    let slot = |c, unit, scale| SlotSpec {
        obis: [1, 0, c, 8, 0, 255],
        unit,
        scale,
    };
    NetParameters {
        version: 1,
        net: format!("net-{index:05}").parse::<NetId>().unwrap(),
        region: Vec::new(),
        interval_s: interval,
        submit_window_s: interval / 2,
        correction_window_s: 0,
        slots: vec![slot(1, 30, -1), slot(2, 30, -1), slot(16, 27, 0)],
        min_size: 4,
        out_degree: 4,
        threshold: 3,
        max_loss_permille: 50,
        correction_mode: CorrectionMode::Resend,
        epoch_length: 1,
        provider_key: key.verifying_key().to_sec1(),
        ca_fingerprint: Sha256::digest(authority).into(),
    }
}
