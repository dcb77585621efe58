//! Gateways and operators: each for its own.

use std::path::PathBuf;

use dcnet_provider::operator::Role;

use super::common::operators::{certify, get, http, operators, serve};
use super::common::{Answer, Lab};
use super::is_refused;

/// A certificate for TLS clients with these names, by the authority in `folder`.
fn forge(
    lab: &Lab,
    folder: &str,
    uris: &[&str],
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> (PathBuf, PathBuf) {
    let read = |name: &str| std::fs::read_to_string(lab.path(folder).join(name)).unwrap();
    let ca_key = rcgen::KeyPair::from_pem(&read("ca.key.pem")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read("ca.pem"), ca_key).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let uri = |text: &&str| rcgen::SanType::URI((*text).try_into().unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
    change(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let out = tempfile::Builder::new()
        .tempdir_in(lab.folder.path())
        .unwrap()
        .keep();
    let paths = (out.join("tls.pem"), out.join("tls.key.pem"));
    std::fs::write(&paths.0, certificate.pem()).unwrap();
    std::fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_whom_their_certificate_names() {
    let lab = Lab::new();
    let authority = operators(&lab);
    let server = serve(&lab, &authority.certificate_path(), &[]);
    for (name, role, nets) in [
        ("anna", Role::Administrator, &[][..]),
        ("otto", Role::Auditor, &[][..]),
        ("grid", Role::Consumer, &["elbe-4", "weser"][..]),
    ] {
        let client = http(&lab, &certify(&lab, &authority, name, role, nets));
        let told = get(&client, &server, "/v1/whoami").await;
        assert_eq!(told.media_type, "application/json");
        let told: serde_json::Value = serde_json::from_slice(&told.ok()).unwrap();
        assert_eq!(told["name"], name);
        assert_eq!(told["role"], role.word());
        assert_eq!(told["nets"], serde_json::json!(nets));
        assert!(
            told["not_after"].as_str().unwrap().ends_with("T00:00:00Z"),
            "{told}"
        );
        get(&client, &server, "/healthz").await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_gateways_is_not_for_operators_nor_the_other_way_round() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let authority = operators(&lab);
    let files = certify(&lab, &authority, "anna", Role::Administrator, &[]);
    let anna = http(&lab, &files);
    let server = serve(&lab, &authority.certificate_path(), &[]);
    for path in [
        "/v1/nets/elbe-4",
        "/v1/nets/elbe-4/members",
        "/v1/nets/elbe-4/members/gw-1",
        "/v1/nets/elbe-4/inbox",
        "/v1/nets/elbe-4/rounds/1/roster",
        "/v1/nets/elbe-4/log/checkpoint",
        "/v1/nets/elbe-4/log/entries",
    ] {
        let detail = get(&anna, &server, path).await.problem(403, "wrong-role");
        assert!(detail.contains("administrator"), "{detail}");
    }
    for path in ["/v1/nets/elbe-4/frames", "/v1/nets/elbe-4/envelopes"] {
        let request = anna.post(format!("{}{path}", server.url)).body("frame");
        let answer = Answer::of(request.send().await.unwrap()).await;
        answer.problem(403, "wrong-role");
    }
    let gateway = lab.gateway("gw-1");
    let detail = gateway
        .get(&server, "/v1/whoami")
        .await
        .problem(403, "wrong-role");
    assert!(detail.contains("--role"), "{detail}");
    gateway.get(&server, "/v1/nets/elbe-4").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_authority_certifies_for_the_other() {
    let lab = Lab::new();
    let authority = operators(&lab);
    let server = serve(&lab, &authority.certificate_path(), &[]);
    for (folder, uris, told) in [
        (
            "op-ca",
            &["urn:dcnet:gateway:gw-1"][..],
            "urn:dcnet:<role>:<name>",
        ),
        (
            "ca",
            &["urn:dcnet:administrator:anna"],
            "urn:dcnet:gateway:<name>",
        ),
        (
            "op-ca",
            &["urn:dcnet:auditor:a", "urn:dcnet:administrator:a"],
            "exactly one",
        ),
        ("op-ca", &["urn:dcnet:consumer:grid"], "--net NET"),
    ] {
        let (certificate, key) = forge(&lab, folder, uris, |_| {});
        let client = lab.http(Some((&certificate, &key)));
        let answer = get(&client, &server, "/v1/whoami").await;
        let detail = answer.problem(403, "client-certificate-unusable");
        assert!(detail.contains(told), "{uris:?}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_authority_for_operators_they_have_no_way_in() {
    let lab = Lab::new();
    let authority = operators(&lab);
    let files = certify(&lab, &authority, "anna", Role::Administrator, &[]);
    let server = lab.serve();
    is_refused(&lab, &server, &files.tls_certificate, &files.tls_key).await;
    let (_, log) = server.end("-TERM");
    assert!(log.contains("than --gateway-ca and --operator-ca"), "{log}");
    assert!(log.contains("urn:dcnet:administrator:anna"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_certificates_out_of_their_time_or_for_something_else_are_refused() {
    let lab = Lab::new();
    let authority = operators(&lab);
    let server = serve(&lab, &authority.certificate_path(), &[]);
    let name = &["urn:dcnet:auditor:otto"];
    let old = forge(&lab, "op-ca", name, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let early = forge(&lab, "op-ca", name, |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    let other = forge(&lab, "op-ca", name, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (certificate, key) in [&old, &early, &other] {
        is_refused(&lab, &server, certificate, key).await;
    }
    let (_, log) = server.end("-TERM");
    for reason in ["has expired", "is not valid yet", "is not for TLS clients"] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

#[test]
fn one_authority_cannot_be_both() {
    let lab = Lab::new();
    let ca = lab.authority.certificate_path();
    let mut command = lab.serve_command(&ca, &["--check", "--operator-ca", ca.to_str().unwrap()]);
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("must not certify operators"), "{told}");
}
