//! Every sample in the documents is read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;

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
    let of_docs = std::fs::read_dir(root.join("docs")).unwrap();
    let of_docs = of_docs.map(|entry| entry.unwrap().path());
    let files = of_docs.chain([root.join("README.md"), root.join("CONTRIBUTING.md")]);
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
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
    assert!(followed > 20, "{followed}");
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
