//! Every refusal is problem details (RFC 9457) with its own type.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use common::{Lab, MEDIA_TYPE, Net, four, now, on_both, receipt};
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::membership::edge::EdgeSet;
use dcnet_protocol::message::Message;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::round::Round;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

on_both!(paths_methods_and_names, beside others);
async fn paths_methods_and_names(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    gateway.get(&server, "/").await.problem(404, "not-found");
    gateway
        .get(&server, "/v2/nets/elbe-4")
        .await
        .problem(404, "not-found");
    for path in ["/healthz", "/v1/nets/elbe-4", "/v1/nets/elbe-4/inbox"] {
        let answer = gateway.request(&server, Method::DELETE, path).await;
        answer.problem(405, "method-not-allowed");
    }
    gateway
        .get(&server, "/v1/nets/elbe-4/frames")
        .await
        .problem(405, "method-not-allowed");
    gateway
        .get(&server, "/v1/nets/elbe-5")
        .await
        .problem(404, "unknown-net");
    gateway
        .get(&server, "/v1/nets/-")
        .await
        .problem(400, "bad-request");
    gateway
        .get(&server, "/v1/nets/a%20b/members")
        .await
        .problem(400, "bad-request");
    gateway
        .get(&server, "/v1/nets/%FF/members")
        .await
        .problem(400, "bad-request");
    gateway
        .get(&server, "/v1/nets/elbe-4/members/gw-9")
        .await
        .problem(404, "unknown-member");
    gateway
        .get(&server, "/v1/nets/elbe-4/inbox?wait=26")
        .await
        .problem(400, "bad-request");
    gateway
        .get(&server, "/v1/nets/elbe-4/inbox?after=-1")
        .await
        .problem(400, "bad-request");
    gateway
        .get(&server, "/v1/nets/elbe-4/inbox?since=1")
        .await
        .problem(400, "bad-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_headers() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    std::fs::write(lab.path("limits.yaml"), "body_seconds: 1\n").unwrap();
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(
        &ca,
        &["--config", lab.path("limits.yaml").to_str().unwrap()],
    );
    let gateway = lab.gateway("gw-1");
    let (frames, envelopes) = ("/v1/nets/elbe-4/frames", "/v1/nets/elbe-4/envelopes");
    let url = |path| format!("{}{path}", server.url);

    let answer = gateway
        .http
        .post(url(frames))
        .body("x")
        .send()
        .await
        .unwrap();
    common::Answer::of(answer).await.problem(415, "media-type");

    let at_most = gateway.post(&server, frames, vec![0; 64 * 1024]).await;
    at_most.problem(400, "malformed");
    let detail = gateway.post(&server, frames, vec![0; 64 * 1024 + 1]).await;
    assert!(detail.problem(413, "body-too-large").contains("65536"));
    gateway
        .post(&server, envelopes, vec![0; 256 * 1024])
        .await
        .problem(400, "malformed");
    gateway
        .post(&server, envelopes, vec![0; 256 * 1024 + 1])
        .await
        .problem(413, "body-too-large");

    let request = gateway
        .http
        .get(url("/healthz"))
        .header("x-long", "x".repeat(9000));
    let answer = common::Answer::of(request.send().await.unwrap()).await;
    answer.problem(431, "headers-too-large");
    let mut request = gateway.http.get(url("/healthz"));
    for index in 0..70 {
        request = request.header(format!("x-{index}"), "x");
    }
    let answer = common::Answer::of(request.send().await.unwrap()).await;
    answer.problem(431, "headers-too-large");
}

/// What a plain HTTP/1.1 connection answers to `bytes`.
async fn raw(lab: &Lab, server: &common::Server, bytes: &[u8], half_close: bool) -> String {
    use rustls_pki_types::pem::PemObject as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let files = lab.gateway("gw-raw").files;
    let mut roots = rustls::RootCertStore::empty();
    let root = rustls_pki_types::CertificateDer::from_pem_file(&lab.provider.root_certificate);
    roots.add(root.unwrap()).unwrap();
    let chain = rustls_pki_types::CertificateDer::from_pem_file(&files.tls_certificate).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::from_pem_file(&files.tls_key).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![chain], key)
        .unwrap();
    let address = server.url.strip_prefix("https://").unwrap();
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut stream = connector
        .connect("localhost".try_into().unwrap(), tcp)
        .await
        .unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    if half_close {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    // The server may cut the connection without a farewell.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_not_waited_for() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let limits = "body_seconds: 1\nidle_seconds: 2\n";
    std::fs::write(lab.path("limits.yaml"), limits).unwrap();
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(
        &ca,
        &["--config", lab.path("limits.yaml").to_str().unwrap()],
    );
    let head = format!(
        "POST /v1/nets/elbe-4/frames HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MEDIA_TYPE}\r\n"
    );

    // Announces ten bytes and sends three.
    let slow = format!("{head}Content-Length: 10\r\n\r\nabc");
    let answer = raw(&lab, &server, slow.as_bytes(), false).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains("urn:dcnet:problem:body-timeout"),
        "{answer}"
    );

    // Announces ten bytes, sends three and hangs up.
    let answer = raw(&lab, &server, slow.as_bytes(), true).await;
    assert!(answer.contains("urn:dcnet:problem:body-broken"), "{answer}");

    // Chunks without end: the limit holds for what does not announce itself, too.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}");
    let answer = raw(&lab, &server, chunked.as_bytes(), false).await;
    assert!(
        answer.contains("urn:dcnet:problem:body-too-large"),
        "{answer}"
    );

    // A head that never ends, and a connection that says nothing at all.
    let started = std::time::Instant::now();
    let answer = raw(&lab, &server, head.as_bytes(), false).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    let answer = raw(&lab, &server, b"", false).await;
    assert_eq!(answer, "");
    let waited = started.elapsed().as_secs();
    assert!((3..9).contains(&waited), "{waited} s");
}

on_both!(what_the_net_refuses, beside others);
async fn what_the_net_refuses(lab: Lab) {
    lab.create_net("elbe-4");
    lab.create_net("elbe-5");
    let server = lab.serve();
    let gateways = four(&lab);
    let first = &gateways[0];
    let net = Net::fetch(&server, first, "elbe-4").await;
    let other = Net::fetch(&server, first, "elbe-5").await;
    let soon = net.descriptor.schedule().round_at(now());
    let send = async |bytes: &[u8]| first.frame(&server, &net, bytes).await;

    send(&[]).await.problem(400, "malformed");
    send(&first.register_frame(&other))
        .await
        .problem(409, "wrong-net");
    let foreign = gateways[1].register_frame(&net);
    send(&foreign).await.problem(403, "wrong-client");
    let envelope = first.envelope(&net, gateways[1].id);
    let post = async |bytes: Vec<u8>| {
        first
            .post(&server, "/v1/nets/elbe-4/envelopes", bytes)
            .await
    };
    post(envelope.clone()).await.problem(404, "not-registered");
    let statement = first.entered_frame(&net, 1, EdgeSet::default());
    send(&statement).await.problem(404, "not-registered");
    send(&net.transmit(first.id, 1, soon, &[1, 2]))
        .await
        .problem(404, "not-registered");

    // A key package signed with another key than that of its certificate.
    let forged = {
        let mut package = first.package(&net, 1);
        let chain: Vec<Vec<u8>> = package.chain().map(<[u8]>::to_vec).collect();
        let body = package.unverified().clone();
        package =
            dcnet_protocol::key_agreement::SignedKeyPackage::sign(body, &chain, &gateways[1].key);
        let body = FrameBody::Register {
            package: Box::new(package),
            emergency: false,
        };
        Frame::control(net.header(first.id), body).unwrap().encode()
    };
    send(&forged).await.problem(403, "key-package");

    send(&first.register_frame(&net)).await.ok();
    send(&first.register_frame(&net)).await.ok();
    let older = {
        let package = Box::new(first.package(&net, 0));
        let body = FrameBody::Register {
            package,
            emergency: false,
        };
        Frame::control(net.header(first.id), body).unwrap().encode()
    };
    send(&older).await.problem(409, "stale-key-package");
    post(envelope).await.problem(404, "unknown-addressee");
    let ahead = first.entered_frame(&net, u64::MAX, EdgeSet::default());
    send(&ahead).await.problem(409, "serial-ahead");
    let stranger: EdgeSet = [gateways[1].end()].into_iter().collect();
    let statement = first.entered_frame(&net, 1, stranger);
    send(&statement).await.problem(409, "unknown-neighbour");
    // Another's signature under one's own name.
    let forged = {
        let thief = lab.gateway("gw-1");
        let mut gateway = lab.gateway("gw-2");
        gateway.id = thief.id;
        gateway.entered_frame(&net, 1, EdgeSet::default())
    };
    send(&forged).await.problem(403, "signature");
    send(&net.transmit(first.id, 1, soon, &[1, 2])).await;
}

on_both!(what_a_round_refuses, beside others);
async fn what_a_round_refuses(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways = four(&lab);
    let first = &gateways[0];
    let net = Net::fetch(&server, first, "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = first.manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    let send = async |frame: Vec<u8>| first.frame(&server, &net, &frame).await;

    let future = Round::new(round.number() + 5);
    send(net.transmit(first.id, epoch, future, &[1, 2]))
        .await
        .problem(425, "too-early");
    let past = Round::new(round.number() - 5);
    send(net.transmit(first.id, epoch, past, &[1, 2]))
        .await
        .problem(410, "too-late");
    send(net.transmit(first.id, epoch, round, &[1]))
        .await
        .problem(400, "slots");
    send(net.transmit(first.id, epoch + 1, round, &[1, 2]))
        .await
        .problem(409, "wrong-epoch");
    let good = net.transmit(first.id, epoch, round, &[1, 2]);
    let given = receipt(&net, send(good.clone()).await);
    assert_eq!(
        receipt(&net, send(good.clone()).await),
        given,
        "same bytes, same receipt"
    );
    send(net.transmit(first.id, epoch, round, &[1, 3]))
        .await
        .problem(409, "different-frame");
    assert_eq!(receipt(&net, send(good).await), given);

    let stale = first.entered_frame(&net, 1, EdgeSet::default());
    send(stale).await.problem(409, "stale-statement");
    let newcomer = lab.gateway("gw-5");
    newcomer
        .frame(&server, &net, &newcomer.register_frame(&net))
        .await
        .ok();
    let frame = net.transmit(newcomer.id, epoch, round, &[1, 2]);
    newcomer
        .frame(&server, &net, &frame)
        .await
        .problem(409, "not-active");
    let good = net.transmit(first.id, epoch, round, &[1, 2]);
    send(net.resend(&good, &ClientSet::default()))
        .await
        .problem(409, "no-correction");
}

on_both!(envelopes_are_bounded_per_sender_and_per_inbox, beside others);
async fn envelopes_are_bounded_per_sender_and_per_inbox(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let (from, to) = (lab.gateway("gw-1"), lab.gateway("gw-2"));
    let net = Net::fetch(&server, &from, "elbe-4").await;
    from.frame(&server, &net, &from.register_frame(&net))
        .await
        .ok();
    to.frame(&server, &net, &to.register_frame(&net)).await.ok();
    server.end("-TERM");

    // As if many had written to it.
    let message = Message::Envelope(Envelope::decode(&from.envelope(&net, to.id)).unwrap());
    let message = lab.store.bytes(&message.encode());
    let rows: Vec<String> = (1..=1024)
        .map(|sequence| format!("('elbe-4', 'gw-2', {sequence}, {message})"))
        .collect();
    let many = format!(
        "INSERT INTO inbox (net, client, sequence, message) VALUES {}",
        rows.join(", ")
    );
    assert_eq!(lab.store.execute(&many).await, 1024);
    let head = "INSERT INTO inbox_heads (net, client, last) VALUES ('elbe-4', 'gw-2', 1024)";
    lab.store.execute(head).await;

    let server = lab.serve();
    let post = async || {
        from.post(
            &server,
            "/v1/nets/elbe-4/envelopes",
            from.envelope(&net, to.id),
        )
        .await
    };
    post().await.problem(429, "inbox-full");
    let first = to.inbox(&server, &net, 0, 0).await.deliveries;
    assert_eq!(first.len(), 64);
    let last = first.last().unwrap().sequence;
    assert_eq!(
        to.inbox(&server, &net, last, 0).await.deliveries[0].sequence,
        last + 1
    );
    post().await.ok();

    // One sender does not fill it alone.
    for _ in 0..20 {
        let answer = post().await;
        if answer.status.as_u16() == 429 {
            answer.problem(429, "too-many-envelopes");
            return;
        }
        answer.ok();
    }
    panic!("a sender may send as much as it likes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_type_of_answers_is_ours() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let answer = gateway.get(&server, "/v1/nets/elbe-4").await;
    assert_eq!(answer.media_type, MEDIA_TYPE);
    let url = format!("{}/v1/nets/elbe-4/members", server.url);
    let response = gateway.http.get(url).send().await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
    assert_eq!(response.headers()["cache-control"], "no-store");
}

on_both!(who_has_left_needs_a_new_key_package, beside others);
async fn who_has_left_needs_a_new_key_package(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let net = Net::fetch(&server, &gateway, "elbe-4").await;
    let send = async |frame: Vec<u8>| gateway.frame(&server, &net, &frame).await;
    send(gateway.register_frame(&net)).await.ok();
    send(gateway.exit_frame(&net, 1)).await.ok();
    send(gateway.register_frame(&net))
        .await
        .problem(410, "exited");
    let package = Box::new(gateway.package(&net, 2));
    let body = FrameBody::Register {
        package,
        emergency: false,
    };
    send(
        Frame::control(net.header(gateway.id), body)
            .unwrap()
            .encode(),
    )
    .await
    .ok();
}

on_both!(a_correction_is_taken_from_those_who_were_asked_as_it_was_asked, beside others);
async fn a_correction_is_taken_from_those_who_were_asked_as_it_was_asked(lab: Lab) {
    let ca = lab.authority.certificate_path();
    lab.create_net_with(
        "elbe-4",
        &ca,
        &["--interval", "10s", "--correction-window", "6s"],
    );
    let server = lab.serve();
    let gateways: Vec<_> = (1..=6)
        .map(|index| lab.gateway(&format!("gw-{index}")))
        .collect();
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_ring(&server, &gateways, 2).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    // gw-1 is missing; it has no edge with gw-4.
    let frame = |index: usize, value| net.transmit(gateways[index].id, epoch, round, &[value, 1]);
    for (index, gateway) in gateways.iter().enumerate().skip(1) {
        gateway.frame(&server, &net, &frame(index, 10)).await.ok();
    }
    let missing: ClientSet = [gateways[0].id].into_iter().collect();
    let mut after = 0;
    let correction = 'waiting: loop {
        for delivery in gateways[1].inbox(&server, &net, after, 5).await.deliveries {
            after = delivery.sequence;
            if let Message::Correction(correction) = delivery.message {
                break 'waiting correction;
            }
        }
    };
    let correction = correction.verify(net.descriptor.provider_key()).unwrap();
    assert_eq!((correction.round, &correction.missing), (round, &missing));

    let open = lab.dcnet_published(&["correction", "show", "elbe-4", &round.to_string()]);
    assert_eq!(open["status"], "open", "{open}");
    assert_eq!(open["missing"], serde_json::json!(["gw-1"]), "{open}");
    let asked = serde_json::json!(["gw-2", "gw-3", "gw-5", "gw-6"]);
    assert_eq!(open["asked"], asked, "{open}");

    let resend = async |index: usize, missing: &ClientSet| {
        gateways[index]
            .frame(&server, &net, &net.resend(&frame(index, 10), missing))
            .await
    };
    resend(3, &missing).await.problem(403, "not-asked");
    let others: ClientSet = [gateways[3].id].into_iter().collect();
    resend(1, &others)
        .await
        .problem(409, "different-correction");
    for index in [1, 2, 4] {
        let given = receipt(&net, resend(index, &missing).await);
        assert_eq!(receipt(&net, resend(index, &missing).await), given);
    }
    // gw-6 has not answered: it is asked once more, with the same bytes, and nobody else is.
    let retried = lab.dcnet_published(&["correction", "retry", "elbe-4", &round.to_string()]);
    assert_eq!(retried["state"], "taken", "{retried}");
    let requests = async |index: usize| -> Vec<Vec<u8>> {
        let deliveries = gateways[index].inbox(&server, &net, 0, 0).await.deliveries;
        let messages = deliveries.into_iter().map(|delivery| delivery.message);
        let requests = messages.filter(|message| matches!(message, Message::Correction(_)));
        requests.map(|message| message.encode()).collect()
    };
    let asked = requests(5).await;
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(requests(4).await, asked[..1]);
    receipt(&net, resend(5, &missing).await);
    let shown = lab.dcnet_json(&["round", "show", "elbe-4", &round.to_string(), "--json"]);
    assert_eq!(shown["status"], "corrected", "{shown}");
    assert_eq!(shown["missing"][0], "gw-1", "{shown}");
    assert_eq!(shown["sums"][0]["value"], "5.0", "{shown}");
}

on_both!(a_store_that_another_process_holds_is_not_waited_for, beside others);
async fn a_store_that_another_process_holds_is_not_waited_for(lab: Lab) {
    lab.create_net("elbe-4");
    std::fs::write(lab.path("limits.yaml"), "answer_seconds: 1\n").unwrap();
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(
        &ca,
        &["--config", lab.path("limits.yaml").to_str().unwrap()],
    );
    let gateway = lab.gateway("gw-1");
    let net = Net::fetch(&server, &gateway, "elbe-4").await;
    let held = lab.store.hold().await;
    let frame = gateway.register_frame(&net);
    gateway
        .frame(&server, &net, &frame)
        .await
        .problem(503, "timeout");
    held.let_go().await;
    gateway.frame(&server, &net, &frame).await.ok();
}

on_both!(a_net_of_another_signing_key_is_not_served, beside others);
async fn a_net_of_another_signing_key_is_not_served(mut lab: Lab) {
    lab.create_net("elbe-4");
    let names = ["localhost".to_owned()];
    let other = dcnet_provider::pki::create_provider(&lab.path("other"), &names, 2).unwrap();
    lab.provider.signing_key = other.signing_key;
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let detail = gateway
        .get(&server, "/v1/nets/elbe-4")
        .await
        .problem(503, "net-not-served");
    assert!(detail.contains("signing key"), "{detail}");
    gateway.get(&server, "/healthz").await.ok();
}
