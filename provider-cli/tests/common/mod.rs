//! A laboratory: certificates, a store with nets, the real `dcnet` process, and gateways that
//! speak HTTPS with client certificates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "shared by several test binaries, each of which uses a part"
)]

pub mod machine;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor};
use dcnet_protocol::envelope::{Envelope, EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader, PROTOCOL};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::edge::{EdgeEnd, EdgeSet};
use dcnet_protocol::membership::entry::{ExitStatement, Neighbourhood};
use dcnet_protocol::message::{Inbox, Manifest, Message, Receipt, SignedReceipt};
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round, UnixTime};
use dcnet_protocol::self_mask::{SelfMask, ShareKey};
use dcnet_protocol::signature::{Signed, SigningKey};
use dcnet_provider::pki::{Authority, GatewayFiles, ProviderFiles, create_provider};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;

pub const MEDIA_TYPE: &str = "application/vnd.dcnet";
pub const PROBLEM: &str = "application/problem+json";

pub struct Lab {
    pub folder: TempDir,
    pub authority: Authority,
    pub provider: ProviderFiles,
}

impl Lab {
    pub fn new() -> Self {
        // Every test in the process asks for the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("ca")).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let provider = create_provider(&folder.path().join("provider"), &names, 30).unwrap();
        Self {
            folder,
            authority,
            provider,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store.sqlite3")
    }

    /// Bytes of everything that belongs to the store.
    pub fn everything_on_disk(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("store.sqlite3") {
                bytes.extend(std::fs::read(path).unwrap());
            }
        }
        bytes
    }

    /// Runs `dcnet` to its end.
    pub fn dcnet(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dcnet"))
            .args(args)
            .arg("--store")
            .arg(self.store())
            .output()
            .unwrap()
    }

    pub fn dcnet_json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.dcnet(args);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// A net that corrects by resending, with rounds of 5 s: 2 s to submit, 1 s to correct. It takes
    /// the frames of a round from 2 s before the border until 2 s after it.
    pub fn create_net(&self, name: &str) {
        self.create_net_with(
            name,
            &self.authority.certificate_path(),
            &["--interval", "5s"],
        );
    }

    pub fn create_net_with(&self, name: &str, ca: &Path, args: &[&str]) {
        let defaults = [
            "--submit-window",
            "2s",
            "--correction-window",
            "1s",
            "--mode",
            "resend",
            "--degree",
            "3",
            "--threshold",
            "2",
        ];
        let given: Vec<&str> = defaults
            .chunks(2)
            .filter(|pair| !args.contains(&pair[0]))
            .flatten()
            .copied()
            .collect();
        let output = self.dcnet(
            &[
                &["net", "create", name, "--min-size", "4"][..],
                &["--slot", "1-0:1.8.0,Wh,-1", "--slot", "1-0:16.7.0,W,0"],
                &["--gateway-ca", ca.to_str().unwrap()],
                &["--signing-key", self.provider.signing_key.to_str().unwrap()],
                &given[..],
                args,
            ]
            .concat(),
        );
        assert!(output.status.success(), "{output:?}");
    }

    /// A net that corrects by double masks, of five of whom one may be missing in a round: rounds of
    /// 12 s, 2 s to submit, 8 s to correct.
    pub fn create_masked_net(&self, name: &str) {
        self.create_net_with(
            name,
            &self.authority.certificate_path(),
            &[
                "--mode",
                "double-mask",
                "--interval",
                "12s",
                "--correction-window",
                "8s",
                "--degree",
                "4",
                "--threshold",
                "3",
                "--max-loss",
                "250",
            ],
        );
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&self.authority.certificate_path(), &[])
    }

    pub fn serve_with(&self, ca: &Path, args: &[&str]) -> Server {
        Server::spawn(&mut self.serve_command(ca, args))
    }

    /// `dcnet serve`, not started yet.
    pub fn serve_command(&self, ca: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcnet"));
        command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0"])
            .arg("--store")
            .arg(self.store())
            .arg("--tls-cert")
            .arg(&self.provider.tls_certificate)
            .arg("--tls-key")
            .arg(&self.provider.tls_key)
            .arg("--gateway-ca")
            .arg(ca)
            .arg("--signing-key")
            .arg(&self.provider.signing_key)
            .args(args);
        command
    }

    pub fn gateway(&self, name: &str) -> Gateway {
        self.gateway_of(&self.authority, name)
    }

    pub fn gateway_of(&self, authority: &Authority, name: &str) -> Gateway {
        let id: ClientId = name.parse().unwrap();
        let out = self.path("gateways").join(name);
        let files = if out.exists() {
            GatewayFiles::in_folder(&out)
        } else {
            authority.issue(&id, &out, 30).unwrap()
        };
        let pem = std::fs::read_to_string(&files.sig_key).unwrap();
        let http = self.http(Some((&files.tls_certificate, &files.tls_key)));
        Gateway {
            id,
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
            files,
            http,
        }
    }

    pub fn http(&self, identity: Option<(&Path, &Path)>) -> Client {
        let root = std::fs::read(&self.provider.root_certificate).unwrap();
        let root = reqwest::Certificate::from_pem(&root).unwrap();
        let mut builder = Client::builder()
            .tls_certs_only([root])
            .timeout(Duration::from_secs(40));
        if let Some((certificate, key)) = identity {
            let mut pem = std::fs::read(certificate).unwrap();
            pem.extend(std::fs::read(key).unwrap());
            builder = builder.identity(reqwest::Identity::from_pem(&pem).unwrap());
        }
        builder.build().unwrap()
    }
}

/// The real process; killed if a test forgets it.
pub struct Server {
    pub url: String,
    child: Option<Child>,
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts a command that says where it listens.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Some(url) = line.trim_end().strip_prefix("listening on ") else {
            child.wait().unwrap();
            panic!("not ready: {}", log.join().unwrap());
        };
        Self {
            url: url.to_owned(),
            child: Some(child),
            log: Some(log),
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Ends with `signal`: how it ended, and its log.
    pub fn end(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        self.wait()
    }

    pub fn wait(&mut self) -> (ExitStatus, String) {
        let status = self.child.take().unwrap().wait().unwrap();
        (status, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

pub struct Gateway {
    pub id: ClientId,
    pub key: SigningKey,
    pub files: GatewayFiles,
    pub http: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub media_type: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let status = response.status();
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        assert!(response.headers().contains_key("date"));
        let body = response.bytes().await.unwrap().to_vec();
        Self {
            status,
            media_type,
            body,
        }
    }

    pub fn ok(self) -> Vec<u8> {
        assert!(
            self.status.is_success(),
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        self.body
    }

    /// Asserts that these are problem details of the given status and type; gives their detail.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.media_type, PROBLEM, "{} {text}", self.status);
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["type"], format!("urn:dcnet:problem:{slug}"), "{text}");
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(body["status"], status, "{text}");
        assert!(!body["title"].as_str().unwrap().is_empty(), "{text}");
        let detail = body["detail"].as_str().unwrap();
        assert!(!detail.is_empty(), "{text}");
        detail.to_owned()
    }
}

impl Gateway {
    pub async fn get(&self, server: &Server, path: &str) -> Answer {
        let url = format!("{}{path}", server.url);
        Answer::of(self.http.get(url).send().await.unwrap()).await
    }

    pub async fn request(&self, server: &Server, method: Method, path: &str) -> Answer {
        let url = format!("{}{path}", server.url);
        Answer::of(self.http.request(method, url).send().await.unwrap()).await
    }

    pub async fn post(&self, server: &Server, path: &str, body: Vec<u8>) -> Answer {
        let url = format!("{}{path}", server.url);
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    pub async fn frame(&self, server: &Server, net: &Net, frame: &[u8]) -> Answer {
        self.post(
            server,
            &format!("/v1/nets/{}/frames", net.id),
            frame.to_vec(),
        )
        .await
    }

    pub async fn inbox(&self, server: &Server, net: &Net, after: u64, wait: u64) -> Inbox {
        let path = format!("/v1/nets/{}/inbox?after={after}&wait={wait}", net.id);
        Inbox::decode(&self.get(server, &path).await.ok()).unwrap()
    }

    /// The first roster of `round` behind step `after`, with its bytes.
    pub async fn roster(
        &self,
        server: &Server,
        net: &Net,
        (round, after): (Round, u8),
        wait: u64,
    ) -> Option<(Roster, Vec<u8>)> {
        let path = roster_path(net, round, after, wait);
        let answer = self.get(server, &path).await;
        if answer.status == StatusCode::NO_CONTENT {
            return None;
        }
        let bytes = answer.ok();
        let signed = Signed::<Roster>::decode(&bytes).unwrap();
        let roster = signed.verify(net.descriptor.provider_key()).unwrap();
        Some((roster.clone(), bytes))
    }

    pub fn package(&self, net: &Net, serial: u64) -> SignedKeyPackage {
        let chain = [CertificateDer::from_pem_file(&self.files.sig_certificate)
            .unwrap()
            .to_vec()];
        let package = KeyPackage {
            net: net.id,
            descriptor: net.descriptor.hash(),
            client: self.id,
            serial,
            public_key: [7; 32],
        };
        SignedKeyPackage::sign(package, &chain, &self.key)
    }

    /// This gateway as the other end of an edge; all edges have one agreement.
    pub fn end(&self) -> EdgeEnd {
        EdgeEnd {
            client: self.id,
            agreement: Agreement::from_bytes([5; 32]),
        }
    }

    /// Notification 1.
    pub fn register_frame(&self, net: &Net) -> Vec<u8> {
        let package = Box::new(self.package(net, 1));
        let body = FrameBody::Register {
            package,
            emergency: false,
        };
        Frame::control(net.header(self.id), body).unwrap().encode()
    }

    /// Notification 3.
    pub fn exit_frame(&self, net: &Net, serial: u64) -> Vec<u8> {
        let statement = ExitStatement {
            net: net.id,
            descriptor: net.descriptor.hash(),
            client: self.id,
            serial,
            neighbours: ClientSet::default(),
        };
        let body = FrameBody::Exiting(self.key.sign(statement));
        Frame::control(net.header(self.id), body).unwrap().encode()
    }

    /// Notification 2. In a double-mask net all neighbours are holders.
    pub fn entered_frame(&self, net: &Net, serial: u64, neighbours: EdgeSet) -> Vec<u8> {
        let holders = match net.descriptor.correction_mode() {
            CorrectionMode::Resend => ClientSet::default(),
            CorrectionMode::DoubleMask => neighbours.clients(),
        };
        self.entered_frame_with(net, serial, neighbours, holders)
    }

    /// Notification 2 with holders of one's choice.
    pub fn entered_frame_with(
        &self,
        net: &Net,
        serial: u64,
        neighbours: EdgeSet,
        holders: ClientSet,
    ) -> Vec<u8> {
        let statement = Neighbourhood {
            net: net.id,
            descriptor: net.descriptor.hash(),
            client: self.id,
            package: self.package(net, 1).unverified().hash(),
            serial,
            neighbours,
            holders,
        };
        let body = FrameBody::Entered(self.key.sign(statement));
        Frame::control(net.header(self.id), body).unwrap().encode()
    }

    pub fn envelope(&self, net: &Net, to: ClientId) -> Vec<u8> {
        let header = EnvelopeHeader {
            net: net.id,
            descriptor: net.descriptor.hash(),
            from: self.id,
            to,
            kind: EnvelopeKind::EdgeOffer,
        };
        let mut bytes = header.encode();
        bytes.extend([1; 24]);
        bytes.extend(84_u32.to_be_bytes());
        bytes.extend([2; 84]);
        Envelope::decode(&bytes).unwrap();
        bytes
    }

    /// Waits for the next manifest in the inbox behind `after`.
    pub async fn manifest(&self, server: &Server, net: &Net) -> Manifest {
        let mut after = 0;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            for delivery in self.inbox(server, net, after, 10).await.deliveries {
                after = delivery.sequence;
                if let Message::Manifest(manifest) = delivery.message {
                    let key = net.descriptor.provider_key();
                    return manifest.verify(key).unwrap().clone();
                }
            }
        }
        panic!("no manifest came");
    }
}

/// A net as a gateway fetched it.
pub struct Net {
    pub id: NetId,
    pub descriptor: NetDescriptor,
}

impl Net {
    pub async fn fetch(server: &Server, gateway: &Gateway, name: &str) -> Self {
        let bytes = gateway.get(server, &format!("/v1/nets/{name}")).await.ok();
        Self {
            id: name.parse().unwrap(),
            descriptor: NetDescriptor::decode(&bytes).unwrap(),
        }
    }

    pub fn header(&self, client: ClientId) -> FrameHeader {
        FrameHeader {
            net: self.id,
            descriptor: self.descriptor.hash(),
            client,
            transmission: false,
            epoch: Epoch::new(0),
            round: Round::new(0),
        }
    }

    /// Notification 5 with words that stand for a superposition: nothing here holds pads.
    pub fn transmit(&self, client: ClientId, epoch: u64, round: Round, words: &[u64]) -> Vec<u8> {
        self.transmit_with(client, (epoch, round), words, None)
    }

    /// Notification 5 with what stands for a self-mask.
    pub fn transmit_with(
        &self,
        client: ClientId,
        (epoch, round): (u64, Round),
        words: &[u64],
        mask: Option<&SelfMask>,
    ) -> Vec<u8> {
        let header = FrameHeader {
            transmission: true,
            epoch: Epoch::new(epoch),
            round,
            ..self.header(client)
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(header.encode());
        bytes.push(5);
        bytes.extend(superposition(words));
        bytes.push(u8::from(mask.is_some()));
        bytes.extend(mask.map(Wire::encode).unwrap_or_default());
        Frame::decode(&bytes).unwrap();
        bytes
    }

    /// Notification 6 with words that stand for pads.
    pub fn pads(&self, client: ClientId, roster: &Roster, words: &[u64]) -> Vec<u8> {
        let header = FrameHeader {
            epoch: roster.epoch(),
            round: roster.round(),
            ..self.header(client)
        };
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(header.encode());
        bytes.push(6);
        bytes.extend(roster.hash().encode());
        bytes.extend(superposition(words));
        Frame::decode(&bytes).unwrap();
        bytes
    }

    /// Notification 7.
    pub fn reveal(&self, client: ClientId, roster: &Roster, keys: Vec<ShareKey>) -> Vec<u8> {
        let header = FrameHeader {
            epoch: roster.epoch(),
            round: roster.round(),
            ..self.header(client)
        };
        let roster = roster.hash();
        let frame = Frame::control(header, FrameBody::Reveal { roster, keys });
        frame.unwrap().encode()
    }

    /// Notification 4: the same, without the pads of `missing`.
    pub fn resend(&self, frame: &[u8], missing: &ClientSet) -> Vec<u8> {
        // Behind the words one byte says that there is no self-mask.
        let frame = &frame[..frame.len() - 1];
        let words = 2 + 8 * self.descriptor.slots().len();
        let (head, words) = frame.split_at(frame.len() - words);
        let mut bytes = head[..head.len() - 1].to_vec();
        bytes.push(4);
        bytes.extend(missing.encode());
        bytes.extend(words);
        Frame::decode(&bytes).unwrap();
        bytes
    }

    /// Registers and enters everybody; everybody is everybody's neighbour.
    pub async fn enter_all(&self, server: &Server, gateways: &[Gateway]) {
        self.enter_ring(server, gateways, gateways.len()).await;
    }

    /// Registers and enters everybody; neighbours are those at most `reach` places away in a ring.
    pub async fn enter_ring(&self, server: &Server, gateways: &[Gateway], reach: usize) {
        for gateway in gateways {
            gateway
                .frame(server, self, &gateway.register_frame(self))
                .await
                .ok();
        }
        for (place, gateway) in gateways.iter().enumerate() {
            let near = gateways.iter().enumerate().filter(|(other, _)| {
                let apart = place.abs_diff(*other);
                apart > 0 && apart.min(gateways.len() - apart) <= reach
            });
            let frame =
                gateway.entered_frame(self, 1, near.map(|(_, other)| other.end()).collect());
            gateway.frame(server, self, &frame).await.ok();
        }
    }

    /// Waits for the border of `round`: from then on it is final as soon as it is complete.
    pub async fn wait_for(&self, round: Round) {
        let border = self.descriptor.schedule().border(round);
        tokio::time::sleep(Duration::from_millis(border.millis_since(now()) + 20)).await;
    }
}

/// The receipt in an answer, its signature checked. The batch around it may be another each time.
pub fn receipt(net: &Net, answer: Answer) -> Receipt {
    let signed = SignedReceipt::decode(&answer.ok()).unwrap();
    signed.verify(&net.descriptor).unwrap().clone()
}

/// Whether `word`, big endian, stands in `bytes`.
pub fn holds(bytes: &[u8], word: u64) -> bool {
    bytes.windows(8).any(|window| window == word.to_be_bytes())
}

pub fn roster_path(net: &Net, round: Round, after: u8, wait: u64) -> String {
    format!(
        "/v1/nets/{}/rounds/{round}/roster?after={after}&wait={wait}",
        net.id
    )
}

fn superposition(words: &[u64]) -> Vec<u8> {
    let mut bytes = u16::try_from(words.len() * 8)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    bytes
}

pub fn now() -> UnixTime {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixTime::from_millis(u64::try_from(elapsed.as_millis()).unwrap())
}

pub fn four(lab: &Lab) -> Vec<Gateway> {
    ["gw-1", "gw-2", "gw-3", "gw-4"]
        .iter()
        .map(|name| lab.gateway(name))
        .collect()
}
