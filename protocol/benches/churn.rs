//! What a key graph becomes when members come and go for years.
//!
//! Sections 7.2 (drawing), 7.12 (ring bridges) and 7.19 (drawing more) of `docs/spec/protocol.md`, on
//! the level of graphs: no keys, no messages, everybody acts at once and nobody fails. From 1,000
//! members on, 10,000 join and 10,000 exit in random order, 20 of them in each interval. After every
//! 1,000 joins and exits the table shows degrees, holders, whether the graph is in one piece, and how
//! many members lack holders before they have drawn more.
//!
//! A second scenario has all joins first and then all exits, so that the net shrinks to a tenth and less.
//!
//! Beside the rule of the specification it shows others, so that a change can be judged: no bridges at
//! all, and bridges only of members that have fewer than k edges left.
//!
//! `cargo bench -p dcnet-protocol --bench churn`, with `short` behind `--` for a tenth of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

use std::collections::{BTreeMap, BTreeSet};

use dcnet_protocol::descriptor::MIN_DEGREE;
use dcnet_protocol::key_graph::{Adjacency, KeyGraph};
use dcnet_protocol::names::ClientId;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

const MEMBERS: usize = 1_000;
/// Joins and exits in an interval: who lacks holders draws more at its end.
const PER_INTERVAL: usize = 20;

/// Who bridges the gap that a leaver leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bridges {
    /// Every neighbour: section 7.12.
    Always,
    /// Only who has fewer than k edges left.
    BelowK,
    /// Nobody.
    Never,
}

impl Bridges {
    fn name(self) -> &'static str {
        match self {
            Self::Always => "always (7.12)",
            Self::BelowK => "below k edges",
            Self::Never => "never",
        }
    }
}

#[derive(Clone, Copy)]
struct Plan {
    k: usize,
    bridges: Bridges,
    /// Members draw more (7.19): a double-mask net.
    draws_more: bool,
    /// All joins come before the exits.
    shrinks: bool,
    events: usize,
}

#[derive(Default)]
struct Member {
    edges: BTreeSet<u32>,
    drawn: BTreeSet<u32>,
}

/// Members by number; the order of the numbers is that of the names and says nothing of their age.
struct Street {
    plan: Plan,
    rng: ChaCha8Rng,
    members: BTreeMap<u32, Member>,
    /// The same, to draw from.
    list: Vec<u32>,
    bridges: usize,
    /// Members without enough holders at the end of an interval, the most so far, of how many.
    most_lacking: (usize, usize),
}

impl Street {
    fn new(plan: Plan) -> Self {
        let mut street = Self {
            plan,
            rng: ChaCha8Rng::seed_from_u64(plan.k as u64),
            members: BTreeMap::new(),
            list: Vec::new(),
            bridges: 0,
            most_lacking: (0, 1),
        };
        // All of the first members see the whole list, as in a net that begins.
        for _ in 0..MEMBERS {
            street.register();
        }
        for member in street.list.clone() {
            street.draw(member);
        }
        street
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u64() % limit as u64).unwrap()
    }

    fn register(&mut self) -> u32 {
        loop {
            let number = self.rng.next_u32();
            if let std::collections::btree_map::Entry::Vacant(place) = self.members.entry(number) {
                place.insert(Member::default());
                self.list.push(number);
                return number;
            }
        }
    }

    fn connect(&mut self, one: u32, other: u32) -> bool {
        self.members.get_mut(&other).unwrap().edges.insert(one);
        self.members.get_mut(&one).unwrap().edges.insert(other)
    }

    fn wanted(&self) -> usize {
        self.plan.k.min(self.list.len() - 1)
    }

    /// Draws until there are as many holders as there should be. One with whom there is an edge already
    /// needs no offer.
    fn draw(&mut self, member: u32) {
        let wanted = self.wanted();
        while self.members[&member].drawn.len() < wanted {
            let place = self.below(self.list.len());
            let peer = self.list[place];
            if peer != member && self.members.get_mut(&member).unwrap().drawn.insert(peer) {
                self.connect(member, peer);
            }
        }
    }

    fn join(&mut self) {
        let member = self.register();
        self.draw(member);
    }

    fn exit(&mut self) {
        let place = self.below(self.list.len());
        let leaver = self.list.swap_remove(place);
        let ring: Vec<u32> = self
            .members
            .remove(&leaver)
            .unwrap()
            .edges
            .into_iter()
            .collect();
        for neighbour in &ring {
            let neighbour = self.members.get_mut(neighbour).unwrap();
            neighbour.edges.remove(&leaver);
            neighbour.drawn.remove(&leaver);
        }
        for (place, neighbour) in ring.iter().enumerate() {
            let next = ring[(place + 1) % ring.len()];
            let degree = self.members[neighbour].edges.len();
            let bridges = match self.plan.bridges {
                Bridges::Always => true,
                Bridges::BelowK => degree < self.wanted(),
                Bridges::Never => false,
            };
            if bridges && next != *neighbour && self.connect(*neighbour, next) {
                self.bridges += 1;
            }
        }
    }

    /// Members with fewer holders than needed, where a tenth may be missing; then they draw more.
    fn interval_ends(&mut self) {
        let needed = (self.wanted() * 9).div_ceil(10).max(self.plan.k / 2 + 1);
        let lacking = |member: &&Member| member.drawn.len() < needed;
        let lacking = self.members.values().filter(lacking).count();
        let (most, of) = self.most_lacking;
        if lacking * of > most * self.list.len() {
            self.most_lacking = (lacking, self.list.len());
        }
        if self.plan.draws_more {
            for member in self.list.clone() {
                self.draw(member);
            }
        } else {
            // Only an emergency (7.13): then k less the number of edges, at least 3.
            for member in self.list.clone() {
                while self.members[&member].edges.len() < MIN_DEGREE {
                    let missing = self.plan.k - self.members[&member].edges.len();
                    for _ in 0..missing.max(MIN_DEGREE) {
                        let place = self.below(self.list.len());
                        let peer = self.list[place];
                        if peer != member {
                            self.connect(member, peer);
                        }
                    }
                }
            }
        }
    }

    fn graph(&self) -> Adjacency {
        let id = |number: &u32| -> ClientId { format!("m{number:010}").parse().unwrap() };
        let named = self
            .members
            .iter()
            .map(|(number, member)| (id(number), member.edges.iter().map(id).collect()));
        Adjacency::mutual(&named.collect())
    }

    fn row(&self, events: usize) {
        let graph = self.graph();
        let mut degrees: Vec<usize> = graph.degrees().map(|(_, degree)| degree).collect();
        degrees.sort_unstable();
        let at = |part: usize| degrees[(degrees.len() - 1) * part / 100];
        let holders = self.members.values().map(|member| member.drawn.len());
        let (least, sum) = (holders.clone().min().unwrap(), holders.sum::<usize>());
        let (parts, cuts) = (graph.components().len(), graph.articulation_points().len());
        println!(
            "{events:>7} {:>7} {:>9} {:>5} {:>6} {:>5} {:>5} {least:>7} {:>8} {:>9} {parts:>6} \
             {cuts:>5} {:>8} {:>6}",
            self.list.len(),
            graph.edges(),
            at(0),
            at(50),
            at(95),
            at(100),
            decimal(sum, self.list.len()),
            self.bridges,
            // Without self-masks there are none to be needed.
            if self.plan.draws_more {
                decimal(100 * self.most_lacking.0, self.most_lacking.1)
            } else {
                "-".to_owned()
            },
            if KeyGraph::new(graph).is_ok() {
                "yes"
            } else {
                "no"
            },
        );
    }

    fn run(mut self) {
        println!(
            "k = {}, {}, {}, bridges: {}",
            self.plan.k,
            if self.plan.shrinks {
                "joins, then exits"
            } else {
                "joins and exits"
            },
            if self.plan.draws_more {
                "double_mask (draws more)"
            } else {
                "resend"
            },
            self.plan.bridges.name(),
        );
        println!(
            " events members     edges   min median   95%   max holders    (mean)   bridges  parts  \
             cuts lacking%  sound"
        );
        self.row(0);
        let mut joins = vec![true; self.plan.events];
        joins.resize(2 * self.plan.events, false);
        let mixed = if self.plan.shrinks { 0 } else { joins.len() };
        for place in (1..mixed).rev() {
            let other = self.below(place + 1);
            joins.swap(place, other);
        }
        let every = self.plan.events / 5;
        for (number, join) in joins.into_iter().enumerate() {
            if join {
                self.join();
            } else {
                self.exit();
            }
            if (number + 1) % PER_INTERVAL == 0 {
                self.interval_ends();
            }
            if (number + 1) % every == 0 {
                self.row(number + 1);
                self.most_lacking = (0, 1);
            }
        }
        println!();
    }
}

/// A quotient with two digits behind the point.
fn decimal(part: usize, whole: usize) -> String {
    let hundredths = 100 * part / whole;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn main() {
    let short = std::env::args().any(|argument| argument == "short");
    let events = if short { 1_000 } else { 10_000 };
    let rules = [
        (true, Bridges::Always),
        (true, Bridges::BelowK),
        (true, Bridges::Never),
        (false, Bridges::Always),
        (false, Bridges::BelowK),
    ];
    for (k, shrinks) in [(52, false), (12, false), (52, true), (12, true)] {
        for (draws_more, bridges) in rules {
            let plan = Plan {
                k,
                bridges,
                draws_more,
                shrinks,
                events,
            };
            Street::new(plan).run();
        }
    }
}
