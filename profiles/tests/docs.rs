//! The documents: every sample is read, every link leads somewhere, every one is in the book.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::{Path, PathBuf};

use dcnet_profiles::Profile;
use dcnet_profiles::modbus::Template;

/// What a sample leaves out.
const REST: &[(&str, &str)] = &[
    (
        "meter",
        "meter: { name: cellar, source: { sml: { device: /dev/ttyUSB0 } } }\n",
    ),
    (
        "evaluation",
        "evaluation: { taf: 7, slots: [{ obis: 1.8.0, unit: Wh, scale: -1 }] }\n",
    ),
    (
        "communication",
        "communication:\n  provider: https://provider.example\n  net: quarter-7\n  \
         provider_ca: ca.pem\n  tls: { certificate: a, key: b }\n  \
         signature: { certificate: a, key: b }\n",
    ),
    ("state", "state: state\n"),
];

/// The YAML samples of a document.
fn samples(document: &str) -> Vec<String> {
    let mut samples = Vec::new();
    let mut current: Option<String> = None;
    for line in document.lines() {
        match (line, &mut current) {
            ("```yaml", None) => current = Some(String::new()),
            ("```", Some(_)) => samples.extend(current.take()),
            (line, Some(sample)) => {
                sample.push_str(line);
                sample.push('\n');
            }
            _ => {}
        }
    }
    samples
}

fn has(sample: &str, key: &str) -> bool {
    let names: &[&str] = if key == "meter" {
        &["meter:", "meters:"]
    } else {
        &[key]
    };
    sample
        .lines()
        .any(|line| names.iter().any(|name| line.starts_with(name)))
}

#[test]
fn every_sample_of_the_documents_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let (mut read, mut templates) = (0, 0);
    for name in ["sources.md", "modbus.md", "use-cases.md", "page.md"] {
        let document = std::fs::read_to_string(folder.join(name)).unwrap();
        for sample in samples(&document) {
            if sample.contains("\nregisters:") {
                let template = Template::parse(&sample, Path::new(name));
                assert!(!template.unwrap().registers.is_empty());
                templates += 1;
                continue;
            }
            let mut text = if let Some(source) = sample.strip_prefix("source:\n") {
                format!("meter:\n  name: cellar\n  source:\n{}", indented(source))
            } else {
                sample.clone()
            };
            for (key, rest) in REST {
                if !has(&text, key) {
                    text.push_str(rest);
                }
            }
            Profile::parse(&text, Path::new(name))
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            read += 1;
        }
    }
    assert!(read >= 23, "{read}");
    assert_eq!(templates, 1);
}

/// The targets of links in a document, without those elsewhere in the world.
fn links(document: &str) -> impl Iterator<Item = &str> {
    document
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.is_empty())
}

/// The heading of a link's fragment, as it is made out of a heading.
fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut followed = 0;
    let of_root = [root.join("README.md"), root.join("CONTRIBUTING.md")];
    for file in documents(&root.join("docs")).into_iter().chain(of_root) {
        let document = std::fs::read_to_string(&file).unwrap();
        for link in links(&document) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                file.clone()
            } else {
                file.parent().unwrap().join(path)
            };
            assert!(target.exists(), "{}: {link}", file.display());
            if !fragment.is_empty() && target.is_file() {
                let there = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(
                    there.iter().any(|anchor| anchor == fragment),
                    "{}: {link} is none of {there:?}",
                    file.display()
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 100, "{followed}");
}

/// All documents below a folder.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_book_has_every_document_once_and_under_its_heading() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let summary = folder.join("SUMMARY.md");
    let text = std::fs::read_to_string(&summary).unwrap();
    let mut entries = Vec::new();
    for line in text.lines() {
        let Some((title, file)) = line.split_once('[').and_then(|(_, rest)| {
            let (title, rest) = rest.split_once("](")?;
            Some((title, rest.strip_suffix(')')?))
        }) else {
            continue;
        };
        let file = folder.join(file);
        let document = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let heading = document.lines().next().unwrap();
        assert_eq!(heading, format!("# {title}"), "{}", file.display());
        entries.push(file);
    }
    let mut there = documents(&folder);
    there.retain(|file| *file != summary);
    there.sort();
    entries.sort();
    assert_eq!(entries, there);
    assert!(there.len() > 30, "{}", there.len());
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
