//! Rounds that are corrected by double masks: rosters over HTTP, what survives a `kill -9`, and what
//! must not survive its round.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;
#[path = "double_mask/looking.rs"]
mod looking;

use std::time::{Duration, Instant};

use common::machine::{Machine, join};
use common::{Gateway, Lab, Net, Server, Store, holds, now, on_both, receipt, roster_path};
use dcnet_protocol::membership::edge::EdgeSet;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Round;
use dcnet_protocol::self_mask::{SealedShare, SelfMask, ShareKey};

const NAMES: [&str; 5] = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];

fn five(lab: &Lab) -> Vec<Gateway> {
    NAMES.iter().map(|name| lab.gateway(name)).collect()
}

fn round_shown(lab: &Lab, round: Round) -> serde_json::Value {
    lab.dcnet_json(&["round", "show", "elbe-5", &round.to_string(), "--json"])
}

/// The machine stood still so long that a window may have been over before the members' answers were
/// there. The round fails then, as it has to, and shows nothing about kills.
struct StoodStill;

/// The longest that nothing went on.
struct Pace {
    last: Instant,
    longest: Duration,
}

impl Pace {
    fn start() -> Self {
        Self {
            last: Instant::now(),
            longest: Duration::ZERO,
        }
    }

    /// Something was done.
    fn beat(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }

    /// What was `found` is not what it has to be: because the machine stood still, or there is a defect.
    fn explain(&self, found: &str) -> StoodStill {
        // The shortest window is under three seconds, and there is more than one thing to do in it.
        assert!(self.longest > Duration::from_millis(800), "{found}");
        eprintln!("the machine stood still for {:?}: {found}", self.longest);
        StoodStill
    }
}

/// A server of a net, and its members.
struct House<'a> {
    lab: &'a Lab,
    net: &'a Net,
    server: Server,
    machines: Vec<Machine>,
    pace: Pace,
}

impl House<'_> {
    /// Lets all machines go on until something is found by `look`.
    async fn until<T>(
        &mut self,
        look: impl AsyncFn(&Server) -> Option<T>,
    ) -> Result<T, StoodStill> {
        let started = Instant::now();
        loop {
            if let Some(found) = look(&self.server).await {
                return Ok(found);
            }
            if started.elapsed() >= Duration::from_secs(15) {
                let reports = self.machines.iter().map(|machine| &machine.reports);
                let reports: Vec<_> = reports.collect();
                return Err(self.pace.explain(&format!("{reports:#?}")));
            }
            for machine in &mut self.machines {
                machine.step(&self.server, self.net).await;
                self.pace.beat();
            }
            // Whoever asks without a pause takes the processor from those who are to answer: with both cores
            // taken, commits have been seen to hang for seconds.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets all machines go on until there is a roster behind `after`.
    async fn until_roster(
        &mut self,
        asker: &Gateway,
        (round, after): (Round, u8),
    ) -> Result<(Roster, Vec<u8>), StoodStill> {
        let net = self.net;
        self.until(async |server| asker.roster(server, net, (round, after), 0).await)
            .await
    }

    /// Lets all machines go on until `round` is final.
    async fn until_final(
        &mut self,
        (round, status): (Round, &str),
    ) -> Result<serde_json::Value, StoodStill> {
        let lab = self.lab;
        let shown = self
            .until(async |_| {
                let output = lab.dcnet(&["round", "show", "elbe-5", &round.to_string(), "--json"]);
                let shown = output.status.success();
                shown.then(|| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
            })
            .await?;
        if shown["status"] == status {
            Ok(shown)
        } else {
            Err(self.pace.explain(&shown.to_string()))
        }
    }
}

on_both!(a_round_outlives_a_kill_between_its_roster_and_its_reveal);
async fn a_round_outlives_a_kill_between_its_roster_and_its_reveal(mut lab: Lab) {
    for _ in 0..3 {
        if outlives_a_kill(&lab).await.is_ok() {
            return;
        }
        lab = match lab.store {
            Store::Sqlite(_) => Lab::new(),
            Store::Postgres(_) => Lab::on_postgres().unwrap(),
        };
    }
    panic!("the machine stood still three times");
}

async fn outlives_a_kill(lab: &Lab) -> Result<(), StoodStill> {
    lab.create_masked_net("elbe-5");
    let server = lab.serve();
    let asker = lab.gateway("gw-1");
    let net = Net::fetch(&server, &asker, "elbe-5").await;
    let mut machines: Vec<Machine> = (1..)
        .zip(NAMES)
        .map(|(seed, name)| Machine::new(lab, &net, name, seed))
        .collect();
    join(&server, &net, &mut machines).await;
    let audit = lab.dcnet(&["net", "audit", "elbe-5", "--json"]);
    assert_eq!(audit.status.code(), Some(0), "{audit:?}");
    let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(audit["mode"], "double-mask", "{audit}");
    assert_eq!(audit["threshold_in_force"], 3, "{audit}");
    assert_eq!(audit["members"][0]["holders"], 4, "{audit}");

    looking::all_active(lab);
    let mut watch = looking::Watch::start(lab, &["--count", "2"]);

    let mut house = House {
        lab,
        net: &net,
        server,
        machines,
        pace: Pace::start(),
    };

    // Everybody is there: one roster, which a long poll sees as soon as it is durable.
    let round = net.descriptor.schedule().round_at(now());
    net.wait_for(round).await;
    house.pace = Pace::start();
    let (polled, ()) = tokio::join!(asker.roster(&house.server, &net, (round, 0), 20), async {
        for (machine, value) in house.machines.iter_mut().zip(1..) {
            let values = [value, -value];
            machine.submit(&house.server, &net, round, values).await;
            house.pace.beat();
        }
    });
    let (roster, _) = polled.ok_or_else(|| house.pace.explain("no roster"))?;
    if roster.present().count() != 5 {
        return Err(house.pace.explain("not everybody is in the roster"));
    }
    assert_eq!((roster.step(), roster.reveal()), (1, true));
    let shown = house.until_final((round, "complete")).await?;
    assert_eq!(shown["sums"][0]["value"], "1.5", "{shown}");
    assert_eq!(shown["sums"][1]["value"], "-15", "{shown}");

    // The last one is missing: pads are asked for, then share keys.
    let round = round.next();
    net.wait_for(round).await;
    house.pace = Pace::start();
    house.machines.pop();
    for (machine, value) in house.machines.iter_mut().zip([1000, 200, 30, 4]) {
        machine.last_step = 1;
        let values = [value, value];
        machine.submit(&house.server, &net, round, values).await;
        house.pace.beat();
    }
    let (pads, first) = house.until_roster(&asker, (round, 0)).await?;
    assert_eq!((pads.step(), pads.reveal()), (1, false));
    let (reveal, second) = house.until_roster(&asker, (round, 1)).await?;
    assert_eq!((reveal.step(), reveal.reveal()), (2, true));
    assert_eq!(reveal.present(), pads.present());
    assert_eq!(reveal.present().count(), 4);
    looking::under_way(lab, round);
    house.server.end("-KILL");

    house.server = lab.serve();
    let again = asker.roster(&house.server, &net, (round, 0), 0).await;
    assert_eq!(again, Some((pads, first)));
    let again = asker.roster(&house.server, &net, (round, 1), 0).await;
    assert_eq!(again, Some((reveal, second.clone())));
    let further = asker.roster(&house.server, &net, (round, 2), 0).await;
    assert_eq!(further, None);
    for machine in &mut house.machines {
        machine.last_step = u8::MAX;
    }
    house.pace.beat();
    let shown = house.until_final((round, "corrected")).await?;
    let server = house.server;
    assert_eq!(shown["missing"], serde_json::json!(["gw-5"]), "{shown}");
    assert_eq!(shown["sums"][0]["value"], "123.4", "{shown}");
    assert_eq!(shown["sums"][1]["value"], "1234", "{shown}");
    assert_eq!(shown["wrong_shares"], serde_json::json!([]), "{shown}");
    // Whoever comes late sees what everybody saw.
    let again = asker.roster(&server, &net, (round, 1), 0).await.unwrap();
    assert_eq!(again.1, second);
    server.end("-TERM");
    let start = shown["start"].as_str().unwrap();
    watch.round(lab, Round::new(round.number() - 1));
    watch.round(lab, round);
    assert!(watch.end().success());
    let mut watch = looking::Watch::start(lab, &["--from", start]);
    watch.round(lab, round);
    assert!(watch.interrupt().success());
    looking::over(lab, round, start);
    let server = lab.serve();
    let again = asker.roster(&server, &net, (round, 1), 0).await.unwrap();
    assert_eq!(again.1, second, "rosters of the last final round are kept");
    Ok(())
}

/// Numbers that do not occur by chance.
fn mark(kind: u64, gateway: u64) -> u64 {
    0x5afe_c0de_0000_0001 + (kind << 32) + (gateway << 16)
}

fn sealed(kind: u64, gateway: u64, index: u64) -> SealedShare {
    let number = (mark(kind, gateway) + index).to_be_bytes();
    SealedShare {
        ciphertext: [number, number].concat().try_into().unwrap(),
        check: [7; 8],
    }
}

/// What stands for a self-mask: its shares are shares of nothing.
fn mask(gateway: u64, holders: u64) -> SelfMask {
    SelfMask {
        commitment: [9; 32],
        threshold: 3,
        shares: (0..holders)
            .map(|index| sealed(1, gateway, index))
            .collect(),
    }
}

/// What stands for share keys.
fn keys(gateway: u64, dealers: u64) -> Vec<ShareKey> {
    let key = |index: u64| {
        let number = (mark(2, gateway) + index).to_be_bytes();
        ShareKey::from_bytes([number, number].concat().try_into().unwrap())
    };
    (0..dealers).map(key).collect()
}

on_both!(masks_pads_and_share_keys_are_erased_and_wrong_shares_are_named);
async fn masks_pads_and_share_keys_are_erased_and_wrong_shares_are_named(lab: Lab) {
    lab.create_masked_net("elbe-5");
    let server = lab.serve();
    let gateways = five(&lab);
    let first = &gateways[0];
    let net = Net::fetch(&server, first, "elbe-5").await;
    net.enter_all(&server, &gateways).await;
    let head = first.manifest(&server, &net).await.head;
    let (epoch, round) = (head.epoch.number(), head.first_round);
    net.wait_for(round).await;
    let frame = |index: usize, holders| {
        let number = u64::try_from(index).unwrap();
        let (words, mask) = ([mark(0, number), 1], mask(number, holders));
        net.transmit_with(gateways[index].id, (epoch, round), &words, Some(&mask))
    };
    let send =
        async |index: usize, frame: Vec<u8>| gateways[index].frame(&server, &net, &frame).await;
    let bare = net.transmit(first.id, epoch, round, &[1, 2]);
    send(0, bare).await.problem(400, "shares");
    send(0, frame(0, 3)).await.problem(400, "shares");
    for index in 0..4 {
        let given = receipt(&net, send(index, frame(index, 4)).await);
        let again = receipt(&net, send(index, frame(index, 4)).await);
        assert_eq!(given, again);
    }
    assert!(holds(&lab.store.everything().await, mark(1, 3) + 2));

    // The fifth is missing.
    let (pads, _) = first.roster(&server, &net, (round, 0), 20).await.unwrap();
    let answer = |index: usize| {
        let number = u64::try_from(index).unwrap();
        net.pads(gateways[index].id, &pads, &[mark(3, number), 1])
    };
    send(4, answer(4)).await.problem(403, "not-asked");
    let short = net.pads(first.id, &pads, &[1]);
    send(0, short).await.problem(400, "slots");
    let early = net.reveal(first.id, &pads, keys(0, 3));
    send(0, early).await.problem(409, "different-roster");
    for index in 0..4 {
        let given = receipt(&net, send(index, answer(index)).await);
        let again = receipt(&net, send(index, answer(index)).await);
        assert_eq!(given, again);
    }
    assert!(holds(&lab.store.everything().await, mark(3, 0)));

    let (reveal, _) = first.roster(&server, &net, (round, 1), 20).await.unwrap();
    assert!(reveal.reveal());
    let stale = net.pads(first.id, &pads, &[5, 5]);
    send(0, stale).await.problem(409, "different-roster");
    let few = net.reveal(first.id, &reveal, keys(0, 2));
    send(0, few).await.problem(400, "share-keys");
    for (gateway, number) in gateways.iter().zip(0..4) {
        if number == 3 {
            assert!(holds(&lab.store.everything().await, mark(2, 0)));
        }
        let told = net.reveal(gateway.id, &reveal, keys(number, 3));
        gateway.frame(&server, &net, &told).await.ok();
    }
    let shown = round_shown(&lab, round);
    assert_eq!(shown["status"], "failed", "{shown}");
    assert_eq!(shown["reason"], "shares of a self-mask missing", "{shown}");
    assert_eq!(shown["unrecovered"].as_array().unwrap().len(), 4, "{shown}");
    let wrong = shown["wrong_shares"].as_array().unwrap();
    assert_eq!(wrong.len(), 12, "{shown}");
    let one = serde_json::json!({ "dealer": "gw-1", "holder": "gw-2" });
    assert!(wrong.contains(&one), "{shown}");
    let text = lab.dcnet(&["round", "show", "elbe-5", &round.to_string()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("dealer gw-1 holder gw-2; "), "{text}");
    assert!(
        text.contains("not recovered  gw-1 gw-2 gw-3 gw-4"),
        "{text}"
    );

    tokio::time::sleep(Duration::from_millis(1500)).await;
    let bytes = lab.store.everything().await;
    for gateway in 0..4 {
        for (kind, what) in ["words", "self-mask", "share key", "pads"]
            .iter()
            .enumerate()
        {
            let number = mark(u64::try_from(kind).unwrap(), gateway);
            for number in number..number + 4 {
                assert!(!holds(&bytes, number), "{what} of gateway {gateway}");
            }
        }
    }
}

on_both!(who_is_short_of_holders_is_left_out_and_named, beside others);
async fn who_is_short_of_holders_is_left_out_and_named(lab: Lab) {
    lab.create_masked_net("elbe-5");
    let server = lab.serve();
    let gateways = five(&lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-5").await;
    for gateway in &gateways {
        let frame = gateway.register_frame(&net);
        gateway.frame(&server, &net, &frame).await.ok();
    }
    for gateway in &gateways {
        let others = gateways.iter().filter(|other| other.id != gateway.id);
        let edges: EdgeSet = others.map(Gateway::end).collect();
        let mut holders = edges.clients();
        if gateway.id.as_str() == "gw-5" {
            let strangers: ClientSet = [gateway.id].into_iter().collect();
            let frame = gateway.entered_frame_with(&net, 1, edges.clone(), strangers);
            gateway
                .frame(&server, &net, &frame)
                .await
                .problem(400, "holders");
            holders = holders.iter().take(1).copied().collect();
        }
        let frame = gateway.entered_frame_with(&net, 1, edges, holders);
        gateway.frame(&server, &net, &frame).await.ok();
    }
    gateways[0].manifest(&server, &net).await;
    let audit = lab.dcnet(&["net", "audit", "elbe-5", "--json"]);
    assert_eq!(audit.status.code(), Some(3), "{audit:?}");
    let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(audit["active"], 4, "{audit}");
    assert_eq!(audit["needed_holders"], 3, "{audit}");
    let holders = |member: usize| audit["members"][member]["holders"].as_u64();
    assert_eq!((holders(0), holders(4)), (Some(3), Some(1)), "{audit}");
    assert_eq!(audit["problems"].as_array().unwrap().len(), 1, "{audit}");
    assert_eq!(audit["problems"][0]["kind"], "short-of-holders", "{audit}");
    let text = audit["problems"][0]["text"].as_str().unwrap();
    assert!(text.contains("gw-5 (1 of 3)"), "{text}");
}

on_both!(rosters_that_do_not_come_are_not_waited_for, beside others);
async fn rosters_that_do_not_come_are_not_waited_for(lab: Lab) {
    lab.create_masked_net("elbe-5");
    let mut server = lab.serve();
    let gateway = lab.gateway("gw-1");
    let net = Net::fetch(&server, &gateway, "elbe-5").await;
    let round = Round::new(7);
    let ask = async |path: &str| gateway.get(&server, path).await;
    for query in ["wait=26", "after=256", "after=-1", "since=1"] {
        let path = format!("/v1/nets/elbe-5/rounds/7/roster?{query}");
        ask(&path).await.problem(400, "bad-request");
    }
    ask("/v1/nets/elbe-5/rounds/first/roster")
        .await
        .problem(400, "bad-request");
    ask("/v1/nets/elbe-6/rounds/7/roster")
        .await
        .problem(404, "unknown-net");
    let answer = ask("/v1/nets/elbe-5/rounds/7/roster").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    let started = Instant::now();
    let answer = ask(&roster_path(&net, round, 0, 1)).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert!(started.elapsed().as_millis() >= 990);

    // A server that stops does not wait for them either.
    let started = Instant::now();
    let (roster, ()) = tokio::join!(gateway.roster(&server, &net, (round, 0), 25), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.signal("-TERM");
    });
    assert_eq!(roster, None);
    let (status, log) = server.wait();
    assert!(status.success(), "{log}");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
