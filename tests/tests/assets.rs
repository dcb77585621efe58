//! Manual pages and completions: one page for every command, completions that complete.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_assets"))
        .arg(folder.path())
        .status();
    assert!(status.unwrap().success());
    folder
}

fn pages(command: &clap::Command, name: &str, all: &mut Vec<String>) {
    all.push(format!("{name}.1"));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(sub, &format!("{name}-{}", sub.get_name()), all);
    }
}

#[test]
fn every_command_has_a_page_with_its_notes_as_they_are_laid_out() {
    let folder = made();
    let mut wanted = Vec::new();
    for command in [
        dcnet_gateway::cli::command(),
        dcnet_provider::cli::command(),
    ] {
        pages(&command, command.get_name(), &mut wanted);
    }
    let mut got: Vec<_> = fs::read_dir(folder.path().join("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    wanted.sort_unstable();
    got.sort_unstable();
    assert_eq!(got, wanted);
    for name in &got {
        let text = fs::read_to_string(folder.path().join("man").join(name)).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION"] {
            assert!(text.contains(&format!(".SH {section}\n")), "{name}: {text}");
        }
        assert!(!text.contains("EXTRA"), "{name}");
    }
    let serve = fs::read_to_string(folder.path().join("man/dcnet-serve.1")).unwrap();
    let (_, notes) = serve.split_once(".SH NOTES\n.nf\n").unwrap();
    assert!(
        notes.contains("\n  connections: 4096        # at a time\n"),
        "{notes}"
    );
    assert!(notes.ends_with(".fi\n"), "{notes}");
}

/// What bash offers after `words`, the last of which is being typed.
fn offered(script: &Path, function: &str, words: &[&str]) -> Vec<String> {
    let script = format!(
        "set -e; source {}; COMP_WORDS=({}); COMP_CWORD={}; {function} {} \"{}\" \"{}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1,
        words.first().unwrap(),
        words.last().unwrap(),
        words.iter().rev().nth(1).unwrap(),
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn completions_complete_commands_and_options() {
    let folder = made();
    let gateway = folder.path().join("bash/dcnet-gateway.bash");
    let offers = offered(&gateway, "_dcnet__gateway", &["dcnet-gateway", "st"]);
    assert_eq!(offers, ["status"]);
    let offers = offered(
        &gateway,
        "_dcnet__gateway",
        &["dcnet-gateway", "read", "--o"],
    );
    assert_eq!(offers, ["--once"]);
    let provider = folder.path().join("bash/dcnet.bash");
    let offers = offered(&provider, "_dcnet", &["dcnet", "net", "cr"]);
    assert_eq!(offers, ["create"]);
    let offers = offered(&provider, "_dcnet", &["dcnet", "serve", "--tls-"]);
    assert_eq!(offers, ["--tls-cert", "--tls-key"]);
    for (shell, file) in [
        ("zsh", "_dcnet"),
        ("zsh", "_dcnet-gateway"),
        ("fish", "dcnet.fish"),
        ("fish", "dcnet-gateway.fish"),
    ] {
        let script = folder.path().join(shell).join(file);
        assert!(fs::metadata(&script).unwrap().len() > 500, "{file}");
        match Command::new(shell).arg("-n").arg(&script).status() {
            Ok(status) => assert!(status.success(), "{file}"),
            Err(error) if std::env::var_os("DCNET_SHARED").is_none() => {
                eprintln!("{file} was not checked: {shell}: {error}");
            }
            Err(error) => panic!("{shell}: {error}"),
        }
    }
}
