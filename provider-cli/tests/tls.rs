//! Who gets in: gateways with a valid TLS certificate of the net's authority, and operators with one of
//! theirs; and for how long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests"
)]

mod common;
#[path = "tls/life.rs"]
mod life;
#[path = "tls/roles.rs"]
mod roles;

use common::{Answer, Lab, Server, on_both};
use dcnet_provider::pki::Authority;
use std::path::Path;

/// A client that the handshake refuses. Under TLS 1.3 it may see the alert or only a connection
/// that is closed, so the server's log has to say why.
async fn is_refused(lab: &Lab, server: &Server, certificate: &Path, key: &Path) {
    let client = lab.http(Some((certificate, key)));
    let answer = client.get(format!("{}/healthz", server.url)).send().await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_its_certificate_is_served_over_both_versions_of_http() {
    let lab = Lab::new();
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let response = gateway
        .http
        .get(format!("{}/healthz", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    assert_eq!(Answer::of(response).await.ok(), b"ok\n");

    let files = &gateway.files;
    let mut pem = std::fs::read(&files.tls_certificate).unwrap();
    pem.extend(std::fs::read(&files.tls_key).unwrap());
    let root = std::fs::read(&lab.provider.root_certificate).unwrap();
    let old = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
        .identity(reqwest::Identity::from_pem(&pem).unwrap())
        .http1_only()
        .build()
        .unwrap();
    let response = old
        .get(format!("{}/healthz", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_11);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_every_path_answers_with_the_reason() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let server = lab.serve();
    let nobody = lab.http(None);
    for path in [
        "/healthz",
        "/v1/nets/elbe-4",
        "/v1/nets/elbe-4/members",
        "/nothing",
    ] {
        let response = nobody
            .get(format!("{}{path}", server.url))
            .send()
            .await
            .unwrap();
        let detail = Answer::of(response)
            .await
            .problem(403, "client-certificate-required");
        assert!(detail.contains("certificate"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_another_authority_are_refused_in_the_handshake() {
    let lab = Lab::new();
    let other = Authority::create(&lab.path("other-ca")).unwrap();
    let files = other
        .issue(&"gw-1".parse().unwrap(), &lab.path("other-gw"), 30)
        .unwrap();
    let server = lab.serve();
    is_refused(&lab, &server, &files.tls_certificate, &files.tls_key).await;
    let (_, log) = server.end("-TERM");
    assert!(
        log.contains("issued by another authority than --gateway-ca"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_certificate_does_not_pass_for_the_tls_certificate() {
    let lab = Lab::new();
    let server = lab.serve();
    let files = lab.gateway("gw-1").files;
    is_refused(&lab, &server, &files.sig_certificate, &files.sig_key).await;
    let (_, log) = server.end("-TERM");
    assert!(log.contains("it showed its signing certificate"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_certificates_are_refused() {
    let lab = Lab::new();
    let server = lab.serve();
    let id = "gw-1".parse().unwrap();
    let files = lab.authority.issue(&id, &lab.path("old"), 0).unwrap();
    is_refused(&lab, &server, &files.tls_certificate, &files.tls_key).await;
    let (_, log) = server.end("-TERM");
    assert!(log.contains("has expired: issue a new one"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_certifies_no_gateway() {
    let lab = Lab::new();
    let server = lab.serve();
    // A gateway's certificate under the provider's own root, named as gateways are.
    let folder = lab.path("forged");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&lab.provider.root_certificate, folder.join("ca.pem")).unwrap();
    std::fs::copy(&lab.provider.root_key, folder.join("ca.key.pem")).unwrap();
    let forger = Authority::open(&folder).unwrap();
    let files = forger
        .issue(&"gw-1".parse().unwrap(), &folder.join("gw-1"), 30)
        .unwrap();
    is_refused(&lab, &server, &files.tls_certificate, &files.tls_key).await;
    let (_, log) = server.end("-TERM");
    assert!(
        log.contains("issued by another authority than --gateway-ca"),
        "{log}"
    );
}

on_both!(a_net_is_for_the_gateways_of_its_own_authority_only, beside others);
async fn a_net_is_for_the_gateways_of_its_own_authority_only(lab: Lab) {
    let other = Authority::create(&lab.path("other-ca")).unwrap();
    let bundle = lab.path("bundle.pem");
    let mut pem = std::fs::read(lab.authority.certificate_path()).unwrap();
    pem.extend(std::fs::read(other.certificate_path()).unwrap());
    std::fs::write(&bundle, pem).unwrap();
    lab.create_net("ours");
    lab.create_net_with("theirs", &other.certificate_path(), &["--interval", "5s"]);
    let server = lab.serve_with(&bundle, &[]);

    let (ours, theirs) = (lab.gateway("gw-1"), lab.gateway_of(&other, "gw-2"));
    ours.get(&server, "/v1/nets/ours").await.ok();
    theirs.get(&server, "/v1/nets/theirs").await.ok();
    ours.get(&server, "/v1/nets/theirs")
        .await
        .problem(403, "foreign-authority");
    theirs
        .get(&server, "/v1/nets/ours")
        .await
        .problem(403, "foreign-authority");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed_when_the_handshake_takes_too_long() {
    let lab = Lab::new();
    std::fs::write(lab.path("limits.yaml"), "handshake_seconds: 1\n").unwrap();
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(
        &ca,
        &["--config", lab.path("limits.yaml").to_str().unwrap()],
    );
    let address = server.url.strip_prefix("https://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let started = std::time::Instant::now();
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut byte)
        .await
        .unwrap();
    assert_eq!(read, 0);
    assert!(
        started.elapsed().as_millis() >= 900,
        "{:?}",
        started.elapsed()
    );
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_names_no_gateway_is_told_so() {
    let lab = Lab::new();
    let server = lab.serve();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let ca = lab.authority.certificate_path();
    let ca_key = rcgen::KeyPair::from_pem(&read(&ca.with_file_name("ca.key.pem"))).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read(&ca), ca_key).unwrap();
    let two = ["urn:dcnet:gateway:gw-1", "urn:dcnet:gateway:gw-2"];
    for (name, uris) in [("nobody", &[][..]), ("both", &two[..])] {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let uri = |text: &&str| rcgen::SanType::URI((*text).try_into().unwrap());
        params.subject_alt_names = uris.iter().map(uri).collect();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let paths = (
            lab.path(&format!("{name}.pem")),
            lab.path(&format!("{name}.key.pem")),
        );
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        let client = lab.http(Some((&paths.0, &paths.1)));
        let response = client
            .get(format!("{}/healthz", server.url))
            .send()
            .await
            .unwrap();
        let detail = Answer::of(response)
            .await
            .problem(403, "client-certificate-unusable");
        assert!(detail.contains("urn:dcnet:gateway:"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let lab = Lab::new();
    std::fs::write(lab.path("limits.yaml"), "connections: 2\n").unwrap();
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(
        &ca,
        &["--config", lab.path("limits.yaml").to_str().unwrap()],
    );
    let (one, two, three) = (
        lab.gateway("gw-1"),
        lab.gateway("gw-2"),
        lab.gateway("gw-3"),
    );
    one.get(&server, "/healthz").await.ok();
    two.get(&server, "/healthz").await.ok();
    let patience = std::time::Duration::from_millis(700);
    let waited = tokio::time::timeout(patience, three.get(&server, "/healthz")).await;
    assert!(waited.is_err(), "{waited:?}");
    // Its pool closes its connection.
    drop(one);
    three.get(&server, "/healthz").await.ok();
}
