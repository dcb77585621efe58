//! Members as the protocol core makes them, driven over HTTPS by hand.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire;
use dcnet_protocol::gateway::{
    Gateway as Core, GatewayState, Input, Output, Phase, Policy, Request, Setup,
};
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::membership::proof::DrawListView;
use dcnet_protocol::membership::witness::Quorum;
use dcnet_protocol::message::SignedReceipt;
use dcnet_protocol::round::Round;
use dcnet_protocol::superposition::Reading;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use reqwest::StatusCode;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::{Answer, Gateway, Lab, Net, Server, now, roster_path};

/// A member: what it persists stays in memory, what it sends goes over the wire.
pub struct Machine {
    pub gateway: Gateway,
    core: Core,
    rng: ChaCha20Rng,
    /// Draws from lists of so many members only.
    pub draws_from: Option<u32>,
    /// Rosters beyond this step are not shown to it.
    pub last_step: u8,
    /// What it told its owner.
    pub reports: Vec<String>,
}

impl Machine {
    pub fn new(lab: &Lab, net: &Net, name: &str, seed: u64) -> Self {
        let gateway = lab.gateway(name);
        let der = |path| CertificateDer::from_pem_file(path).unwrap().to_vec();
        let setup = Setup {
            descriptor: net.descriptor.clone(),
            client: gateway.id,
            key: gateway.key.clone(),
            chain: vec![der(&gateway.files.sig_certificate)],
            anchor: TrustAnchor::from_der(&der(&lab.authority.certificate_path())).unwrap(),
            policy: Policy {
                min_size: 4,
                allow_resend: false,
                witnesses: Quorum::default(),
            },
        };
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let state = GatewayState::fresh(now(), &mut rng);
        Self {
            core: Core::new(setup, state).unwrap(),
            gateway,
            rng,
            draws_from: None,
            last_step: u8::MAX,
            reports: Vec::new(),
        }
    }

    /// Hands in `input`, and everything that the provider answers to what comes of it.
    pub async fn tell(&mut self, server: &Server, net: &Net, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.core.handle(now(), input, &mut self.rng) {
                match output {
                    Output::Persist(_) => {}
                    Output::Report(report) => self.reports.push(format!("{report:?}")),
                    Output::Send(request) => {
                        inputs.extend(self.send(server, net, request).await);
                    }
                }
            }
        }
    }

    /// Looks into the inbox, and goes on.
    pub async fn step(&mut self, server: &Server, net: &Net) {
        let after = self.core.inbox_position();
        for delivery in self.gateway.inbox(server, net, after, 0).await.deliveries {
            self.tell(server, net, Input::Delivery(delivery)).await;
        }
        self.tell(server, net, Input::Poll).await;
        self.tell(server, net, Input::Retry).await;
    }

    pub async fn submit(&mut self, server: &Server, net: &Net, round: Round, values: [i64; 2]) {
        let reading = Some(Reading::new(values.to_vec()).unwrap());
        self.tell(server, net, Input::Submit { round, reading })
            .await;
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.core.phase(now())
    }

    /// Active members, as it knows them.
    fn members(&self) -> usize {
        self.core.epoch(now()).map_or(0, |(_, members, _)| members)
    }

    async fn send(&self, server: &Server, net: &Net, request: Request) -> Option<Input> {
        let base = format!("/v1/nets/{}", net.id);
        match request {
            Request::Frame {
                notification,
                bytes,
                ..
            } => {
                let answer = self.gateway.frame(server, net, &bytes).await;
                Some(if answer.status.is_success() {
                    Input::Accepted(Box::new(SignedReceipt::decode(&answer.body).unwrap()))
                } else {
                    let slug = slug(&answer);
                    Input::Refused { notification, slug }
                })
            }
            Request::Envelope(envelope) => {
                let path = format!("{base}/envelopes");
                let answer = self.gateway.post(server, &path, envelope.encode()).await;
                let taken = answer.status.is_success();
                taken.then(|| Input::Relayed(envelope.header().clone()))
            }
            Request::DrawList { from } => {
                let path = format!("{base}/log/draw-list?from={from}");
                let answer = self.gateway.get(server, &path).await;
                if answer.status == StatusCode::NOT_FOUND {
                    // Not in a list yet.
                    assert_eq!(slug(&answer), "not-listed");
                    return None;
                }
                let view = DrawListView::decode(&answer.ok()).unwrap();
                let LogEntry::DrawList(list) = &view.proof.entry else {
                    panic!("{view:?}");
                };
                let large = self.draws_from.is_some_and(|least| list.members >= least);
                large.then(|| Input::DrawList(Box::new(view)))
            }
            Request::Listed { list, at } => {
                let at: Vec<String> = at.iter().map(u32::to_string).collect();
                let path = format!("{base}/log/{list}/members?at={}", at.join(","));
                let bytes = self.gateway.get(server, &path).await.ok();
                Some(Input::Listed(Box::new(Wire::decode(&bytes).unwrap())))
            }
            Request::CommonLog { small, large } => {
                let path = format!("{base}/log/common?small={small}&large={large}");
                let bytes = self.gateway.get(server, &path).await.ok();
                Some(Input::CommonLog(Box::new(Wire::decode(&bytes).unwrap())))
            }
            Request::LogProof { index, from } => {
                let path = format!("{base}/log/{index}?from={from}");
                let bytes = self.gateway.get(server, &path).await.ok();
                Some(Input::LogProof(Box::new(Wire::decode(&bytes).unwrap())))
            }
            Request::Package(client) => {
                let path = format!("{base}/members/{client}");
                let bytes = self.gateway.get(server, &path).await.ok();
                Some(Input::Package(Box::new(Wire::decode(&bytes).unwrap())))
            }
            Request::Roster { after, .. } if after >= self.last_step => None,
            Request::Roster { round, after } => {
                let path = roster_path(net, round, after, 0);
                let bytes = self.gateway.get(server, &path).await.ok();
                let shown = !bytes.is_empty();
                shown.then(|| Input::Roster(Box::new(Wire::decode(&bytes).unwrap())))
            }
        }
    }
}

/// The stable name of a problem.
fn slug(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let kind = body["type"].as_str().unwrap();
    kind.strip_prefix("urn:dcnet:problem:").unwrap().to_owned()
}

/// Lets all of them register, draw and enter; returns when an epoch with all of them is in force.
pub async fn join(server: &Server, net: &Net, machines: &mut [Machine]) {
    for machine in &mut *machines {
        machine.tell(server, net, Input::Join).await;
    }
    let everybody = machines.len();
    for machine in &mut *machines {
        machine.draws_from = u32::try_from(everybody).ok();
    }
    let started = Instant::now();
    while machines
        .iter()
        .any(|machine| machine.members() != everybody)
    {
        let reports: Vec<_> = machines.iter().map(|machine| &machine.reports).collect();
        assert!(started.elapsed() < Duration::from_mins(2), "{reports:#?}");
        for machine in &mut *machines {
            machine.step(server, net).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
