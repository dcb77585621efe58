//! What a service manager hears from `dcnet serve`, through a socket as systemd's.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Lab, Net, Server, on_both};

/// After so long without a sign of life systemd would end the server.
const WATCHDOG: Duration = Duration::from_millis(1_500);

fn manager(lab: &Lab) -> (UnixDatagram, [(&'static str, String); 2]) {
    let path = lab.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()),
        ("WATCHDOG_USEC", WATCHDOG.as_micros().to_string()),
    ];
    (socket, variables)
}

fn hear(socket: &UnixDatagram, patience: Duration) -> Option<String> {
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
}

/// Listens for a while: the longest time without a sign of life.
fn longest_silence(socket: &UnixDatagram, time: Duration) -> Duration {
    let started = Instant::now();
    let (mut last, mut longest) = (started, Duration::ZERO);
    while started.elapsed() < time {
        let heard = hear(socket, Duration::from_millis(50));
        if heard.is_some_and(|text| text.contains("WATCHDOG=1")) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
    }
    longest.max(last.elapsed())
}

on_both!(the_manager_hears_readiness_signs_of_life_and_the_end, beside others);
async fn the_manager_hears_readiness_signs_of_life_and_the_end(lab: Lab) {
    lab.create_net("elbe-4");
    let (socket, variables) = manager(&lab);
    let mut command = lab.serve_command(&lab.authority.certificate_path(), &[]);
    let server = Server::spawn(command.envs(variables));
    let first = hear(&socket, Duration::from_secs(10)).unwrap();
    assert_eq!(
        first.trim_end(),
        format!("READY=1\nSTATUS=listening on {}", server.url)
    );
    let silence = longest_silence(&socket, Duration::from_secs(5));
    assert!(silence < WATCHDOG, "{silence:?}");

    // Somebody keeps the store to himself: what is to be written waits, and the server does not get on.
    let gateway = lab.gateway("gw-1");
    let net = Net::fetch(&server, &gateway, "elbe-4").await;
    let held = lab.store.hold().await;
    let frame = gateway.register_frame(&net);
    let registering = tokio::spawn(async move {
        // A database ends a wait for somebody else's transaction before this is over.
        let _ = gateway.frame(&server, &net, &frame).await;
        (server, gateway, net, frame)
    });
    let waiting = tokio::task::spawn_blocking(move || {
        let silence = longest_silence(&socket, WATCHDOG * 2);
        (silence, socket)
    });
    let (silence, socket) = waiting.await.unwrap();
    held.let_go().await;
    assert!(silence >= WATCHDOG, "{silence:?}: it hung and gave signs");
    let (server, gateway, net, frame) = registering.await.unwrap();
    gateway.frame(&server, &net, &frame).await.ok();
    let silence = longest_silence(&socket, Duration::from_secs(3));
    assert!(silence < WATCHDOG, "{silence:?}");

    let (status, log) = server.end("-TERM");
    assert!(status.success(), "{log}");
    let rest: Vec<_> = std::iter::from_fn(|| hear(&socket, Duration::from_millis(100))).collect();
    assert!(
        rest.last()
            .is_some_and(|text| text.starts_with("STOPPING=1")),
        "{rest:?}"
    );
}

#[test]
fn keys_that_others_may_read_are_refused() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let (socket, variables) = manager(&lab);
    let ca = lab.authority.certificate_path();
    let refused = |key: &Path| {
        let output = lab
            .serve_command(&ca, &[])
            .envs(variables.clone())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.contains("others may read this key (mode 640); run: chmod 600")
                && text.contains(key.to_str().unwrap()),
            "{text}"
        );
    };
    for key in [&lab.provider.tls_key, &lab.provider.signing_key] {
        fs::set_permissions(key, Permissions::from_mode(0o640)).unwrap();
        refused(key);
        fs::set_permissions(key, Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(hear(&socket, Duration::from_millis(100)), None);

    // As systemd hands keys over, mode 0400 or with a list whose mask is shown as 0440.
    let handed = lab.path("credentials");
    fs::create_dir(&handed).unwrap();
    let mut lab = lab;
    for key in [&mut lab.provider.tls_key, &mut lab.provider.signing_key] {
        let copy = handed.join(key.file_name().unwrap());
        fs::copy(&*key, &copy).unwrap();
        *key = copy;
    }
    for mode in [0o400, 0o440] {
        for key in [&lab.provider.tls_key, &lab.provider.signing_key] {
            fs::set_permissions(key, Permissions::from_mode(mode)).unwrap();
        }
        let mut command = lab.serve_command(&ca, &[]);
        let server = Server::spawn(command.env("CREDENTIALS_DIRECTORY", &handed));
        let (status, log) = server.end("-TERM");
        assert!(status.success(), "{mode:o}: {log}");
    }
}
