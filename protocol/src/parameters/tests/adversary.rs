//! A lying provider against tiny nets: every roster for every member, against the condition (*) and
//! the bounds. Nothing here uses them to find its attacks.

use rand::seq::index::sample;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::{Levels, Net, Sharing, choose, net, privacy_bits, sharing};

/// Members are bits; the first `corrupt` of them are corrupt.
struct Tiny {
    members: u32,
    corrupt: u32,
    /// Of each member its drawn holders.
    drawn: Vec<u32>,
    threshold: u32,
    /// e
    missing: u32,
}

impl Tiny {
    fn all(&self) -> u32 {
        (1 << self.members) - 1
    }

    fn corrupt_set(&self) -> u32 {
        (1 << self.corrupt) - 1
    }

    fn honest(&self) -> std::ops::Range<usize> {
        self.corrupt as usize..self.members as usize
    }

    fn left_out(&self) -> u32 {
        self.missing
            .min(self.drawn[0].count_ones() - self.threshold)
    }

    /// All sets of honest members that a roster may leave out so that `member` still answers.
    /// Leaving out corrupt ones gives pads that are known, and takes nothing from the provider
    /// that it could want, so it is not tried.
    fn absences(&self, member: usize) -> Vec<u32> {
        let others = self.all() & !self.corrupt_set() & !(1 << member);
        (0..=self.all())
            .filter(|out| out & !others == 0 && out.count_ones() <= self.missing)
            .filter(|out| (self.drawn[member] & !out).count_ones() >= self.threshold)
            .collect()
    }

    /// Does some choice of rosters single out fewer than `min_size` honest members?
    fn falls(&self, min_size: u32) -> bool {
        let choices: Vec<Vec<u32>> = self.honest().map(|member| self.absences(member)).collect();
        let mut out = vec![0; self.members as usize];
        self.try_rosters(&choices, &mut out, min_size)
    }

    fn try_rosters(&self, choices: &[Vec<u32>], out: &mut [u32], min_size: u32) -> bool {
        let Some((first, rest)) = choices.split_first() else {
            return self.leaks(out, min_size);
        };
        let member = self.members as usize - choices.len();
        first.iter().any(|absent| {
            out[member] = *absent;
            self.try_rosters(rest, out, min_size)
        })
    }

    /// Conditions 1 and 2 of the module's text for some set below `min_size`.
    fn leaks(&self, out: &[u32], min_size: u32) -> bool {
        let mut bare = 0; // self-mask known
        let mut hidden = vec![0; out.len()]; // honest neighbours with a pad that nobody revealed
        for member in self.honest() {
            let mut shares = (self.drawn[member] & self.corrupt_set()).count_ones();
            for other in self.honest().filter(|other| *other != member) {
                let shown = out[other] & (1 << member) == 0;
                shares += u32::from(shown && self.drawn[member] & (1 << other) != 0);
                let edge = self.drawn[member] & (1 << other) != 0
                    || self.drawn[other] & (1 << member) != 0;
                let revealed = out[member] & (1 << other) != 0 || !shown;
                hidden[member] |= u32::from(edge && !revealed) << other;
            }
            bare |= u32::from(shares >= self.threshold) << member;
        }
        self.sets(min_size).any(|set| {
            set & !bare == 0
                && self
                    .honest()
                    .filter(|member| set & (1 << member) != 0)
                    .all(|member| hidden[member] & !set == 0)
        })
    }

    fn sets(&self, min_size: u32) -> impl Iterator<Item = u32> {
        let corrupt = self.corrupt_set();
        (1..=self.all()).filter(move |set| set & corrupt == 0 && set.count_ones() < min_size)
    }

    /// (*) for some set below `min_size`.
    fn condition(&self, min_size: u32) -> bool {
        self.sets(min_size).any(|set| {
            self.honest()
                .filter(|member| set & (1 << member) != 0)
                .all(|member| {
                    let inside = self.drawn[member] & (set | self.corrupt_set());
                    inside.count_ones() + self.left_out() >= self.threshold
                })
        })
    }

    fn net(&self, min_size: u32) -> Net {
        let permille = (self.missing * 1000).div_ceil(self.members);
        net(self.members, permille.try_into().unwrap(), min_size)
    }

    fn bits(&self, min_size: u32) -> Option<f64> {
        let sharing = sharing(
            self.drawn[0].count_ones().try_into().unwrap(),
            self.threshold.try_into().unwrap(),
        );
        privacy_bits(self.net(min_size), sharing, self.corrupt).ok()
    }
}

fn subsets(members: u32, member: u32, size: u32) -> Vec<u32> {
    (0..1_u32 << members)
        .filter(|set| set & (1 << member) == 0 && set.count_ones() == size)
        .collect()
}

fn complete(members: u32, corrupt: u32, threshold: u32, missing: u32) -> Tiny {
    let all = (1 << members) - 1;
    Tiny {
        members,
        corrupt,
        drawn: (0..members).map(|member| all & !(1 << member)).collect(),
        threshold,
        missing,
    }
}

fn drawn(rng: &mut ChaCha20Rng, members: u32, k: u32) -> Vec<u32> {
    (0..members)
        .map(|member| {
            sample(rng, members as usize - 1, k as usize)
                .into_iter()
                .map(|index| 1 << (index + usize::from(index >= member as usize)))
                .sum()
        })
        .collect()
}

#[test]
fn complete_graphs_called_safe_do_not_fall() {
    let (mut safe, mut fell) = (0, 0);
    for members in 4..=6 {
        for corrupt in 0..=2 {
            for missing in 0..=2 {
                for threshold in (members - 1) / 2 + 1..members {
                    for min_size in 2..members {
                        let tiny = complete(members, corrupt, threshold.max(2), missing);
                        let work = u64::from(members - corrupt) * u64::from(missing);
                        let Some(bits) = tiny.bits(min_size).filter(|_| work < 12) else {
                            continue;
                        };
                        let falls = tiny.falls(min_size);
                        assert!(
                            !(falls && bits > 0.0),
                            "{members} members, {corrupt} corrupt, t = {threshold}, {missing} \
                             missing, m = {min_size}: {bits} bits"
                        );
                        safe += u32::from(bits > 0.0);
                        fell += u32::from(falls);
                    }
                }
            }
        }
    }
    assert!(safe > 30 && fell > 5, "{safe} safe, {fell} fell");
}

#[test]
fn graphs_fall_only_where_the_condition_allows_it() {
    let mut rng = ChaCha20Rng::seed_from_u64(16);
    let (mut fell, mut stood) = (0, 0);
    for (members, corrupt, k, threshold, missing, graphs) in [
        (5, 0, 3, 2, 1, 40),
        (5, 1, 3, 2, 1, 40),
        (5, 1, 2, 2, 1, 40),
        (6, 0, 4, 3, 1, 4),
        (6, 1, 3, 2, 1, 10),
        (6, 1, 3, 3, 1, 10),
        (6, 1, 4, 3, 1, 10),
        (6, 2, 4, 3, 2, 6),
        (7, 2, 4, 3, 1, 10),
        (7, 3, 5, 4, 2, 6),
        (7, 3, 3, 2, 2, 6),
    ] {
        for _ in 0..graphs {
            let tiny = Tiny {
                members,
                corrupt,
                drawn: drawn(&mut rng, members, k),
                threshold,
                missing,
            };
            for min_size in 2..=3 {
                let (falls, may) = (tiny.falls(min_size), tiny.condition(min_size));
                assert!(may || !falls, "{:?} fell", tiny.drawn);
                if min_size == 2 && tiny.left_out() > 0 {
                    assert_eq!(
                        falls, may,
                        "a member alone falls if it may: {:?}",
                        tiny.drawn
                    );
                }
                fell += u32::from(falls);
                stood += u32::from(!falls);
            }
        }
    }
    assert!(fell > 50 && stood > 50, "{fell} fell, {stood} stood");
}

/// Every draw of every honest member: the part of the graphs that fall, the part for which (*)
/// holds, and the bound, in this order.
#[test]
fn the_union_bounds_the_part_of_all_graphs_that_fall() {
    for (members, corrupt, k, threshold, missing) in [
        (5, 1, 2, 2, 1),
        (5, 1, 3, 2, 1),
        (5, 1, 3, 3, 1),
        (5, 2, 3, 3, 1),
        (5, 2, 2, 2, 0),
    ] {
        for min_size in 2..=3 {
            let mut tiny = complete(members, corrupt, threshold, missing);
            let draws: Vec<Vec<u32>> = (0..members)
                .map(|member| subsets(members, member, k))
                .collect();
            let each = draws[0].len();
            let graphs = each.pow(members - corrupt);
            let (mut fell, mut may) = (0_u32, 0_u32);
            for graph in 0..graphs {
                let mut digits = graph;
                for (member, all) in draws.iter().enumerate() {
                    // what corrupt members draw gives edges, not shares that anybody lacks
                    tiny.drawn[member] = all[digits % each];
                    if member >= corrupt as usize {
                        digits /= each;
                    }
                }
                fell += u32::from(tiny.falls(min_size));
                may += u32::from(tiny.condition(min_size));
            }
            assert!(fell <= may);
            let Some(bits) = tiny.bits(min_size) else {
                continue;
            };
            let part = f64::from(may) / f64::from(u32::try_from(graphs).unwrap());
            assert!(part <= (-bits).exp2() * (1.0 + 1e-9), "{part} > 2^-{bits}");
        }
    }
}

#[test]
fn what_is_chosen_for_tiny_nets_does_not_fall() {
    let mut rng = ChaCha20Rng::seed_from_u64(17);
    let mut chosen = 0;
    for members in 4..=6 {
        for (corrupt, missing) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for min_size in 2..=4 {
                let permille = |part: u32| u16::try_from((part * 1000).div_ceil(members)).unwrap();
                let net = net(members, permille(missing), min_size);
                let Ok(Sharing { holders, threshold }) =
                    choose(net, permille(corrupt), Levels::default())
                else {
                    continue;
                };
                chosen += 1;
                let tiny = Tiny {
                    members,
                    corrupt,
                    drawn: drawn(&mut rng, members, holders.into()),
                    threshold: threshold.into(),
                    missing,
                };
                assert!(
                    !tiny.falls(min_size),
                    "{net:?}, {corrupt} corrupt: {:?}",
                    tiny.drawn
                );
            }
        }
    }
    assert!(chosen >= 12, "{chosen}");
}
