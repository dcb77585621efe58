//! The household's page in a real browser: a real daemon with its meter and provider, Chromium, and
//! axe-core, which knows what screen readers and keyboards need.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "a test"
)]

#[allow(
    dead_code,
    reason = "the operator's dashboard is tested with it, too, and needs a mouse"
)]
mod driver;
mod past;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use dcnet_protocol::message::frame_hash;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::Round;
use driver::{Browser, DESK, Driver, PHONE};
use support::bench::{Bench, Daemon, part};
use support::net::Shape;
use support::port::free_port;

/// Every page without a parameter.
const PAGES: [&str; 7] = [
    "/",
    "/days",
    "/sent",
    "/profiles",
    "/tariffs",
    "/logbooks/system",
    "/logbooks/calibration",
];

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages")
}

/// Turns the page on; its address.
fn turn_on(bench: &Bench, more: &str) -> String {
    let port = free_port();
    bench.household.edit(
        "state: state\n",
        &format!("state: state\nhome:\n  page:\n    listen: 127.0.0.1:{port}\n{more}"),
    );
    format!("http://127.0.0.1:{port}")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn look(browser: &Browser<'_>, address: &str, path: &str, name: &str) {
    browser.goto(&format!("{address}{path}")).await;
    browser.inspect().await;
    browser.picture(&pictures(), name).await;
    browser.lengthen_words().await;
}

/// The superposition of `round` as the provider got it.
fn received(bench: &Bench, round: Round) -> Vec<u8> {
    let net = bench.server.net();
    let mut seen = net.seen.iter();
    let found = seen
        .find(|(_, notification, of, _)| (*notification, *of) == (Notification::Transmit, round));
    found.unwrap().3.clone()
}

/// From tenths of a watt-hour.
fn kilowatt_hours(tenths: i64) -> String {
    format!("{}.{:04}", tenths / 10_000, tenths % 10_000)
}

fn digits(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from_digit(digit.into(), 16).unwrap());
    digits.collect()
}

#[test]
fn a_household_finds_what_left_it_byte_for_byte_beside_what_it_hid() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let bench = Bench::double_mask(1);
    let address = turn_on(&bench, "");
    let daemon = Daemon::start(&bench.household);
    bench.meter.count(1_234);
    let first = bench.contribution_after(Round::new(0));
    bench.meter.count(777);
    let outcome = bench.contribution_after(first.round);
    // A moment later its receipt is written down, too.
    daemon.wait_for(&format!(
        "the provider has the frame of round {} (notification 5)",
        outcome.round
    ));
    runtime().block_on(async {
        let browser = driver.browser(DESK).await;
        for page in PAGES {
            let name = page.trim_matches('/').replace('/', "-");
            let name = if name.is_empty() { "now" } else { &name };
            look(&browser, &address, page, &format!("live-{name}")).await;
        }
        // By the navigation to what left, and on to the superposition of that round.
        browser.goto(&address).await;
        browser.follow("nav a[href^='/sent']").await;
        let mark = format!(
            "const link = [...document.querySelectorAll('main tbody a')]
                 .find(one => one.textContent.startsWith('superposition of round {}'));
             link.id = 'chosen';",
            outcome.round
        );
        browser.run(&mark).await;
        browser.follow("#chosen").await;
        browser.inspect().await;
        browser.picture(&pictures(), "live-superposition").await;
        let path = browser.path().await;

        // What can be downloaded is what the provider got.
        let received = received(&bench, outcome.round);
        let shown = browser
            .run_to_its_end(
                "const link = document.querySelector(\"a[href$='.bin']\");
                 const answer = await fetch(link.href);
                 return [...new Uint8Array(await answer.arrayBuffer())];",
            )
            .await;
        let shown: Vec<u8> = serde_json::from_value(shown).unwrap();
        assert_eq!(shown, received);
        // And what can be read is the same, each byte once, with its hash.
        let text = browser
            .run(
                "return [...document.querySelectorAll('main .bytes')].map(one => one.textContent).join('')")
            .await;
        let text: String = text.as_str().unwrap().split_whitespace().collect();
        assert_eq!(text, digits(&received));
        let page = browser.text("main").await;
        let hash = digits(&frame_hash(&received));
        assert!(page.contains(&hash), "{path} lacks {hash}: {page}");
        // Beside it stands the reading that it hid.
        let reading = kilowatt_hours(part(&outcome)[0]);
        assert!(page.contains(&reading), "{path} lacks {reading}: {page}");

        // What is shown now keeps up with the meter, without a reload.
        browser.goto(&address).await;
        bench.meter.count(5_000);
        let import = bench.meter.import.load(Ordering::Relaxed);
        let register = kilowatt_hours(import);
        let shown = async || browser.text("main").await.contains(&register);
        browser.wait_for("the register that went on", shown).await;
        browser.close().await;
    });
}

#[test]
fn by_keyboard_alone_and_in_the_language_that_is_asked_for() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let bench = Bench::of(Shape::double_mask(4, [900, 60, 60]));
    let address = turn_on(&bench, "");
    past::write(&bench);
    let _daemon = Daemon::start(&bench.household);
    runtime().block_on(async {
        let browser = driver.browser(PHONE).await;
        let ready = async || {
            browser.goto(&address).await;
            browser.run("return document.title").await != ""
        };
        browser.wait_for("page", ready).await;
        for page in PAGES {
            let name = page.trim_matches('/').replace('/', "-");
            let name = if name.is_empty() { "now" } else { &name };
            look(&browser, &address, page, &format!("weeks-{name}")).await;
        }
        // The first stop of the keyboard leads past the navigation.
        browser.goto(&address).await;
        browser.press("\u{e004}").await; // Tab
        let skip = "return document.activeElement.getAttribute('href')";
        assert_eq!(browser.run(skip).await, "#main");
        browser.press("\u{e007}").await; // Enter
        let target = "return location.hash";
        assert_eq!(browser.run(target).await, "#main");
        // From the weeks to a day, as the keyboard goes: every day with readings is a link.
        browser.goto(&format!("{address}/days")).await;
        let days = browser.count("main a[href^='/day/']").await;
        assert!(days >= 20, "{days} days");
        let focused = browser
            .run(
                "const links = [...document.querySelectorAll(\"main a[href^='/day/']\")];
                 const link = links.find(one => one.getClientRects().length > 0);
                 link.focus();
                 return document.activeElement === link",
            )
            .await;
        assert_eq!(focused, true);
        browser.press("\u{e007}").await;
        let at_day = async || browser.path().await.starts_with("/day/");
        browser.wait_for("day", at_day).await;
        browser.inspect().await;
        browser.picture(&pictures(), "weeks-day").await;
        // The other language is a link away, and stays.
        let german = browser.text("main").await;
        browser
            .follow("header a[href*='lang=en'], footer a[href*='lang=en']")
            .await;
        let language = "return document.documentElement.lang";
        assert_eq!(browser.run(language).await, "en");
        assert_ne!(browser.text("main").await, german);
        browser.follow("nav a[href^='/profiles']").await;
        assert_eq!(browser.run(language).await, "en");
        browser.close().await;

        let browser = driver.browser(DESK).await;
        look(&browser, &address, "/days", "weeks-days").await;
        look(&browser, &address, "/", "weeks-now").await;
        browser.close().await;
    });
}
