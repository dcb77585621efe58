//! Two ends, and a provider between them that delays, repeats, drops and reorders.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::codec::Wire as _;
use crate::key_agreement::{AgreementKey, KeyPackage, Party};

const H: DescriptorHash = DescriptorHash::from_bytes([9; 32]);

/// One end. Without a link it has no such neighbour.
struct End {
    pair: PairSecret,
    link: Option<Link>,
    owed: Option<EnvelopeKind>,
    rng: ChaCha20Rng,
    now: UnixTime,
}

impl End {
    fn offer(&mut self) {
        let (now, rng) = (self.now, &mut self.rng);
        self.link.get_or_insert_with(|| Link::offer(now, rng));
        self.owed = Some(EnvelopeKind::EdgeOffer);
    }

    /// What is owed, as it would be sent.
    fn send(&mut self) -> Option<Heard> {
        let link = self.link.as_ref()?;
        let accepts = self.owed.take()? == EnvelopeKind::EdgeAccept;
        assert!(!accepts || link.peer().is_some());
        Some(Heard {
            accepts,
            theirs: link.own(),
            ours: link.peer(),
        })
    }

    fn hear(&mut self, heard: &Heard) {
        if self.link.is_none() {
            if heard.accepts {
                return;
            }
            self.link = Some(Link::offer(self.now, &mut self.rng));
        }
        let here = Here {
            descriptor: H,
            pair: &self.pair,
            now: self.now,
            next: Epoch::new(3),
        };
        let link = self.link.as_mut().unwrap();
        let answer = link.hear(heard, &here, &mut self.rng).unwrap();
        self.owed = answer.owed(self.owed);
        assert_eq!(link.chain().is_some(), link.agreement().is_some());
        if let Some(chain) = link.chain() {
            assert_eq!(
                chain.next(),
                Epoch::new(3),
                "nothing of epochs that are over"
            );
        }
    }
}

struct Net {
    ends: [End; 2],
    dice: ChaCha20Rng,
}

impl Net {
    fn new(seed: u64) -> Self {
        let keys = [[3; 32], [4; 32]].map(AgreementKey::from_bytes);
        let party = |name: &str, key: &AgreementKey| {
            Party::from(&KeyPackage {
                net: "street-1".parse().unwrap(),
                descriptor: H,
                client: name.parse().unwrap(),
                serial: 1,
                public_key: key.public_key(),
            })
        };
        let parties = [party("a", &keys[0]), party("b", &keys[1])];
        let end = |own: usize| End {
            pair: keys[own].agree(&parties[own], &parties[1 - own]).unwrap(),
            link: None,
            owed: None,
            rng: ChaCha20Rng::seed_from_u64(2 * seed + own as u64),
            now: UnixTime::from_millis(1_000),
        };
        Self {
            ends: [end(0), end(1)],
            dice: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// Everything arrives, at each end in order. The number of envelopes.
    fn calm(&mut self) -> usize {
        let mut count = 0;
        let mut inboxes = [VecDeque::new(), VecDeque::new()];
        loop {
            for own in [0, 1] {
                inboxes[1 - own].extend(self.ends[own].send());
            }
            let first = usize::from(self.dice.next_u32().is_multiple_of(2));
            let next = [first, 1 - first].into_iter().find_map(|to| {
                let heard = inboxes[to].pop_front()?;
                Some((to, heard))
            });
            let Some((to, heard)) = next else {
                return count;
            };
            self.ends[to].hear(&heard);
            count += 1;
            assert!(count < 30, "they go round in circles");
        }
    }

    fn agreed(&self) -> Agreement {
        let [a, b] = &self.ends;
        let (a, b) = (a.link.as_ref().unwrap(), b.link.as_ref().unwrap());
        assert_eq!(a.chain(), b.chain());
        assert_eq!(a.agreement(), b.agreement());
        assert_eq!((a.peer(), b.peer()), (Some(b.own()), Some(a.own())));
        a.agreement().unwrap()
    }
}

#[test]
fn an_offer_and_its_acceptance_agree() {
    let mut net = Net::new(1);
    net.ends[0].offer();
    assert_eq!(net.calm(), 2);
    net.agreed();
}

/// Usual in small nets, where everybody draws everybody.
#[test]
fn offers_that_cross_agree_on_one_thing() {
    let mut net = Net::new(2);
    net.ends.iter_mut().for_each(End::offer);
    assert_eq!(net.calm(), 4);
    net.agreed();
    // In the other order of arrival, with both offers on their way.
    let mut net = Net::new(3);
    net.ends.iter_mut().for_each(End::offer);
    let offers = [0, 1].map(|own: usize| net.ends[own].send().unwrap());
    net.ends[0].hear(&offers[1]);
    let accept = net.ends[0].send().unwrap();
    net.ends[1].hear(&accept);
    let between = net.ends[1].link.as_ref().unwrap().agreement();
    net.ends[1].hear(&offers[0]);
    net.calm();
    assert_eq!(Some(net.agreed()), between);
}

/// Suspension, re-entry, a restart: what is there is offered again, and stays.
#[test]
fn what_is_agreed_is_confirmed_when_it_is_offered_again() {
    let mut net = Net::new(4);
    net.ends[0].offer();
    net.calm();
    let before = net.agreed();
    for own in [0, 1, 0] {
        net.ends[own].offer();
        assert_eq!(net.calm(), 2);
        assert_eq!(net.agreed(), before);
    }
}

#[test]
fn what_is_old_and_repeated_changes_nothing() {
    let mut net = Net::new(5);
    net.ends[0].offer();
    let offer = net.ends[0].send().unwrap();
    net.ends[1].hear(&offer);
    let accept = net.ends[1].send().unwrap();
    net.ends[0].hear(&accept);
    let first = net.agreed();
    // The agreement of the same members that comes after.
    net.ends[0].link = None;
    net.ends[0].now = UnixTime::from_millis(2_000);
    net.ends[0].offer();
    net.calm();
    let second = net.agreed();
    assert_ne!(first, second);
    for (to, old) in [(1, &offer), (0, &accept), (1, &offer)] {
        net.ends[to].hear(old);
        assert_eq!(net.agreed(), second);
        net.calm();
        assert_eq!(net.agreed(), second);
    }
}

/// The secret half of what was offered, and the chain that was, are nowhere in what is kept.
#[test]
fn the_secret_half_is_gone_with_the_agreement() {
    let mut net = Net::new(6);
    let mut secrets = Vec::new();
    for own in [0, 1] {
        let mut bytes = [0; 32];
        net.ends[own].rng.clone().fill_bytes(&mut bytes);
        secrets.push(bytes);
    }
    net.ends[0].offer();
    let holds = |net: &Net, own: usize, secret: &[u8]| {
        let encoded = net.ends[own].link.as_ref().unwrap().encode();
        encoded.windows(32).any(|window| window == secret)
    };
    assert!(holds(&net, 0, &secrets[0]));
    net.calm();
    net.agreed();
    assert!(!holds(&net, 0, &secrets[0]));
    // The other end made one that it offered to nobody.
    assert!(!holds(&net, 1, &secrets[1]));
}

#[test]
fn memory_that_was_lost_is_agreed_anew_whoever_begins() {
    for (seed, begins) in [(7, 0), (8, 1), (9, 0), (10, 1)] {
        let mut net = Net::new(seed);
        net.ends[0].offer();
        net.calm();
        let backup = net.ends[0].link.clone();
        // Agreed anew, with a later key of either end.
        for (number, own) in [(2_000, 0), (3_000, 1)] {
            net.ends[own].now = UnixTime::from_millis(number);
            net.ends[own].link = None;
            net.ends[own].offer();
            net.calm();
        }
        let lost = net.agreed();
        // Even if its clock is behind.
        net.ends[0].now = UnixTime::from_millis(if seed < 9 { 4_000 } else { 500 });
        net.ends[0].link = backup;
        net.ends[begins].offer();
        net.calm();
        assert_ne!(net.agreed(), lost, "seed {seed}");
    }
}

/// Whatever has happened on the way: when it is calm again, one offer by either end agrees.
#[test]
fn after_any_trouble_one_offer_agrees() {
    let (mut anew, mut kept) = (0, 0);
    for seed in 100..1_100 {
        let mut net = Net::new(seed);
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        let mut way: Vec<(usize, Heard)> = Vec::new();
        let mut backups: Vec<(usize, Option<Link>)> = Vec::new();
        for _ in 0..40 {
            let own = usize::from(dice.next_u32().is_multiple_of(2));
            let forth = 1_000 + u64::from(dice.next_u32() % 9_000);
            net.ends[own].now = UnixTime::from_millis(forth);
            match dice.next_u32() % 8 {
                0 => net.ends[own].offer(),
                1 => backups.push((own, net.ends[own].link.clone())),
                2 if dice.next_u32().is_multiple_of(3) && !backups.is_empty() => {
                    let chosen = dice.next_u32() as usize % backups.len();
                    let (whose, link) = backups[chosen].clone();
                    net.ends[whose].link = link;
                    net.ends[whose].owed = None;
                }
                3 if dice.next_u32().is_multiple_of(4) => net.ends[own].link = None,
                4 | 5 => way.extend(net.ends[own].send().map(|heard| (1 - own, heard))),
                // What has arrived may arrive again.
                _ if !way.is_empty() => {
                    let (to, heard) = way[dice.next_u32() as usize % way.len()];
                    net.ends[to].hear(&heard);
                }
                _ => {}
            }
        }
        let begins = usize::from(dice.next_u32().is_multiple_of(2));
        let before = net.ends[begins].link.as_ref().and_then(Link::agreement);
        net.ends[begins].offer();
        net.calm();
        let after = net.agreed();
        *(if before == Some(after) {
            &mut kept
        } else {
            &mut anew
        }) += 1;
        // And it stays.
        net.ends[1 - begins].offer();
        net.calm();
        assert_eq!(net.agreed(), after);
    }
    assert!(anew > 100 && kept > 100, "{anew} anew, {kept} kept");
}
