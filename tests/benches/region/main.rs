//! How many gateways two cores carry: a region of up to a million, simulated, at a provider that is real.
//!
//! Two things are measured. *The service*: all gateways of the region, without TLS. The provider is a
//! process of its own; requests reach the interface that the handlers of HTTPS call in batches over a
//! Unix socket, every frame is durable before its receipt, and every sum is compared with that of the
//! readings. *HTTPS*: gateways of one net with certificates and connections of their own. What HTTPS
//! takes for a gateway beyond the service is added to what the service takes in a large region.
//!
//! Real: the provider, its store, the protocol, frames, pads, self-masks, shares, rosters, receipts,
//! signatures of the provider. Not real: keys of edges and shares, which come from a cheap function of
//! both ends; seeds of self-masks with their shares, which come out of a pool; what gateways signed when they came, of which one signature stands for all (it was
//! checked then, and is not read again); time between two rounds, which is as short as the size allows.
//!
//! `cargo bench -p dcnet-tests --bench region`; CONTRIBUTING.md lists the variables that choose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a benchmark that cannot go on has nothing to measure, and measures no energy"
)]

mod chart;
mod course;
mod driver;
mod epochs;
mod masking;
mod provider;
mod report;
mod settings;
mod shelf;
#[path = "../stores/mod.rs"]
mod stores;
mod tls;
mod wire;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use dcnet_protocol::round::Round;
use dcnet_protocol::signature::SigningKey;
use dcnet_provider::bench::seed;
use dcnet_provider::pki::{Authority, create_provider};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Runtime;

use course::Course;
use driver::{Driver, RoundTimes, now};
use provider::Provider;
use report::{Measured, Report};
use settings::{Engine, Run, Settings};
use stores::Store;
use world::{Keys, Region};

/// That of the provider, which is a process of this program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if provider::is_one() {
        return;
    }
    let settings = Settings::read();
    let folder = match &settings.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.unwrap();
    let (keys, authority) = keys(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    report::print_head();
    let mut report = Report {
        epochs: Some(epochs::measure(&settings, &keys)),
        ..Report::default()
    };
    for run in &settings.runs {
        let measured = carry(&runtime, &settings, *run, &keys, folder.path());
        report.add(measured);
        // The next size may take an hour, or more than this machine has.
        write(&settings, &report);
    }
    if settings.tls > 0 {
        let https = tls::measure(&runtime, &settings, &keys, &authority, folder.path());
        report.https = Some(https);
    }
    report.print();
    write(&settings, &report);
}

fn write(settings: &Settings, report: &Report) {
    let json = report.json();
    if let Some(path) = &settings.json {
        std::fs::write(path, format!("{json:#}\n")).unwrap();
    }
    if let Some(path) = &settings.svg {
        let earlier = settings.beside.iter().map(|path| {
            let text = std::fs::read_to_string(path).expect("DCNET_REGION_BESIDE");
            serde_json::from_str(&text).expect("DCNET_REGION_BESIDE")
        });
        let reports: Vec<serde_json::Value> = earlier.chain([json]).collect();
        std::fs::write(path, chart::svg(&reports)).unwrap();
    }
}

fn keys(folder: &Path) -> (Keys, Authority) {
    let names = ["localhost".to_owned()];
    let provider = create_provider(&folder.join("provider"), &names, 2).unwrap();
    let authority = Authority::create(&folder.join("ca")).unwrap();
    let one = folder.join("one");
    let gateway = authority.issue(&"gw".parse().unwrap(), &one, 2).unwrap();
    let signing =
        |path: &Path| SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap();
    let certificate = |path: &Path| CertificateDer::from_pem_file(path).unwrap().to_vec();
    let keys = Keys {
        provider: signing(&provider.signing_key),
        authority: certificate(&authority.certificate_path()),
        statement: signing(&gateway.sig_key),
        certificate: certificate(&gateway.sig_certificate),
    };
    (keys, authority)
}

/// One line of the table.
fn carry(runtime: &Runtime, settings: &Settings, run: Run, keys: &Keys, folder: &Path) -> Measured {
    let pace = settings.pace(&run);
    let region = Arc::new(Region::new(run.size, settings.net, run.mode, &pace, keys));
    let store = match run.engine {
        Engine::Sqlite => Store::sqlite(folder, &format!("{}.sqlite3", driver::next_number())),
        Engine::Postgres => {
            let name = driver::next_number().to_string();
            runtime.block_on(Store::postgres(&name)).unwrap()
        }
    };
    let schedule = region.nets[0].descriptor.schedule();
    let lead = settings.lead(run.size) + u64::from(pace.interval);
    let first = schedule.round_at(now().plus_millis(lead * 1000));
    runtime.block_on(sow(&region, &store, first, keys));
    let seeded = runtime.block_on(store.used());
    let started = Instant::now();
    let provider = Provider::direct(folder, &store.location());
    let restored = started.elapsed();
    let (resident, _) = provider.memory();
    let driver = Driver::connect(Arc::clone(&region), provider.socket(), settings);
    let mut driver = runtime.block_on(driver);
    let journal = runtime.block_on(store.journal());
    let (cpu, database) = (provider.cpu(), store.cpu());
    let mut times: Vec<RoundTimes> = Vec::new();
    let mut course = Course::default();
    let mut round = first;
    for number in 1..=run.rounds {
        let next = (number < run.rounds).then(|| round.next());
        let passed = runtime.block_on(driver.round(round, next));
        let used = runtime.block_on(store.used());
        course.add(run.rounds, &passed, provider.memory().0, used);
        times.push(passed);
        let behind = driver.behind(round);
        let passed_over = behind.number() - round.number() - 1;
        if passed_over > 0 {
            eprintln!(
                "{passed_over} rounds are passed over: their borders were before the end of this one"
            );
        }
        round = behind;
    }
    let (cpu, database) = (provider.cpu() - cpu, store.cpu() - database);
    let (_, peak) = provider.memory();
    let journal = runtime.block_on(store.journal()) - journal;
    // What is asked for here are pages that are not free: a file does not shrink.
    let after = runtime.block_on(store.used());
    drop(driver);
    drop(provider);
    runtime.block_on(store.remove());
    Measured::new(run, &region, times)
        .with_costs((cpu, database), (resident, peak), restored)
        .with_disk(seeded, after, journal)
        .with_course(course)
}

/// Writes the state of all nets, some nets at a time.
async fn sow(region: &Region, store: &Store, first: Round, keys: &Keys) {
    let Ok(location) = store.location().parse();
    for nets in region.nets.chunks(20) {
        let seeds: Vec<_> = nets
            .iter()
            .map(|net| region.seed(net, first, keys))
            .collect();
        seed(&location, &seeds).await.unwrap();
    }
}
