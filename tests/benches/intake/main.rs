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

mod connection;
mod lab;
mod rate;
mod requests;
mod room;
#[path = "../stores/mod.rs"]
mod stores;

use dcnet_provider::bench::seed;
use dcnet_provider::server::start_with_plain_readings;
use tokio::runtime::{Builder, Runtime};

use connection::Connection;
use lab::Lab;
use rate::{print_rates, run, thousandths};
use requests::{Kind, Request};
use room::{Room, on_disk, print_room, room};
use stores::Store;

/// Measured runs of each kind; they alternate.
const TURNS: usize = 50;

/// That of the provider, which is here a part of this program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
            connections.push(Connection::open(gateway, &lab.provider, address).await);
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
