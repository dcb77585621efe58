//! Orders of the operator, as processes: members that are suspended and resumed while rounds run, a net that
//! is closed, a server that is killed between an order and its answer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use std::process::Output;
use std::time::{Duration, Instant};

use common::machine::{Machine, join};
use common::{Lab, Net, Server, four, now, on_both};
use dcnet_protocol::gateway::Phase;
use dcnet_protocol::round::Round;
use serde_json::Value;

const NET: &str = "elbe-6";
const NAMES: [&str; 6] = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5", "gw-6"];
const WORTH: [i64; 6] = [100_000, 20_000, 3_000, 400, 50, 6];

/// Six members that submit in each round.
struct Street {
    net: Net,
    machines: Vec<Machine>,
    submitted: Option<Round>,
}

impl Street {
    async fn new(lab: &Lab, server: &Server) -> Self {
        let net = Net::fetch(server, &lab.gateway(NAMES[0]), NET).await;
        let mut machines: Vec<Machine> = (1..)
            .zip(NAMES)
            .map(|(seed, name)| Machine::new(lab, &net, name, seed))
            .collect();
        join(server, &net, &mut machines).await;
        Self {
            net,
            machines,
            submitted: None,
        }
    }

    async fn step(&mut self, server: &Server) {
        let round = self.net.descriptor.schedule().submitted_at(now());
        let opens = round.filter(|_| round != self.submitted);
        for (machine, worth) in self.machines.iter_mut().zip(WORTH) {
            if let Some(round) = opens {
                machine
                    .submit(server, &self.net, round, [worth, worth])
                    .await;
            }
            machine.step(server, &self.net).await;
        }
        self.submitted = round;
    }

    /// Goes on until `there` finds what it looks for.
    async fn until<T>(&mut self, server: &Server, mut there: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = there(self) {
                return found;
            }
            let reports: Vec<_> = self.machines.iter().map(|it| &it.reports).collect();
            assert!(started.elapsed() < Duration::from_mins(1), "{reports:#?}");
            self.step(server).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The next round with so many members that ends.
    async fn round_of(&mut self, lab: &Lab, server: &Server, members: u64) {
        let last = rounds(lab)
            .last()
            .map_or(0, |it| it["round"].as_u64().unwrap());
        self.until(server, |_| {
            let rounds = rounds(lab);
            let ended = rounds.last()?;
            let fits = ended["round"].as_u64()? > last && ended["members"] == members;
            fits.then_some(())
        })
        .await;
    }
}

fn rounds(lab: &Lab) -> Vec<Value> {
    let list = lab.dcnet_json(&["round", "list", NET, "--json"]);
    list.as_array().unwrap().clone()
}

/// Every sum is that of its contributors, and nobody is missing.
fn assert_exact(rounds: &[Value]) {
    for round in rounds {
        assert_eq!(round["status"], "complete", "{round}");
        let worth = |name: &Value| WORTH[NAMES.iter().position(|it| name == it).unwrap()];
        let contributors = round["contributors"].as_array().unwrap();
        let expected: i64 = contributors.iter().map(worth).sum();
        assert_eq!(round["sums"][1]["value"], expected.to_string(), "{round}");
        assert_eq!(round["members"], contributors.len(), "{round}");
    }
}

fn assert_no_gap(rounds: &[Value]) {
    let numbers: Vec<u64> = rounds
        .iter()
        .map(|it| it["round"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{numbers:?}"
    );
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, text: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(errors.contains(text), "{errors}");
}

fn create(lab: &Lab) {
    let args = [
        ["--mode", "double-mask"],
        ["--interval", "5s"],
        ["--correction-window", "2s"],
        ["--degree", "5"],
        ["--threshold", "3"],
        ["--max-loss", "200"],
    ];
    lab.create_net_with(NET, &lab.authority.certificate_path(), &args.concat());
}

on_both!(a_member_is_suspended_and_resumed_and_the_net_is_closed);
async fn a_member_is_suspended_and_resumed_and_the_net_is_closed(lab: Lab) {
    create(&lab);
    let server = lab.serve();
    let mut street = Street::new(&lab, &server).await;
    street.round_of(&lab, &server, 6).await;

    let suspend = [
        "member",
        "suspend",
        NET,
        "gw-6",
        "--reason",
        "meter exchanged",
    ];
    let told = lab.dcnet_published(&suspend);
    assert_eq!(
        (&told["state"], &told["member"]),
        (&"taken".into(), &"gw-6".into())
    );
    let by = told["asked_by"].as_str().unwrap();
    assert!(by.ends_with(", console"), "{by}");
    refused(&lab.dcnet(&suspend), 1, "suspended by an operator already");
    street.round_of(&lab, &server, 5).await;
    let is_barred = |street: &Street| (street.machines[5].phase() == Phase::Barred).then_some(());
    street.until(&server, is_barred).await;
    let gateway = lab.gateway("gw-6");
    let frame = gateway.register_frame(&street.net);
    let answer = gateway.frame(&server, &street.net, &frame).await;
    answer.problem(403, "barred");
    let member = lab.dcnet_published(&["member", "show", NET, "gw-6"]);
    assert_eq!(member["status"], "suspended", "{member}");
    assert_eq!(member["barred"]["reason"], "meter exchanged", "{member}");
    let list = ok(&lab.dcnet(&["member", "list", NET]));
    assert!(list.contains("suspended, barred"), "{list}");
    let show = ok(&lab.dcnet(&["net", "show", NET]));
    assert!(show.contains("meter exchanged"), "{show}");
    street.round_of(&lab, &server, 5).await;
    assert_exact(&rounds(&lab));
    assert_no_gap(&rounds(&lab));

    // Killed before it has taken the order: the next one takes it, once.
    server.signal("-STOP");
    let resume = ["member", "resume", NET, "gw-6", "--no-wait"];
    assert_eq!(lab.dcnet_published(&resume)["state"], "waiting");
    server.end("-KILL");
    let server = lab.serve();
    street.round_of(&lab, &server, 6).await;
    let audit = lab.dcnet_published(&["net", "audit", NET]);
    let orders = audit["orders"].as_array().unwrap();
    let shown: Vec<_> = orders
        .iter()
        .map(|it| (&it["order"], &it["state"]))
        .collect();
    let expected = ["taken", "refused", "taken"].map(Value::from);
    assert!(shown.iter().map(|it| it.1).eq(&expected), "{audit}");
    assert_eq!(orders[1]["refusal"], "already-suspended");
    assert_exact(&rounds(&lab));

    refused(
        &lab.dcnet(&["net", "close", NET, "--reason", "over"]),
        1,
        "was to be typed",
    );
    let close = [
        "net",
        "close",
        NET,
        "--yes",
        "--reason",
        "replaced by elbe-7",
    ];
    assert_eq!(lab.dcnet_published(&close)["state"], "taken");
    let are_told = |street: &Street| {
        let mut machines = street.machines.iter();
        machines.all(|it| it.phase() == Phase::Closed).then_some(())
    };
    street.until(&server, are_told).await;
    assert_exact(&rounds(&lab));
    let ended = rounds(&lab);
    assert_eq!(ended.last().unwrap()["members"], 6, "{ended:?}");
    let frame = gateway.register_frame(&street.net);
    let answer = gateway.frame(&server, &street.net, &frame).await;
    answer.problem(410, "net-closed");
    refused(&lab.dcnet(&suspend), 1, "stays closed");
    let show = lab.dcnet_published(&["net", "show", NET]);
    assert_eq!(show["closed"]["reason"], "replaced by elbe-7", "{show}");
    ok(&lab.dcnet(&["net", "audit", NET]));
    ok(&lab.dcnet(&["store", "check"]));
    // Who was told once leaves; nobody is kept.
    let exit = gateway.exit_frame(&street.net, now().millis());
    gateway.frame(&server, &street.net, &exit).await.ok();
}

on_both!(an_order_waits_for_a_server_and_a_backup_takes_none, beside others);
async fn an_order_waits_for_a_server_and_a_backup_takes_none(lab: Lab) {
    lab.create_net("elbe-4");
    let file = lab.path("backup.dcnet");
    let file = file.to_str().unwrap();
    let close = [
        "net",
        "close",
        "elbe-4",
        "--yes",
        "--reason",
        "a mistake",
        "--wait",
        "0",
    ];
    refused(&lab.dcnet(&close), 5, "no server has taken order 1");
    ok(&lab.dcnet(&["store", "backup", file]));
    refused(
        &lab.dcnet(&["net", "close", "elbe-9", "--yes", "--reason", "a mistake"]),
        4,
        "there is no net elbe-9",
    );
    refused(
        &lab.dcnet(&["net", "close", "elbe-4", "--yes", "--reason", " "]),
        1,
        "say why",
    );
    // Many ask at once: each has a number of its own, and all are answered in order.
    let asked = std::thread::scope(|scope| {
        let ask = || {
            let args = ["correction", "retry", "elbe-4", "7", "--no-wait"];
            lab.dcnet_published(&args)["number"].as_u64().unwrap()
        };
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let mut numbers: Vec<u64> = asking.into_iter().map(|it| it.join().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    });
    assert_eq!(asked, [2, 3, 4, 5]);
    let server = lab.serve();
    let audit = |what: &str| {
        let audit = lab.dcnet_json(&["net", "audit", "elbe-4", "--json"]);
        let orders = audit["orders"].as_array().unwrap();
        let found: Vec<Value> = orders.iter().map(|it| it[what].clone()).collect();
        found
    };
    let started = Instant::now();
    while audit("answered_at").contains(&Value::Null) {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let states = ["taken", "refused", "refused", "refused", "refused"];
    assert_eq!(audit("state"), states.map(Value::from));
    let net = Net::fetch(&server, &four(&lab)[0], "elbe-4").await;
    let gateway = lab.gateway("gw-1");
    let answer = gateway
        .frame(&server, &net, &gateway.register_frame(&net))
        .await;
    answer.problem(410, "net-closed");
    server.end("-TERM");

    // What waited when the backup was made is not carried out by whoever restores it.
    let restored = lab.path("restored.sqlite3");
    let restored = restored.to_str().unwrap();
    let on = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dcnet"));
        command
            .args(args)
            .args(["--store", restored])
            .output()
            .unwrap()
    };
    ok(&on(&["store", "restore", file]));
    let net = ok(&on(&["net", "show", "elbe-4", "--json"]));
    let net: Value = serde_json::from_str(&net).unwrap();
    assert_eq!(net["closed"], Value::Null, "{net}");
    ok(&on(&["store", "check"]));
}
