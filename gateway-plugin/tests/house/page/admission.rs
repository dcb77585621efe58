//! Who gets in, and who does not.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use dcnet_protocol::message::frame_hash;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::{PASSWORD, alone, page};
use crate::support::bench::Daemon;
use crate::support::browser::Browser;
use crate::support::pki::Authority;
use crate::support::port::free_port;

/// Each way in that is none.
pub(crate) fn who_gets_in(base: &str) {
    let browser = |password: &str| Browser::new(base, &[], None).with_password(password);
    let stranger = Browser::new(base, &[], None);
    for path in [
        "/",
        "/metrics",
        "/api/status",
        "/api/logbook/consumer",
        "/x",
    ] {
        let answer = stranger.get(path);
        assert_eq!(answer.status, 401, "{path}");
        let asks = answer.header("www-authenticate");
        assert!(asks.starts_with("Basic realm="), "{asks}");
    }
    let known = browser(PASSWORD);
    assert_eq!(known.get("/").status, 200);
    // Who knows the password does not wait for those who guess; they wait for each other.
    let started = Instant::now();
    let guesses = ["", "correct", "correct horse battery staple "];
    let wrong = guesses.map(|guess| browser(guess).get("/").status);
    assert_eq!(wrong, [401; 3]);
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(known.get("/").status, 200);

    for (host, expected) in [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:8480", 200),
        ("gateway.lan", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("192.168.1.9", 421),
        ("", 421),
    ] {
        let answer = known.ask("GET", "/", &[("host", host)]).unwrap();
        assert_eq!(answer.status, expected, "{host}");
        if expected == 421 && !host.is_empty() {
            let names = format!("names: [{}]", host.trim_end_matches(":80"));
            assert!(answer.text.contains(&names), "{}", answer.text);
        }
    }
    // It says no name that it was not asked for, and what it says is text.
    let answer = known.ask("GET", "/", &[("host", "<b>.example")]).unwrap();
    assert!(!answer.text.contains("<b>."), "{}", answer.text);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = known.ask(method, "/", &[]).unwrap();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
    assert_eq!(known.ask("HEAD", "/", &[]).unwrap().status, 200);
    let foreign = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    assert_eq!(
        known.ask("GET", "/api/status", &foreign).unwrap().status,
        403
    );
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert_eq!(known.ask("GET", "/", &link).unwrap().status, 200);
    for (path, expected) in [
        ("/api/logbook/diary", 400),
        ("/api/logbook/system?limit=0", 400),
        ("/api/logbook/system?limit=1001", 400),
        ("/api/logbook/system?since=1", 400),
        ("/api/logbook/system?before=x", 400),
        ("/api/logbook", 404),
    ] {
        assert_eq!(known.get(path).status, expected, "{path}");
    }
}

pub(crate) fn every_answer_is_bound_to_this_page(browser: &Browser) {
    for path in ["/", "/api/status", "/metrics", "/nowhere"] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';"),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
    }
}

pub(crate) fn beyond_the_loopback_there_is_https_with_a_certificate_of_its_own() {
    let (household, _) = alone();
    let port = free_port();
    let keys = format!("listen: \"0.0.0.0:{port}\", names: [gateway.lan]");
    page(&household, &keys, true);
    let mut daemon = Daemon::start(&household);
    daemon.wait_for("the page is shown at https://0.0.0.0:");
    let own = CertificateDer::from_pem_file(household.state().join("page.pem")).unwrap();
    let base = format!("https://localhost:{port}");
    let pinned = |password| {
        let browser = Browser::new(&base, std::slice::from_ref(&own), None);
        browser.with_password(password)
    };
    assert_eq!(pinned(PASSWORD).get("/").status, 200);
    assert_eq!(pinned("correct").get("/").status, 401);
    // The owner compares what the browser shows with what the log says.
    let fingerprint: Vec<_> = frame_hash(&own)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    daemon.wait_for(&fingerprint.join(":"));
    let other = Authority::new().certificate.der().clone();
    assert!(
        Browser::new(&base, &[other], None)
            .ask("GET", "/", &[])
            .is_none()
    );
    let plain = Browser::new(&format!("http://localhost:{port}"), &[], None);
    assert!(
        plain
            .ask("GET", "/", &[])
            .is_none_or(|answer| answer.status == 400)
    );
    let named = pinned(PASSWORD);
    for (host, expected) in [
        ("gateway.lan:8480", 200),
        ("gateway", 421),
        ("0.0.0.0", 421),
    ] {
        let answer = named.ask("GET", "/", &[("host", host)]).unwrap();
        assert_eq!(answer.status, expected, "{host}");
    }
    let mode = |name: &str| {
        let metadata = household.state().join(name).metadata().unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("page.key"), 0o600);
    // Some that never say anything, or not to the end, leave the others their page.
    let silent = pinned("").say_nothing(20, "127.0.0.2:0", &format!("127.0.0.1:{port}"));
    assert_eq!(pinned(PASSWORD).get("/").status, 200);
    drop(silent);
    // It stays when the daemon is started anew, and not if its names change.
    daemon.kill();
    let mut daemon = Daemon::start(&household);
    daemon.wait_for(&format!("own certificate is {}", fingerprint.join(":")));
    daemon.kill();
    household.edit("[gateway.lan]", "[gateway.lan, gateway]");
    let daemon = Daemon::start(&household);
    daemon.wait_for("the page has made a certificate");
    let log = daemon.log();
    assert!(
        !log.contains(&fingerprint.join(":")) && !log.contains(PASSWORD),
        "{log}"
    );
}

pub(crate) fn browsers_show_a_certificate_if_the_owner_demands_one() {
    let (household, providers) = alone();
    let port = free_port();
    let (readers, strangers) = (Authority::new(), Authority::new());
    household.write("readers.pem", &readers.certificate.pem(), 0o644);
    let server = providers.server();
    household.write("page.pem", &server.certificate.pem(), 0o644);
    household.write("page.key", &server.key.serialize_pem(), 0o600);
    let keys = format!(
        "listen: 127.0.0.1:{port}, clients: readers.pem, \
         tls: {{ certificate: page.pem, key: page.key }}"
    );
    page(&household, &keys, true);
    let daemon = Daemon::start(&household);
    daemon.wait_for("the page is shown at https://127.0.0.1:");
    assert!(!daemon.log().contains("fingerprint"), "{}", daemon.log());
    let base = format!("https://127.0.0.1:{port}");
    let root = [providers.certificate.der().clone()];
    let (reader, stranger) = (readers.tls("reader"), strangers.tls("reader"));
    for (own, password, expected) in [
        (Some(&reader), Some(PASSWORD), Some(200)),
        (Some(&reader), None, Some(401)),
        (Some(&stranger), Some(PASSWORD), None),
        (None, Some(PASSWORD), None),
    ] {
        let mut browser = Browser::new(&base, &root, own);
        browser.password = password.map(str::to_owned);
        let answer = browser.ask("GET", "/metrics", &[]);
        let status = answer.map(|answer| answer.status);
        assert_eq!(status, expected, "{:?} {password:?}", own.is_some());
    }
    assert!(!household.state().join("page.key").exists());
}
