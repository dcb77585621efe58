//! The published description is made of the program, and what the program does is what it says:
//! schemathesis asks for everything in all ways, right and wrong ones.

use std::path::Path;
use std::process::Command;

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

/// What is asked about, beside what schemathesis makes up.
const CONFIGURATION: &str = r#"
[parameters]
"path.net" = ["elbe-4", "weser", "gone"]
"path.client" = ["gw-1", "gw-9"]
"path.round" = [1980004, 1980007, 1980013, 1]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_to_its_description() {
    let Some(program) = std::env::var_os(PROGRAM) else {
        eprintln!("skipped: {PROGRAM} names no program of schemathesis");
        return;
    };
    let world = World::new(Lab::new()).await;
    let known = world.lab.path("known.toml");
    std::fs::write(&known, CONFIGURATION).unwrap();
    let unknown = world.lab.path("unknown.toml");
    std::fs::write(&unknown, "").unwrap();
    for (who, configuration) in [("anna", &known), ("grid", &known), ("otto", &unknown)] {
        let files = world.lab.path("operators").join(who);
        let output = Command::new(&program)
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
            .args(["--seed", "1", "--max-examples", "20", "--workers", "2"])
            .args(["--continue-on-failure", "--generation-deterministic"])
            .args(["--no-color"])
            .current_dir(world.lab.folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{who}: {told}{errors}");
    }
}
