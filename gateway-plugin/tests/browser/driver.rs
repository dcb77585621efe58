//! A real browser without a window (Chromium), driven over `WebDriver` (W3C): a dozen requests of HTTP and
//! JSON, which the client that is here anyway can make.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::free_port;

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
                format!("--blink-settings=preferredColorScheme={}", u8::from(!looks.dark)),
            ],
            "prefs": { "intl.accept_languages": looks.language },
            "mobileEmulation": {
                "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1, "touch": false },
            },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:chromeOptions": options,
        } } });
        // The client wants to know how TLS is done, though it does none.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::new();
        let started = Instant::now();
        let session = loop {
            match ask(&http, &format!("{}/session", self.address), Some(&wanted)).await {
                Ok(answer) => break answer["sessionId"].as_str().unwrap().to_owned(),
                Err(error) => assert!(
                    started.elapsed() < Duration::from_secs(30),
                    "no browser: {error}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Browser {
            session: format!("{}/session/{session}", self.address),
            http,
            looks,
            axe: &self.axe,
        }
    }
}

/// A command: with a body `POST`, otherwise `GET`. The value of the answer, or what the driver says.
async fn ask(http: &reqwest::Client, address: &str, body: Option<&Value>) -> Result<Value, String> {
    let request = match body {
        Some(body) => http.post(address).body(body.to_string()),
        None => http.get(address),
    };
    let answer = request.header("content-type", "application/json").send();
    let answer = answer.await.map_err(|error| error.to_string())?;
    let is_success = answer.status().is_success();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if is_success {
        Ok(answer["value"].take())
    } else {
        Err(answer["value"]["message"].to_string())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Browser<'d> {
    http: reqwest::Client,
    /// Address of the session.
    session: String,
    pub looks: Looks,
    axe: &'d str,
}

/// Key under which an element is named (W3C `WebDriver`, section 12.3).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser<'_> {
    async fn tell(&self, command: &str, body: Value) -> Value {
        let address = format!("{}/{command}", self.session);
        let answer = ask(&self.http, &address, Some(&body)).await;
        answer.unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    async fn get(&self, question: &str) -> Value {
        let answer = ask(&self.http, &format!("{}/{question}", self.session), None).await;
        answer.unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    /// The first element that matches.
    async fn element(&self, css: &str) -> String {
        let body = json!({ "using": "css selector", "value": css });
        let found = self.tell("element", body).await;
        format!("element/{}", found[ELEMENT].as_str().unwrap())
    }

    pub async fn goto(&self, address: &str) {
        self.tell("url", json!({ "url": address })).await;
    }

    async fn address(&self) -> String {
        self.get("url").await.as_str().unwrap().to_owned()
    }

    /// Path and query of where it is.
    pub async fn path(&self) -> String {
        let path = "return location.pathname + location.search";
        self.run(path).await.as_str().unwrap().to_owned()
    }

    /// Clicks the first element that matches and waits for another page.
    pub async fn follow(&self, css: &str) {
        let before = self.address().await;
        let element = self.element(css).await;
        self.tell(&format!("{element}/click"), json!({})).await;
        self.wait_for("another page", async || {
            self.address().await != before
                && self.run("return document.readyState").await == "complete"
        })
        .await;
    }

    /// Text of the first element that matches.
    pub async fn text(&self, css: &str) -> String {
        let element = self.element(css).await;
        let text = self.get(&format!("{element}/text")).await;
        text.as_str().unwrap().to_owned()
    }

    pub async fn count(&self, css: &str) -> usize {
        let body = json!({ "using": "css selector", "value": css });
        self.tell("elements", body).await.as_array().unwrap().len()
    }

    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.tell("execute/sync", body).await
    }

    /// The same for the body of an asynchronous function.
    pub async fn run_to_its_end(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, error => done({{ failed: String(error) }}));"
        );
        let body = json!({ "script": script, "args": [] });
        self.tell("execute/async", body).await
    }

    /// A key to whatever has the focus.
    pub async fn press(&self, key: &str) {
        let active = self.get("element/active").await;
        let element = active[ELEMENT].as_str().unwrap();
        let command = format!("element/{element}/value");
        self.tell(&command, json!({ "text": key })).await;
    }

    /// Draws the mouse over the screen, from one place to another with the button held down.
    pub async fn drag(&self, from: (i64, i64), to: (i64, i64)) {
        let to_place =
            |(x, y): (i64, i64)| json!({ "type": "pointerMove", "duration": 50, "x": x, "y": y });
        let actions = json!({ "actions": [{
            "type": "pointer",
            "id": "mouse",
            "parameters": { "pointerType": "mouse" },
            "actions": [
                to_place(from),
                { "type": "pointerDown", "button": 0 },
                to_place(to),
                { "type": "pointerUp", "button": 0 },
            ],
        }] });
        self.tell("actions", actions).await;
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
        self.run(self.axe).await;
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

    /// Sentences of a log may have words of any length (an address, a file's path): none makes the
    /// page wider than the screen.
    pub async fn lengthen_words(&self) {
        let surplus = self
            .run(
                "for (const cell of document.querySelectorAll('td[lang]')) cell.textContent += 'x'.repeat(400);
                 return document.documentElement.scrollWidth - document.documentElement.clientWidth;",
            )
            .await;
        let path = self.path().await;
        assert_eq!(surplus, json!(0), "{path} ({})", self.looks.name);
    }

    /// Saves what is to be seen, for people to look at.
    pub async fn picture(&self, folder: &Path, name: &str) {
        use base64::Engine as _;
        let text = self.get("screenshot").await;
        let png = base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap());
        let png = png.unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{name}");
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join(format!("{name}-{}.png", self.looks.name));
        std::fs::write(file, png).unwrap();
    }

    /// Ends the session.
    pub async fn close(self) {
        let _ = self.http.delete(&self.session).send().await;
    }
}
