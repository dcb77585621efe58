//! Certificates are renewed, revoked and replaced while the server runs.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use dcnet_provider::operator::Role;
use dcnet_provider::pki::{
    Authority, Chosen, OperatorFiles, Reason, Renewed, Root, new_root, renew_provider,
};

use super::common::operators::{certify, get, http, operators, serve};
use super::common::{Lab, Server, on_both};
use super::is_refused;

const MONTH: Duration = Duration::from_hours(24 * 30);

/// The server looks every 2 s, and reads what has been the same twice.
const PATIENCE: Duration = Duration::from_secs(20);

fn revoke(authority: &Authority, name: &str) {
    let chosen = Chosen::Name(name.to_owned());
    let serials = authority
        .revoke(&chosen, Reason::KeyCompromise, MONTH)
        .unwrap();
    assert!(!serials.is_empty());
}

/// Waits until something asynchronous is so.
macro_rules! wait_until {
    ($what:expr) => {
        let started = Instant::now();
        while !$what {
            assert!(started.elapsed() < PATIENCE, "{}", stringify!($what));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_loses_the_connection_and_gets_no_other() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let list = lab.authority.publish_list(MONTH).unwrap();
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(&ca, &["--gateway-crl", list.to_str().unwrap()]);
    let (good, bad) = (lab.gateway("gw-1"), lab.gateway("gw-2"));
    good.get(&server, "/v1/nets/elbe-4").await.ok();
    bad.get(&server, "/v1/nets/elbe-4").await.ok();
    let url = format!("{}/v1/nets/elbe-4/inbox?wait=25", server.url);
    let poll = tokio::spawn(bad.http.get(url).send());
    tokio::time::sleep(Duration::from_millis(300)).await;

    revoke(&lab.authority, "gw-2");
    let started = Instant::now();
    let polled = tokio::time::timeout(PATIENCE, poll).await.unwrap().unwrap();
    assert!(polled.is_err(), "{polled:?}");
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "{:?}",
        started.elapsed()
    );
    let (certificate, key) = (&bad.files.tls_certificate, &bad.files.tls_key);
    is_refused(&lab, &server, certificate, key).await;
    good.get(&server, "/v1/nets/elbe-4").await.ok();
    let (_, log) = server.end("-TERM");
    assert!(log.contains("its key may be known to others"), "{log}");
    assert!(log.contains("the client's certificate is revoked"), "{log}");
    assert!(log.contains("urn:dcnet:gateway:gw-2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_list_keeps_operators_out_and_lets_gateways_on() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let authority = operators(&lab);
    let files = certify(&lab, &authority, "anna", Role::Administrator, &[]);
    let (one, two) = (lab.gateway("gw-1"), lab.gateway("gw-2"));
    revoke(&lab.authority, "gw-2");
    let short = Duration::from_secs(1);
    let lists = [&lab.authority, &authority].map(|it| it.publish_list(short).unwrap());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let [gateways, op] = lists.each_ref().map(|list| list.to_str().unwrap());
    let lists = ["--gateway-crl", gateways, "--operator-crl", op];
    let server = serve(&lab, &authority.certificate_path(), &lists);

    one.get(&server, "/v1/nets/elbe-4").await.ok();
    is_refused(
        &lab,
        &server,
        &two.files.tls_certificate,
        &two.files.tls_key,
    )
    .await;
    let anna = http(&lab, &files);
    let answer = get(&anna, &server, "/v1/whoami").await;
    let detail = answer.problem(503, "revocation-list-expired");
    assert!(detail.contains("dcnet pki crl"), "{detail}");

    authority.publish_list(MONTH).unwrap();
    server.signal("-HUP");
    wait_until!(get(&anna, &server, "/v1/whoami").await.status == 200);
    let (_, log) = server.end("-TERM");
    assert!(
        log.contains("the revocation list of CN=dcnet laboratory gateway"),
        "{log}"
    );
    assert!(log.contains("is too old"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_certificate_is_renewed_under_the_old_and_then_a_new_root() {
    let lab = Lab::new();
    let server = lab.serve();
    let gateway = lab.gateway("gw-1");
    gateway.get(&server, "/healthz").await.ok();
    let shown = || {
        let output = openssl_client(&lab, &server, &lab.provider.root_certificate);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = lab.path("provider");
    let old = std::fs::read(&lab.provider.tls_certificate).unwrap();
    renew_provider(&folder, &[], 90, Root::Same).unwrap();
    assert_eq!(
        std::fs::read(folder.join("provider-tls.1.pem")).unwrap(),
        old
    );
    server.signal("-HUP");
    // The root is the same, so that it makes no difference to gateways, on old connections or new.
    gateway.get(&server, "/healthz").await.ok();
    if has_openssl() {
        let new = certificate_of(&std::fs::read_to_string(&lab.provider.tls_certificate).unwrap());
        wait_until!(certificate_of(&shown()) == new);
    }

    let (_, bundle) = new_root(&folder).unwrap();
    renew_provider(&folder, &["127.0.0.1".to_owned()], 90, Root::Newest).unwrap();
    // It looks by itself as well.
    wait_until!({
        let old_root = lab.http(Some((
            &gateway.files.tls_certificate,
            &gateway.files.tls_key,
        )));
        old_root
            .get(format!("{}/healthz", server.url))
            .send()
            .await
            .is_err()
    });
    let roots = reqwest::Certificate::from_pem_bundle(&std::fs::read(bundle).unwrap()).unwrap();
    assert_eq!(roots.len(), 2);
    let mut pem = std::fs::read(&gateway.files.tls_certificate).unwrap();
    pem.extend(std::fs::read(&gateway.files.tls_key).unwrap());
    let client = reqwest::Client::builder()
        .tls_certs_only(roots)
        .identity(reqwest::Identity::from_pem(&pem).unwrap())
        .build()
        .unwrap();
    get(&client, &server, "/healthz").await.ok();
    // The connection from before goes on.
    gateway.get(&server, "/healthz").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_change_nothing() {
    let lab = Lab::new();
    let authority = operators(&lab);
    let list = authority.publish_list(MONTH).unwrap();
    let anna = certify(&lab, &authority, "anna", Role::Administrator, &[]);
    let lists = ["--operator-crl", list.to_str().unwrap()];
    let server = serve(&lab, &authority.certificate_path(), &lists);
    // Somebody else's list under the authority's name is none.
    let whole = std::fs::read_to_string(&list).unwrap();
    let other = lab.authority.publish_list(MONTH).unwrap();
    let other = std::fs::read_to_string(other).unwrap();
    for broken in [
        "",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        &other,
    ] {
        std::fs::write(&list, broken).unwrap();
        server.signal("-HUP");
        tokio::time::sleep(Duration::from_millis(300)).await;
        get(&http(&lab, &anna), &server, "/v1/whoami").await.ok();
    }
    std::fs::write(&list, whole).unwrap();
    revoke(&authority, "anna");
    wait_until!({
        let again = http(&lab, &anna).get(format!("{}/healthz", server.url));
        again.send().await.is_err()
    });
    let (_, log) = server.end("-TERM");
    assert!(log.contains("the changed files are not used"), "{log}");
    assert!(
        log.contains("there is no revocation list of the authority"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_authority_is_replaced() {
    let lab = Lab::new();
    let authority = operators(&lab);
    let old = certify(&lab, &authority, "anna", Role::Administrator, &[]);
    authority.publish_list(MONTH).unwrap();
    authority.rotate().unwrap();
    let Renewed::Operator(new) = authority.renew("anna", None, 30, false).unwrap() else {
        panic!("a gateway");
    };
    let (bundle, list) = (authority.bundle_path(), authority.list_path());
    let lists = ["--operator-crl", list.to_str().unwrap()];
    let server = serve(&lab, &bundle, &lists);
    let works = async |files: &OperatorFiles| {
        let request = http(&lab, files).get(format!("{}/v1/whoami", server.url));
        request
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 200)
    };
    assert!(works(&old).await && works(&new).await);

    let early = authority.finish_rotation().unwrap_err().to_string();
    assert!(early.contains("such as anna"), "{early}");
    let serial = authority.register().unwrap().issued()[0].serial.clone();
    authority
        .revoke(&Chosen::Serial(serial), Reason::Superseded, MONTH)
        .unwrap();
    authority.finish_rotation().unwrap();
    wait_until!(!works(&old).await);
    assert!(works(&new).await);
}

#[test]
fn a_list_is_demanded_of_every_authority() {
    let lab = Lab::new();
    let (ca, list) = (lab.authority.certificate_path(), lab.path("list.pem"));
    let made = lab.authority.publish_list(MONTH).unwrap();
    std::fs::copy(made, &list).unwrap();
    let check = |ca: &Path| {
        let args = ["--check", "--gateway-crl", list.to_str().unwrap()];
        lab.serve_command(ca, &args).output().unwrap()
    };
    assert!(check(&ca).status.success());
    lab.authority.rotate().unwrap();
    let output = check(&lab.authority.bundle_path());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("there is no revocation list of the authority"),
        "{told}"
    );
    std::fs::copy(lab.authority.list_path(), &list).unwrap();
    assert!(check(&lab.authority.bundle_path()).status.success());
}

on_both!(a_net_outlives_its_authoritys_certificate_but_takes_no_other, beside others);
/// What decision 31 says of the gateways' authority: a net outlives the dates in its certificate, and takes
/// no other certificate over the same key.
async fn a_net_outlives_its_authoritys_certificate_but_takes_no_other(lab: Lab) {
    let folder = lab.path("old-ca");
    std::fs::create_dir(&folder).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certify = |years: (i32, i32)| {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "old");
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        params.self_signed(&key).unwrap().pem()
    };
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, certify((2010, 2020))).unwrap();
    let mut private = tempfile::NamedTempFile::new_in(&folder).unwrap(); // mode 0600
    std::io::Write::write_all(&mut private, key.serialize_pem().as_bytes()).unwrap();
    private.persist(folder.join("ca.key.pem")).unwrap();
    let authority = Authority::open(&folder).unwrap();
    lab.create_net_with("old", &ca, &["--interval", "5s"]);
    let gateway = lab.gateway_of(&authority, "gw-1");
    let server = lab.serve_with(&ca, &[]);
    gateway.get(&server, "/v1/nets/old").await.ok();

    server.end("-TERM");
    let renewed = lab.path("renewed.pem");
    std::fs::write(&renewed, certify((2020, 2090))).unwrap();
    let server = lab.serve_with(&renewed, &[]);
    let answer = gateway.get(&server, "/v1/nets/old").await;
    answer.problem(403, "foreign-authority");
}

/// What OpenSSL says of certificates and lists.
#[test]
fn openssl_reads_certificates_and_lists_the_same_way() {
    if !has_openssl() {
        return;
    }
    let lab = Lab::new();
    let authority = &lab.authority;
    let (good, bad) = (lab.gateway("gw-1").files, lab.gateway("gw-2").files);
    revoke(authority, "gw-2");
    let (ca, list) = (authority.certificate_path(), authority.list_path());
    let verify = |certificate: &Path| {
        let mut command = Command::new("openssl");
        command
            .args(["verify", "-crl_check", "-CAfile"])
            .arg(&ca)
            .arg("-CRLfile")
            .arg(&list);
        let output = command.arg(certificate).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), told)
    };
    for file in [&good.tls_certificate, &good.sig_certificate] {
        let (is_good, told) = verify(file);
        assert!(is_good, "{told}");
    }
    for file in [&bad.tls_certificate, &bad.sig_certificate] {
        let (is_good, told) = verify(file);
        assert!(!is_good && told.contains("certificate revoked"), "{told}");
    }
    let mut command = Command::new("openssl");
    command
        .args(["crl", "-noout", "-text", "-CAfile"])
        .arg(&ca)
        .arg("-in")
        .arg(&list);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("Key Compromise").count(), 2, "{text}");
    assert_eq!(text.matches("Next Update:").count(), 1, "{text}");
    for issued in authority.register().unwrap().issued() {
        let is_listed = text.to_lowercase().contains(&issued.serial);
        assert_eq!(
            is_listed,
            issued.name == "gw-2",
            "{}\n{text}",
            issued.serial
        );
    }
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("verify OK"), "{told}");
}

fn has_openssl() -> bool {
    let is_there = Command::new("openssl").arg("version").output().is_ok();
    if !is_there {
        assert!(
            std::env::var_os("DCNET_SHARED").is_none(),
            "openssl must be there"
        );
        eprintln!("skipped: there is no openssl");
    }
    is_there
}

fn openssl_client(lab: &Lab, server: &Server, root: &Path) -> Output {
    let address = server.url.strip_prefix("https://").unwrap();
    let gateway = lab.gateway("gw-1").files;
    Command::new("openssl")
        .args(["s_client", "-connect", address, "-CAfile"])
        .arg(root)
        .arg("-cert")
        .arg(gateway.tls_certificate)
        .arg("-key")
        .arg(gateway.tls_key)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

/// The first certificate in a text, without line ends.
fn certificate_of(text: &str) -> String {
    let from = text
        .find("-----BEGIN CERTIFICATE-----")
        .unwrap_or(text.len());
    let rest = &text[from..];
    let to = rest.find("-----END CERTIFICATE-----").unwrap_or(rest.len());
    rest[..to].split_whitespace().collect()
}
