//! The operator's dashboard in a real browser, over a region that runs: a provider, two nets of real
//! gateways, Chromium, and axe-core. `DCNET_SCREENSHOTS` names a folder for the pictures in the documents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "helpers of tests fail the test"
)]

#[allow(dead_code, reason = "the household's page needs more of it")]
#[path = "../../../gateway-plugin/tests/browser/driver.rs"]
mod driver;

use std::path::PathBuf;
use std::time::Duration;

use dcnet_tests::harness::{
    Habit, Household, Lab, Meter, NetPlan, Program, Published, Slot, wait_for,
};
use dcnet_tests::port::free_port;
use driver::{Browser, DESK, Driver, Looks};

/// As narrow as there are any, at night.
const PHONE: Looks = Looks {
    name: "phone-dark",
    size: (320, 640),
    dark: true,
    language: "en",
};
/// The second net: the harness makes the first.
const OTHER: &str = "demo-2";
/// Gateways of the first net; as many as there are more are of the second.
const FIRST: usize = 5;
const GATEWAYS: u8 = 9;
/// Seconds of a round.
const INTERVAL: u32 = 4;
const PATIENCE: Duration = Duration::from_mins(1);

/// Dropped in this order: processes before meters before the folder.
struct Region {
    lab: Lab,
    _meters: Vec<Meter<Household>>,
    address: String,
    _folder: tempfile::TempDir,
}

impl Region {
    /// Two nets that run.
    fn start() -> Self {
        let plan = NetPlan {
            interval: INTERVAL,
            slots: vec![Slot::IMPORT],
            min_size: 4,
            degree: 100,
            mode: "double-mask",
            max_power: 10_000_000,
        };
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (1..=GATEWAYS)
            .map(|number| format!("gw-{number}"))
            .collect();
        let millis = plan.millis();
        let program = Program::at(env!("CARGO_BIN_EXE_dcnet-demo"));
        let mut lab = Lab::create(program, folder.path(), plan, &names).unwrap();
        let evidence = folder.path().join("evidence");
        std::fs::create_dir(&evidence).unwrap();
        std::fs::write(evidence.join("letter.bin"), "this is no evidence").unwrap();
        let port = free_port();
        let mut arguments = vec![
            "--dashboard-listen".into(),
            format!("127.0.0.1:{port}").into(),
            "--evidence-dir".into(),
            evidence.into_os_string(),
        ];
        if let Some(profile) = profile() {
            arguments.extend(["--reference-profile".into(), profile.into_os_string()]);
        }
        lab.serve_with(arguments);
        create_other(&lab);
        let meter = |(number, name): (u8, &String)| {
            let household = Household::new(number, Habit::Consumer(200, 4_000), millis);
            Meter::start(household, &lab.port(name), Duration::from_millis(200)).unwrap()
        };
        let meters = (1..).zip(&names).map(meter).collect();
        lab.start_provider().unwrap();
        for name in names.iter().skip(FIRST) {
            let path = lab.gateway_folder(name).join("gateway.yaml");
            let text = std::fs::read_to_string(&path).unwrap();
            let own = format!("  net: {}\n", NetPlan::NET);
            assert!(text.contains(&own), "{text}");
            std::fs::write(&path, text.replace(&own, &format!("  net: {OTHER}\n"))).unwrap();
        }
        for name in &names {
            lab.start_gateway(name).unwrap();
        }
        Self {
            lab,
            _meters: meters,
            address: format!("http://127.0.0.1:{port}"),
            _folder: folder,
        }
    }

    /// Final rounds of a net.
    fn rounds(&self, net: &str) -> Vec<Published> {
        let store = self.lab.store().display().to_string();
        let words = [
            "round", "list", net, "--json", "--limit", "64", "--store", &store,
        ];
        let output = self.lab.program().dcnet(&words, &[0]).unwrap();
        serde_json::from_slice(&output).unwrap()
    }

    /// The first round of a net that is so.
    fn wait(&self, what: &str, net: &str, is: impl Fn(&Published) -> bool) -> Published {
        let found = wait_for(what, PATIENCE, || {
            Ok(self.rounds(net).into_iter().find(&is))
        });
        found.unwrap_or_else(|error| panic!("{error}: {}", self.lab.logs()))
    }
}

/// The published load profiles, if they are at hand.
fn profile() -> Option<PathBuf> {
    let shared = std::env::var_os("DCNET_SHARED")?;
    let file = PathBuf::from(shared).join("datasets/bdew-standard-load-profiles.csv");
    file.exists().then_some(file)
}

/// A second net in the same store and region.
fn create_other(lab: &Lab) {
    let path = |path: PathBuf| path.display().to_string();
    let (interval, window) = (format!("{INTERVAL}s"), format!("{}s", lab.plan().window()));
    let (ca, store) = (path(lab.ca()), path(lab.store()));
    let key = path(lab.provider_files().signing_key.clone());
    let words = [
        "net",
        "create",
        OTHER,
        "--region",
        "laboratory",
        "--interval",
        &interval,
        "--submit-window",
        &window,
        "--correction-window",
        &window,
        "--min-size",
        "4",
        "--degree",
        "100",
        "--threshold",
        "60",
        "--max-loss",
        "250",
        "--slot",
        "1-0:1.8.0,Wh,-1",
        "--gateway-ca",
        &ca,
        "--signing-key",
        &key,
        "--store",
        &store,
    ];
    lab.program().dcnet(&words, &[0]).unwrap();
}

/// Mean power out of a sum in Wh with one decimal, computed another way than the dashboard does.
fn kilowatts(published: &Published) -> String {
    let value = &published.sums.as_ref().unwrap()[0].value;
    let tenths: u64 = value.replace('.', "").parse().unwrap();
    // Tenths of a watt-hour in rounds of 4 s are 90 W each.
    let watts = tenths * 90;
    format!("{}.{:03}\u{a0}kW", watts / 1000, watts % 1000)
}

async fn look(browser: &Browser<'_>, region: &Region, path: &str, name: &str) {
    browser.goto(&format!("{}{path}", region.address)).await;
    browser.inspect().await;
    if let Some(folder) = std::env::var_os("DCNET_SCREENSHOTS") {
        if browser.looks.name == PHONE.name {
            let script = "document.querySelector('figure')?.scrollIntoView({ block: 'center' })";
            browser.run(script).await;
        }
        browser
            .picture(&PathBuf::from(folder), &format!("dashboard-{name}"))
            .await;
    }
}

/// The time shown, in seconds since 1970; `None` while a page comes.
async fn find_shown(browser: &Browser<'_>) -> Option<(i64, i64)> {
    let script = "const { from, to } = document.querySelector('.plot')?.dataset ?? {};
         return [from ?? '', to ?? '']";
    let shown = browser.run(script).await;
    let number = |index: usize| shown[index].as_str().unwrap().parse().ok();
    number(0).zip(number(1))
}

async fn shown(browser: &Browser<'_>) -> (i64, i64) {
    find_shown(browser).await.unwrap()
}

/// Waits for another time to be shown.
async fn moved(browser: &Browser<'_>, before: (i64, i64)) -> (i64, i64) {
    let has_moved = async || {
        find_shown(browser)
            .await
            .is_some_and(|shown| shown != before)
    };
    browser.wait_for("another time", has_moved).await;
    shown(browser).await
}

#[test]
fn an_operator_sees_what_the_nets_of_a_region_do() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let mut region = Region::start();
    let first = region.wait("sum of the first net", NetPlan::NET, Published::is_complete);
    region.wait("sum of the second net", OTHER, Published::is_complete);
    region.lab.kill_gateway("gw-5").unwrap();
    let without = |round: &Published| round.is_corrected();
    let corrected = region.wait("corrected round", NetPlan::NET, without);
    let start = i64::try_from(first.round * u64::from(INTERVAL)).unwrap();
    let end = i64::try_from((corrected.round + 8) * u64::from(INTERVAL)).unwrap();
    let time = |path: &str| {
        let utc = |seconds: i64| format!("{}Z", civil(seconds));
        format!("{path}?from={}&to={}", utc(start - 8), utc(end))
    };
    let net = time("/nets/demo");
    let pages = [
        ("/", "nets"),
        (net.as_str(), "net"),
        (&time("/regions/laboratory"), "region"),
        ("/rounds", "rounds"),
        ("/evidence", "evidence"),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let browser = driver.browser(PHONE).await;
        for (path, name) in pages {
            look(&browser, &region, path, name).await;
        }
        browser.close().await;
        let browser = driver
            .browser(Looks {
                name: "desk-light",
                ..DESK
            })
            .await;
        for (path, name) in pages {
            look(&browser, &region, path, name).await;
        }
        let text = browser.text("main").await;
        assert!(text.contains("letter.bin"), "{text}");
        numbers(&browser, &region, &net, &first).await;
        zoom(&browser, &region, &net).await;
        news(&browser, &region).await;
        browser.close().await;
        rebinding(&region).await;
    });
}

/// What the provider published is what is shown, as mean power; what was corrected has its sign.
async fn numbers(browser: &Browser<'_>, region: &Region, net: &str, first: &Published) {
    browser.goto(&format!("{}{net}", region.address)).await;
    let script = format!(
        "const row = [...document.querySelectorAll('section[aria-labelledby=rounds] tbody tr')]
             .find(row => row.lastElementChild.textContent === '{}');
         return [...row.children].map(cell => cell.textContent)",
        first.round
    );
    let row = browser.run(&script).await;
    let sum = kilowatts(first);
    assert_eq!(row[2], sum.as_str(), "{row}");
    assert!(row[1].as_str().unwrap().contains("complete"), "{row}");
    let curve = browser
        .run("return document.querySelector('.plot.wide').textContent")
        .await;
    let curve = curve.as_str().unwrap();
    assert!(curve.contains(&sum), "{sum}: {curve}");
    assert!(curve.contains("▲ 1 corrected"), "{curve}");
    if profile().is_some() {
        assert!(curve.contains("; by load profile "), "{curve}");
    }
    // The region adds both nets up.
    browser
        .goto(&format!(
            "{}{}",
            region.address,
            net.replace("/nets/demo", "/regions/laboratory")
        ))
        .await;
    let text = browser.text("main").await;
    assert!(text.contains("The sum of 2 nets"), "{text}");
    let script = "return document.querySelector('.plot.wide desc').textContent";
    let about = browser.run(script).await;
    assert!(!about.as_str().unwrap().contains(": no value"), "{about}");
}

/// By keys, by mouse, by link and by form.
async fn zoom(browser: &Browser<'_>, region: &Region, net: &str) {
    browser.goto(&format!("{}{net}", region.address)).await;
    browser
        .run("document.getElementById('curve').focus()")
        .await;
    let (from, to) = shown(browser).await;
    let length = to - from;
    browser.press("\u{e012}").await; // arrow to the left
    let left = moved(browser, (from, to)).await;
    assert_eq!(left, (from - length / 2, to - length / 2));
    // The focus stays: keys follow keys.
    browser.press("+").await;
    let closer = moved(browser, left).await;
    assert_eq!(closer.1 - closer.0, length / 2);
    browser.press("-").await;
    let wider = moved(browser, closer).await;
    assert_eq!(wider.1 - wider.0, length / 2 * 2);
    browser.press("-").await;
    let wider = moved(browser, wider).await;
    // From a quarter of the curve to its middle.
    let script = "const plot = document.querySelector('.plot.wide');
         plot.scrollIntoView({ block: 'center' });
         const box = plot.getBoundingClientRect();
         const scale = box.width / plot.viewBox.baseVal.width;
         const { left, right } = plot.dataset;
         return [Math.round(box.left + left * scale), Math.round(box.left + right * scale),
             Math.round(box.top + box.height / 2)]";
    let place = browser.run(script).await;
    let number = |index: usize| place[index].as_i64().unwrap();
    let (left, right, y) = (number(0), number(1), number(2));
    browser
        .drag(
            (left + (right - left) / 4, y),
            (i64::midpoint(left, right), y),
        )
        .await;
    let chosen = moved(browser, wider).await;
    let quarter = (wider.1 - wider.0) / 4;
    let near = |one: i64, other: i64| (one - other).abs() <= 2;
    assert!(near(chosen.0, wider.0 + quarter), "{chosen:?} of {wider:?}");
    assert!(
        near(chosen.1, wider.0 + 2 * quarter),
        "{chosen:?} of {wider:?}"
    );
    assert!(
        browser.path().await.contains("from="),
        "{}",
        browser.path().await
    );
    // Links are there without the script, too, and the form.
    browser.follow("nav.times a[data-key='-']").await;
    let linked = shown(browser).await;
    assert!(linked.1 - linked.0 > chosen.1 - chosen.0);
    let script = "document.getElementById('from').value = '2024-10-27T00:00:00';
         document.getElementById('to').value = '2024-10-27T02:00:00';
         document.querySelector('form.times button').click()";
    browser.run(script).await;
    let formed = moved(browser, linked).await;
    assert_eq!(formed, (1_729_980_000, 1_729_987_200));
}

/// Rounds come by themselves.
async fn news(browser: &Browser<'_>, region: &Region) {
    browser.goto(&format!("{}/rounds", region.address)).await;
    browser
        .run("window.before = document.querySelector('tbody').textContent")
        .await;
    let has_news = async || {
        let script = "return window.before !== undefined
             && document.querySelector('tbody').textContent !== window.before";
        browser.run(script).await == true
    };
    browser.wait_for("a new round", has_news).await;
}

/// Names that are not the loopback's are not answered.
async fn rebinding(region: &Region) {
    let http = reqwest::Client::new();
    let request = http.get(&region.address).header("host", "evil.example");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 421);
    assert!(!answer.text().await.unwrap().contains("demo"));
}

/// UTC without a zone.
fn civil(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01 (Howard Hinnant's algorithm).
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (date, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}")
}
