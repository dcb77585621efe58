//! Gateways that speak HTTPS with client certificates, and what they sign.

use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::envelope::{Envelope, EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::key_agreement::{Agreement, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::edge::{EdgeEnd, EdgeSet};
use dcnet_protocol::membership::entry::{ExitStatement, Neighbourhood};
use dcnet_protocol::message::{Inbox, Manifest, Message};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::{Signed, SigningKey};
use dcnet_provider::pki::GatewayFiles;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::{MEDIA_TYPE, Net, PROBLEM, Server, roster_path};

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
