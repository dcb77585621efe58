//! Double-mask rounds of a provider that follows the protocol: the sum is determined, and nothing
//! else.

use std::collections::BTreeSet;

use dcnet_protocol::names::ClientId;

use crate::net::{Dice, Net};
use crate::view::{Seen, Verdict, View};
use crate::{EPOCH, id};

/// Steps in which pads are asked for.
const PAD_STEPS: usize = 3;

/// Runs a round in which everybody is lost at each step with this chance. The final set, if one
/// was reached and enough share keys came.
fn run(net: &Net, dice: &mut Dice, lost_percent: usize) -> (View, Option<BTreeSet<ClientId>>) {
    let mut view = net.view();
    let sends = |dice: &mut Dice| !dice.chance(lost_percent);
    let mut present: BTreeSet<ClientId> = BTreeSet::new();
    for member in &net.members {
        // A frame that arrives too late is on the wire, too.
        let (sent, in_time) = (sends(dice), sends(dice));
        if sent {
            view.see(net.frame(*member));
        }
        if sent && in_time {
            present.insert(*member);
        }
    }
    let mut gateways: Vec<_> = present
        .iter()
        .map(|one| (*one, net.gateway(*one)))
        .collect();
    let mut is_final = present == net.members;
    for _ in 0..PAD_STEPS {
        if is_final {
            break;
        }
        let mut answered = BTreeSet::new();
        for (member, gateway) in &mut gateways {
            let asked = present.contains(member) && sends(dice);
            if asked && gateway.show(net, &mut view, &present, false) && sends(dice) {
                answered.insert(*member);
            }
        }
        is_final = answered == present;
        present = answered;
    }
    if !is_final {
        return (view, None);
    }
    for (member, gateway) in &mut gateways {
        if present.contains(member) && sends(dice) {
            gateway.show(net, &mut view, &present, true);
        }
    }
    let mut members = present.iter();
    let is_open = members.all(|one| view.is_mask_known(*one, EPOCH));
    let sum = (is_open && !present.is_empty()).then_some(present);
    (view, sum)
}

#[test]
fn a_complete_round_determines_its_sum_only() {
    for seed in 0..20 {
        let dice = &mut Dice::new(seed);
        let net = Net::new(dice, 12, (6, 4), 0);
        let (view, sum) = run(&net, dice, 0);
        assert_eq!(sum.as_ref(), Some(&net.members));
        let sums = vec![net.members.iter().copied().collect()];
        assert_eq!(view.verdict(), Verdict::Safe { sums });
    }
}

#[test]
fn rounds_with_losses_determine_their_sum_or_nothing() {
    let (mut sums, mut failed) = (0, 0);
    for seed in 0..400 {
        let dice = &mut Dice::new(seed);
        let n = dice.between(8, 14);
        let mut net = Net::new(dice, n, (6, 5), 1);
        net.loss_permille = 500;
        net.min_size = 3;
        let (view, sum) = run(&net, dice, 4);
        // Answers that came too late to count were on the wire, and must not matter.
        let Verdict::Safe { sums: found } = view.verdict() else {
            panic!("seed {seed}: {:?}", view.verdict());
        };
        let Some(sum) = sum else {
            failed += 1;
            assert!(found.is_empty(), "seed {seed}: {found:?}");
            continue;
        };
        sums += 1;
        let honest: Vec<_> = sum.difference(&net.corrupt).copied().collect();
        assert_eq!(found, [honest], "seed {seed}");
    }
    println!("{sums} sums, {failed} failed rounds");
    assert!(sums > 50 && failed > 50, "{sums} {failed}");
}

#[test]
fn a_larger_net_is_decided_in_time() {
    let dice = &mut Dice::new(5);
    let mut net = Net::new(dice, 120, (8, 6), 6);
    net.min_size = 60;
    net.loss_permille = 300;
    let (view, _) = run(&net, dice, 0);
    let honest: Vec<_> = net.honest().into_iter().collect();
    let sums = vec![honest];
    assert_eq!(view.verdict(), Verdict::Safe { sums });
    let mut view = view;
    let victim = id(60);
    for other in net.neighbours(victim) {
        view.see(Seen::pads(other, EPOCH, [victim]));
    }
    assert!(view.verdict().is_leak());
}

#[test]
fn what_takes_too_long_is_undecided() {
    // Twelve random groups of twenty out of forty members, in a ring and under an epoch each: so
    // many sums of the same readings that there are too many combinations to look at.
    let members: Vec<ClientId> = (0..40).map(id).collect();
    let mut view = View::new(12, []);
    let dice = &mut Dice::new(3);
    for epoch in 100..112 {
        let group = dice.some(members.iter().copied(), 20);
        for (place, one) in group.iter().enumerate() {
            let next = group[(place + 1) % group.len()];
            view.edge(epoch, *one, next);
        }
        for one in &group {
            let neighbours = view.neighbours(*one, epoch);
            view.see(Seen::frame(*one, epoch, neighbours));
        }
    }
    assert_eq!(view.verdict(), Verdict::Undecided);
}
