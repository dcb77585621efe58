//! The published description is made of the program, and what the program does is what it says:
//! schemathesis asks for everything in all ways, right and wrong ones.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Lab;
use crate::common::operators::get;
use crate::world::World;

const FILE: &str = "../docs/spec/openapi.json";

/// The program of schemathesis, `st`.
const PROGRAM: &str = "DCNET_SCHEMATHESIS";

#[test]
fn the_published_description_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        published == dcnet_provider::server::openapi().unwrap(),
        "out of date: cargo run -p dcnet-provider --example openapi > docs/spec/openapi.json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_shows_the_description_that_is_published() {
    let world = World::new(Lab::new()).await;
    let shown = get(&world.grid, &world.server, "/openapi.json").await.ok();
    assert_eq!(shown, dcnet_provider::server::openapi().unwrap().as_bytes());
}

/// Who asks, and about which names and rounds; of those that are not given, schemathesis makes some up.
const ASKED: [(&str, &str); 3] = [
    (
        "anna",
        "[parameters]\n\"path.net\" = \"elbe-4\"\n\"path.client\" = \"gw-1\"\n\"path.number\" = 1\n\"path.round\" = 1980003\n",
    ),
    (
        "grid",
        "[parameters]\n\"path.net\" = \"elbe-4\"\n\"path.round\" = 1980005\n",
    ),
    ("otto", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_to_its_description() {
    let Some(program) = std::env::var_os(PROGRAM) else {
        eprintln!("skipped: {PROGRAM} names no program of schemathesis");
        return;
    };
    let world = World::new(Lab::new()).await;
    let folder = world.lab.folder.path();
    let runs = ASKED.map(|(who, parameters)| {
        let configuration = folder.join(format!("{who}.toml"));
        std::fs::write(&configuration, parameters).unwrap();
        let files = folder.join("operators").join(who);
        Command::new(&program)
            .arg("--config-file")
            .arg(configuration)
            .arg("run")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE))
            .args(["--url", &world.server.url])
            .arg("--tls-verify")
            .arg(&world.lab.provider.root_certificate)
            .arg("--request-cert")
            .arg(files.join("tls.pem"))
            .arg("--request-cert-key")
            .arg(files.join("tls.key.pem"))
            .args(["--checks", "all", "--max-examples", "15"])
            .args([
                "--continue-on-failure",
                "--generation-deterministic",
                "--no-color",
            ])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let description = std::fs::read_to_string(FILE).unwrap();
    let description: serde_json::Value = serde_json::from_str(&description).unwrap();
    let paths = description["paths"].as_object().unwrap().values();
    let all: usize = paths.map(|path| path.as_object().unwrap().len()).sum();
    let all = format!("Tested: {all}");
    for ((who, _), run) in ASKED.into_iter().zip(runs) {
        let output = run.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{who}: {told}{errors}");
        assert!(told.contains(&all), "{who}: {told}");
        eprintln!("{who}: {}", told.lines().last().unwrap_or_default());
    }
}
