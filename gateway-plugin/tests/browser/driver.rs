//! A real browser without a window (Chromium), driven over `WebDriver`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::support::broker::free_port;

/// What the browser is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// For the names of pictures.
    pub name: &'static str,
    /// Width and height in CSS pixels.
    pub size: (u32, u32),
    pub dark: bool,
    /// What it asks pages for.
    pub language: &'static str,
}

/// A telephone at night, as narrow as there are any, in German.
pub const PHONE: Looks = Looks {
    name: "phone-dark-de",
    size: (320, 640),
    dark: true,
    language: "de",
};
/// A desk by day, in English.
pub const DESK: Looks = Looks {
    name: "desk-light-en",
    size: (1280, 900),
    dark: false,
    language: "en",
};

/// `chromedriver`, and the accessibility checker axe-core as a script.
pub struct Driver {
    process: Child,
    address: String,
    axe: String,
    _folder: tempfile::TempDir,
}

impl Driver {
    /// `None` where there is no Chromium with its driver, or no axe-core (`DCNET_AXE` names its script);
    /// where there are recordings, there have to be.
    pub fn start() -> Option<Self> {
        let axe = std::env::var_os("DCNET_AXE").map(PathBuf::from);
        let axe = axe.and_then(|path| std::fs::read_to_string(path).ok());
        let has = |name: &str| {
            let tried = Command::new(name).arg("--version").output();
            tried.is_ok_and(|output| output.status.success())
        };
        let (Some(axe), true, true) = (axe, has("chromium"), has("chromedriver")) else {
            let what = "skipped: chromium, chromedriver or axe-core (DCNET_AXE) is missing";
            assert!(std::env::var_os("DCNET_SHARED").is_none(), "{what}");
            eprintln!("{what}");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self {
            process,
            address: format!("http://127.0.0.1:{port}"),
            axe,
            _folder: folder,
        })
    }

    pub async fn browser(&self, looks: Looks) -> Browser<'_> {
        let (width, height) = looks.size;
        let options = json!({
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-quic", "--hide-scrollbars",
                format!("--lang={}", looks.language),
                format!("--accept-lang={}", looks.language),
                format!("--blink-settings=preferredColorScheme={}", u8::from(!looks.dark)),
            ],
            "prefs": { "intl.accept_languages": looks.language },
            "mobileEmulation": {
                "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1, "touch": false },
            },
        });
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        capabilities.insert("acceptInsecureCerts".to_owned(), json!(true));
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
        let started = Instant::now();
        let client = loop {
            let mut builder = ClientBuilder::new(connector());
            match builder
                .capabilities(capabilities.clone())
                .connect(&self.address)
                .await
            {
                Ok(client) => break client,
                Err(error) => assert!(
                    started.elapsed() < Duration::from_secs(30),
                    "no browser: {error}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Browser {
            client,
            looks,
            axe: &self.axe,
        }
    }
}

fn connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Browser<'d> {
    client: Client,
    pub looks: Looks,
    axe: &'d str,
}

impl Browser<'_> {
    pub async fn goto(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// Path and query of where it is.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        let query = url.query().map(|query| format!("?{query}"));
        format!("{}{}", url.path(), query.unwrap_or_default())
    }

    /// Clicks the first element that matches and waits for another page.
    pub async fn follow(&self, css: &str) {
        let before = self.client.current_url().await.unwrap();
        let element = self.client.find(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|error| panic!("{css} on {before}: {error}"));
        element.click().await.unwrap();
        self.wait_for("another page", async || {
            self.client.current_url().await.unwrap() != before
                && self.run("return document.readyState", vec![]).await == "complete"
        })
        .await;
    }

    /// Text of the first element that matches.
    pub async fn text(&self, css: &str) -> String {
        let element = self.client.find(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|error| panic!("{css}: {error}"));
        element.text().await.unwrap()
    }

    pub async fn count(&self, css: &str) -> usize {
        let found = self.client.find_all(Locator::Css(css)).await;
        found.unwrap().len()
    }

    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    pub async fn run_to_its_end(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, error => done({{ failed: String(error) }}));"
        );
        self.client.execute_async(&script, vec![]).await.unwrap()
    }

    /// A key to whatever has the focus.
    pub async fn press(&self, key: &str) {
        let element = self.client.active_element().await.unwrap();
        element.send_keys(key).await.unwrap();
    }

    pub async fn wait_for(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !condition().await {
            assert!(started.elapsed() < Duration::from_secs(30), "no {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What must hold on every page: nothing that axe-core finds wrong (WCAG 2.2 AA and its good
    /// practices), nothing wider than the screen, nothing loaded from elsewhere, nothing that failed.
    pub async fn inspect(&self) {
        let path = self.path().await;
        let at = format!("{path} ({})", self.looks.name);
        self.client.execute(self.axe, vec![]).await.unwrap();
        let found = self
            .run_to_its_end(
                "const found = await axe.run(document, { resultTypes: ['violations'] });
                 return found.violations.map(one => one.id + ': ' + one.help + ' '
                     + one.nodes.slice(0, 3).map(node => node.html + ' ' + node.failureSummary).join(' | '));",
            )
            .await;
        assert_eq!(found, json!([]), "{at}");
        let measured = self
            .run(
                "const all = performance.getEntriesByType('resource');
                 return {
                     surplus: document.documentElement.scrollWidth - document.documentElement.clientWidth,
                     foreign: all.map(one => one.name).filter(name => !name.startsWith(location.origin)
                         && !name.startsWith('data:')),
                     failed: all.filter(one => one.responseStatus >= 400).map(one => one.name),
                     language: document.documentElement.lang,
                     headings: document.querySelectorAll('h1').length,
                 };",
                vec![],
            )
            .await;
        let expected = json!({
            "surplus": 0,
            "foreign": [],
            "failed": [],
            "language": self.looks.language,
            "headings": 1,
        });
        assert_eq!(measured, expected, "{at}");
    }

    /// Saves what is to be seen, for people to look at.
    pub async fn picture(&self, folder: &Path, name: &str) {
        let height = self
            .run("return document.documentElement.scrollHeight", vec![])
            .await;
        let png = self.client.screenshot().await.unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{name}: {height}");
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join(format!("{name}-{}.png", self.looks.name));
        std::fs::write(file, png).unwrap();
    }

    pub async fn close(self) {
        self.client.close().await.unwrap();
    }
}
