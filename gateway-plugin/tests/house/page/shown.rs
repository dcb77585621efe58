//! What is shown is what left the house, and nothing else of what the gateway knows.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use dcnet_gateway::ledger::{Ledger, StateDirectory};
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::provider::RoundOutcome;
use dcnet_protocol::round::Round;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use super::admission::{every_answer_is_bound_to_this_page, who_gets_in};
use super::{PASSWORD, hex, page, run};
use crate::support::bench::{Bench, Daemon, part};
use crate::support::browser::Browser;
use crate::support::pki::Household;
use crate::support::port::free_port;

pub(crate) fn what_left_the_house_is_shown_whatever_happens_in_between() {
    let bench = Bench::new();
    let household = &bench.household;
    let port = free_port();
    page(household, &format!("listen: 127.0.0.1:{port}"), true);
    let mut daemon = Daemon::start(household);
    let base = format!("http://127.0.0.1:{port}");
    let browser = Browser::new(&base, &[], None).with_password(PASSWORD);
    browser.wait();
    who_gets_in(&base);
    // Whatever a browser was shown may hold no secret.
    let mut shown = vec![browser.get("/").text, browser.get("/metrics").text];

    let first = bench.contribution_after(Round::new(0));
    bench.meter.count(600);
    let mut outcomes = vec![first];
    while outcomes.iter().map(|outcome| part(outcome)[0]).sum::<i64>() < 600 {
        assert!(
            outcomes.len() < 10,
            "what the meter counted comes into no sum"
        );
        outcomes.push(bench.contribution_after(outcomes[outcomes.len() - 1].round));
    }
    until_it_knows_what_became_of(&daemon, &outcomes[outcomes.len() - 1]);
    daemon.kill();
    assert_eq!(run(household, &["logbook"]).status.code(), Some(3));
    let mut daemon = Daemon::start(household);
    browser.wait();
    let last = bench.contribution_after(outcomes[outcomes.len() - 1].round);
    let until = last.round;
    until_it_knows_what_became_of(&daemon, &last);
    outcomes.push(last);
    every_answer_is_bound_to_this_page(&browser);

    let log = browser.get("/api/logbook/consumer?limit=1000&bytes=true");
    let records = log.json();
    let records = records.as_array().unwrap();
    all_that_came_in_stands_there(&bench, records, until);
    readings_are_what_came_out_of_the_sums(records, &outcomes);
    numbers_lead_through_a_logbook(&browser, records);
    // Without being asked for, bytes stay away.
    let usual = browser.get("/api/logbook/consumer").json();
    assert!(usual[0].get("bytes").is_none(), "{usual:#}");

    shown.extend([log.text, browser.get("/").text]);
    for path in ["system", "calibration"] {
        let answer = browser.get(&format!("/api/logbook/{path}?limit=1000"));
        let lines = answer.json();
        let started = lines.as_array().unwrap().iter();
        let started = started.filter(|line| line["event"] == "started");
        assert!(started.count() >= 2, "{lines:#}");
        shown.push(answer.text);
    }
    let status = browser.get("/api/status");
    assert_eq!(status.json()["net"], "bench");
    let written = status.json()["updated"].as_u64();
    assert!(
        written > status.json()["started"].as_u64(),
        "{}",
        status.text
    );
    let metrics = browser.get("/metrics").text;
    assert!(metrics.contains("dcnet_gateway_members{"), "{metrics}");
    assert!(!metrics.contains(" 230"), "{metrics}");
    shown.extend([status.text, metrics]);

    shown.extend(the_terminal_shows_the_same(household, records, &mut daemon));
    shown.push(daemon.log());
    assert_no_secret(household, &shown);
    nothing_that_the_gateway_keeps_is_shown(household, &shown, records);
}

/// The provider has a frame a moment before the gateway has written down that it does.
fn until_it_knows_what_became_of(daemon: &Daemon, outcome: &RoundOutcome) {
    daemon.wait_for(&format!(
        "the provider has the frame of round {} (notification 5)",
        outcome.round
    ));
}

/// All that came in at the provider stands in the consumer's log, under the hash of its bytes.
fn all_that_came_in_stands_there(bench: &Bench, records: &[Value], last: Round) {
    let by_hash: BTreeMap<_, _> = records
        .iter()
        .map(|record| (record["sha256"].as_str().unwrap(), record))
        .collect();
    let seen = bench.server.net().seen.clone();
    let seen = seen.iter().filter(|(_, _, round, _)| *round <= last);
    let seen: Vec<_> = seen.collect();
    assert!(seen.len() >= 3, "{}", seen.len());
    for (_, notification, round, bytes) in seen {
        let hash = hex(&frame_hash(bytes));
        let record = by_hash[hash.as_str()];
        assert_eq!(record["bytes"], hex(bytes));
        assert_eq!(record["size"], bytes.len());
        assert_eq!(record["round"], round.number());
        let what = format!("{notification:?}").to_ascii_lowercase();
        assert_eq!(record["what"], what);
    }
}

/// What a frame hid is what is left of the sum without the others' parts.
fn readings_are_what_came_out_of_the_sums(records: &[Value], outcomes: &[RoundOutcome]) {
    let mut energy = 0;
    for outcome in outcomes {
        let round = outcome.round.number();
        let of_round = |record: &&Value| record["what"] == "transmit" && record["round"] == round;
        let record = records.iter().find(of_round).unwrap();
        let slots = record["hidden"]["reading"].as_array().unwrap();
        let words = slots.iter().map(|slot| slot["word"].as_i64().unwrap());
        let words: Vec<_> = words.collect();
        assert_eq!(words, part(outcome), "{record:#}");
        assert_eq!(slots[0]["obis"], "1.8.0");
        assert_eq!(slots[0]["unit"], "Wh");
        let tenths: String = slots[0]["value"].as_str().unwrap().replace('.', "");
        assert_eq!(tenths.parse::<i64>().unwrap(), words[0], "{record:#}");
        assert_eq!(slots[1]["value"], "230");
        assert_eq!(record["hidden"]["members"], 5);
        assert!(record["hidden"]["neighbours"].as_u64().unwrap() >= 3);
        let acknowledged = |outcome: &Value| {
            let recipient = outcome["recipient"].as_str().unwrap();
            outcome["outcome"] == "acknowledged" && recipient.starts_with("https://127.0.0.1:")
        };
        let became = record["outcomes"].as_array().unwrap();
        assert!(became.iter().any(acknowledged), "{record:#}");
        energy += words[0];
    }
    assert_eq!(energy, 600, "what the meter advanced");
}

/// The same over the socket, for `logbook`; and out of the ledger when nobody is there.
fn the_terminal_shows_the_same(
    household: &Household,
    records: &[Value],
    daemon: &mut Daemon,
) -> [String; 2] {
    let numbers = |records: &[Value]| -> Vec<u64> {
        let numbers = records
            .iter()
            .map(|record| record["number"].as_u64().unwrap());
        numbers.collect()
    };
    let arguments = ["logbook", "consumer", "--json", "--limit", "2000"];
    let live = run(household, &arguments);
    assert_eq!(live.status.code(), Some(0), "{live:?}");
    let live: Vec<Value> = serde_json::from_slice(&live.stdout).unwrap();
    assert!(numbers(&live).ends_with(&numbers(records)));
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
    assert!(!household.state().join("home.sock").exists());
    let later = run(household, &arguments);
    assert_eq!(later.status.code(), Some(3), "{later:?}");
    assert!(later.stderr.is_empty(), "{later:?}");
    let later: Vec<Value> = serde_json::from_slice(&later.stdout).unwrap();
    assert!(numbers(&later).ends_with(&numbers(&live)));
    let text = run(household, &["logbook", "consumer"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("transmit, round "), "{text}");
    assert!(text.contains("230 W; in a sum of 5 members"), "{text}");
    let lines = run(household, &["logbook"]);
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert!(lines.trim_end().lines().count() > 3, "{lines}");
    [text, lines]
}

/// Page by page the same records as at once.
fn numbers_lead_through_a_logbook(browser: &Browser, records: &[Value]) {
    let newest = records[0]["number"].as_u64().unwrap();
    let mut before = newest + 1;
    let mut read = Vec::new();
    loop {
        let path = format!("/api/logbook/consumer?limit=4&before={before}");
        let more = browser.get(&path).json();
        let more = more.as_array().unwrap().clone();
        let Some(last) = more.last() else {
            break;
        };
        assert!(more.len() <= 4);
        before = last["number"].as_u64().unwrap();
        read.extend(more.iter().map(|record| record["sha256"].clone()));
    }
    let all: Vec<_> = records
        .iter()
        .map(|record| record["sha256"].clone())
        .collect();
    assert_eq!(read, all);
}

/// Nothing of the private keys and the password, as text, hexadecimal or base64.
fn assert_no_secret(household: &Household, shown: &[String]) {
    let mut secrets = vec![PASSWORD.to_owned()];
    for name in ["tls.key", "sig.key"] {
        let pem = fs::read_to_string(household.path(name)).unwrap();
        secrets.extend(
            pem.lines()
                .filter(|line| line.len() > 20)
                .map(str::to_owned),
        );
        let der = rustls_pki_types::PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        // The scalar stands behind the header of PKCS #8 and of SEC 1.
        let scalar = &der.secret_der()[36..68];
        secrets.extend([hex(scalar), hex(scalar).to_uppercase()]);
    }
    for text in shown {
        assert!(text.len() > 20, "{text}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a secret is shown");
        }
    }
}

/// Of what the gateway remembers, keys that it agreed with neighbours and what pads are made of among it,
/// nothing is shown but what it sent, and hashes of that.
fn nothing_that_the_gateway_keeps_is_shown(
    household: &Household,
    shown: &[String],
    records: &[Value],
) {
    const WINDOW: usize = 16;
    let ledger = Ledger::open(StateDirectory::acquire(&household.state()).unwrap()).unwrap();
    let state = ledger.state().unwrap().unwrap();
    let windows: HashSet<String> = state.windows(WINDOW).map(hex).collect();
    assert!(windows.len() > 500, "{}", windows.len());
    let mut found = 0;
    for text in shown {
        let mut text = text.clone();
        for record in records {
            for known in ["bytes", "sha256"] {
                let known = record[known].as_str().unwrap();
                found += usize::from(text.contains(known));
                text = text.replace(known, "-");
            }
        }
        let digits: Vec<char> = text.chars().collect();
        for window in digits.windows(2 * WINDOW) {
            let window: String = window.iter().collect();
            assert!(
                !windows.contains(&window),
                "{window} is of the gateway's state"
            );
        }
    }
    assert!(found > records.len(), "{found}");
}
