//! What HTTPS adds: gateways that each have a certificate and a connection of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::Signed;
use dcnet_provider::bench::seed;
use dcnet_provider::pki::{Authority, GatewayFiles};
use dcnet_provider::server::MEDIA_TYPE;
use reqwest::Client;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::driver::{instant, now};
use crate::provider::{Provider, files};
use crate::settings::{Mode, Settings};
use crate::stores::Store;
use crate::world::{Keys, Region};

/// What a way of connecting takes of the provider.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Processor time for a gateway and a round, in microseconds.
    pub(crate) cpu: u64,
    /// What of it is a handshake: every look into the inbox takes one more then, since between two
    /// looks a connection is idle for longer than either side keeps it.
    pub(crate) handshake: u64,
    /// Microseconds from the request with a frame to its receipt, for the gateway: 50 and 99 of 100.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
}

/// What was found.
pub(crate) struct Https {
    pub(crate) gateways: usize,
    pub(crate) ways: Vec<Way>,
    /// Memory of the provider for each connection that is kept, in bytes.
    pub(crate) connection: u64,
    /// Processor time of a look into an empty inbox over a kept connection, in microseconds.
    pub(crate) look: u64,
}

/// Looks of each gateway, of which the processor time of one is the mean.
const LOOKS: u64 = 20;

/// Rounds of one double-mask net over HTTPS, connections kept and connections made anew.
pub(crate) fn measure(
    runtime: &Runtime,
    settings: &Settings,
    keys: &Keys,
    authority: &Authority,
    folder: &Path,
) -> Https {
    let pace = settings.tls_pace();
    let region = Region::new(settings.tls, settings.tls, Mode::DoubleMask, &pace, keys);
    let region = Arc::new(region);
    let configs = configs(&region, authority, folder);
    let store = Store::sqlite(folder, "https.sqlite3");
    let schedule = region.nets[0].descriptor.schedule();
    let lead = settings.lead(settings.tls) + 2;
    let mut round = schedule.round_at(now().plus_millis(lead * 1000));
    let seeds = [region.seed(&region.nets[0], round, keys)];
    let Ok(location) = store.location().parse();
    runtime.block_on(seed(&location, &seeds)).unwrap();
    let provider = Provider::tls(folder, &store.location());
    let url = format!(
        "https://localhost:{}/v1/nets/net-00000",
        provider.address().port()
    );
    let gateways = Gateways {
        region: Arc::clone(&region),
        configs,
        url,
    };

    let mut ways = Vec::new();
    let kept = gateways.clients();
    let before = provider.memory().0;
    runtime.block_on(gateways.touch(&kept, &gateways.url));
    let connection = provider.memory().0.saturating_sub(before) / settings.tls as u64;
    let cpu = provider.cpu();
    let inbox = format!("{}/inbox?after=0&wait=0", gateways.url);
    for _ in 0..LOOKS {
        runtime.block_on(gateways.touch(&kept, &inbox));
    }
    let look = (provider.cpu() - cpu) / (settings.tls as u64 * LOOKS);
    for name in ["connections kept", "a handshake each round"] {
        let cpu = provider.cpu();
        let mut times = Vec::new();
        for _ in 0..settings.tls_rounds {
            let clients = if name == "connections kept" {
                kept.clone()
            } else {
                gateways.clients()
            };
            times.extend(runtime.block_on(gateways.round(clients, round)));
            round = round.next();
        }
        times.sort_unstable();
        let cpu = (provider.cpu() - cpu) / (settings.tls as u64 * settings.tls_rounds);
        ways.push(Way {
            name,
            cpu,
            handshake: cpu - ways.first().map_or(cpu, |kept: &Way| kept.cpu.min(cpu)),
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
        });
    }
    drop(kept);
    drop(provider);
    runtime.block_on(store.remove());
    Https {
        gateways: settings.tls,
        ways,
        connection,
        look,
    }
}

struct Gateways {
    region: Arc<Region>,
    configs: Vec<ClientConfig>,
    url: String,
}

/// Of each gateway, with a certificate of its own.
fn configs(region: &Region, authority: &Authority, folder: &Path) -> Vec<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(files(folder).root_certificate).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let roots = Arc::new(roots);
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let names = region.nets[0].names.iter();
    names
        .map(|name| {
            let own = folder.join("gateways").join(name.as_str());
            let files: GatewayFiles = authority.issue(name, &own, 2).unwrap();
            let chain = CertificateDer::pem_file_iter(&files.tls_certificate)
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let key = PrivateKeyDer::from_pem_file(&files.tls_key).unwrap();
            ClientConfig::builder_with_provider(Arc::clone(&crypto))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(Arc::clone(&roots))
                .with_client_auth_cert(chain, key)
                .unwrap()
        })
        .collect()
}

impl Gateways {
    /// Without a connection yet. The version of HTTP is agreed on as the gateway does it.
    fn clients(&self) -> Vec<Client> {
        let client = |config: &ClientConfig| {
            Client::builder()
                .tls_backend_preconfigured(config.clone())
                .no_proxy()
                .retry(reqwest::retry::never())
                .pool_idle_timeout(None)
                .build()
                .unwrap()
        };
        self.configs.iter().map(client).collect()
    }

    /// Asks once with each, which opens connections that are not open.
    async fn touch(&self, clients: &[Client], url: &str) {
        let mut tasks = JoinSet::new();
        for client in clients {
            let asked = client.get(url).send();
            tasks.spawn(async move {
                let response = asked.await.unwrap().error_for_status().unwrap();
                response.bytes().await.unwrap()
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }

    /// A round of all gateways; how long each frame took, in microseconds.
    async fn round(&self, clients: Vec<Client>, round: Round) -> Vec<u64> {
        let net = &self.region.nets[0];
        let frames =
            (0..clients.len()).map(|index| self.region.frame(net, index, round).0.encode());
        let frames: Vec<Vec<u8>> = frames.collect();
        let border = instant(net.descriptor.schedule().border(round));
        assert!(Instant::now() < border, "raise DCNET_REGION_PACE");
        tokio::time::sleep_until(border.into()).await;
        let mut tasks = JoinSet::new();
        for (index, (client, frame)) in clients.into_iter().zip(frames).enumerate() {
            let region = Arc::clone(&self.region);
            let url = self.url.clone();
            tasks
                .spawn(async move { take_part(&region, index, round, &client, &url, frame).await });
        }
        let mut times = Vec::new();
        while let Some(time) = tasks.join_next().await {
            times.push(time.unwrap());
        }
        times
    }
}

/// One gateway in one round.
async fn take_part(
    region: &Region,
    index: usize,
    round: Round,
    client: &Client,
    url: &str,
    frame: Vec<u8>,
) -> u64 {
    let begin = Instant::now();
    post(client, url, frame).await;
    let took = u64::try_from(begin.elapsed().as_micros()).unwrap();
    let net = &region.nets[0];
    let look = format!("{url}/rounds/{round}/roster?after=0&wait=25");
    let bytes = loop {
        let response = client.get(&look).send().await.unwrap();
        let response = response.error_for_status().unwrap();
        let bytes = response.bytes().await.unwrap();
        if !bytes.is_empty() {
            break bytes;
        }
    };
    let roster = Signed::<Roster>::decode(&bytes).unwrap();
    let roster = roster.verify(net.descriptor.provider_key()).unwrap();
    assert!(roster.reveal(), "a frame was late: raise DCNET_REGION_PACE");
    post(client, url, region.answer(net, index, round, roster)).await;
    took
}

async fn post(client: &Client, url: &str, body: Vec<u8>) {
    let request = client.post(format!("{url}/frames"));
    let request = request.header("content-type", MEDIA_TYPE).body(body);
    let response = request
        .timeout(Duration::from_mins(1))
        .send()
        .await
        .unwrap();
    let status = response.status();
    let text = response.bytes().await.unwrap();
    assert!(
        status.is_success(),
        "{status}: {}",
        String::from_utf8_lossy(&text)
    );
}
