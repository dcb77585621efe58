//! Leaks that must be found, and the same attacks where they must fail.

use std::collections::BTreeSet;

use dcnet_protocol::names::ClientId;

use crate::net::{Dice, Net};
use crate::view::{Seen, Verdict, View};
use crate::{EPOCH, id, ids};

/// A net of `n` in which everybody is everybody's neighbour, without self-masks.
fn complete(n: usize, min_size: usize, corrupt: &[usize]) -> View {
    let mut view = View::new(min_size, corrupt.iter().copied().map(id));
    for one in 0..n {
        (0..one).for_each(|other| view.edge(EPOCH, id(one), id(other)));
    }
    view
}

/// The frame of a member as the epoch has it.
fn frame(view: &View, member: usize) -> Seen {
    Seen::frame(id(member), EPOCH, view.neighbours(id(member), EPOCH))
}

fn send_all(view: &mut View, n: usize) {
    (0..n).for_each(|member| view.see(frame(view, member)));
}

#[track_caller]
fn assert_leak(view: &View, of: &[usize]) {
    match view.verdict() {
        Verdict::Leak {
            members, parity, ..
        } => {
            assert_eq!(
                members,
                ids(of.iter().copied()).into_iter().collect::<Vec<_>>()
            );
            assert!(!parity);
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_sums(view: &View, sums: &[&BTreeSet<ClientId>]) {
    let sums = sums.iter().map(|sum| sum.iter().copied().collect());
    let sums = sums.collect();
    assert_eq!(view.verdict(), Verdict::Safe { sums });
}

#[test]
fn a_complete_round_says_its_sum() {
    let mut view = complete(6, 4, &[]);
    send_all(&mut view, 6);
    assert_sums(&view, &[&ids(0..6)]);
    view.min_size = 7;
    assert_leak(&view, &[0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_round_in_which_someone_is_missing_says_nothing() {
    let mut view = complete(6, 4, &[]);
    send_all(&mut view, 5);
    assert_sums(&view, &[]);
}

#[test]
fn an_honest_correction_says_the_sum_of_those_present() {
    let mut view = complete(6, 4, &[]);
    send_all(&mut view, 5);
    for member in 0..5 {
        view.see(frame(&view, member).without(&ids([5])));
    }
    assert_sums(&view, &[&ids(0..5)]);
}

#[test]
fn a_withheld_frame_lays_its_sender_bare() {
    let mut view = complete(6, 4, &[]);
    send_all(&mut view, 6);
    for member in 0..5 {
        view.see(frame(&view, member).without(&ids([5])));
    }
    assert_leak(&view, &[5]);
}

#[test]
fn two_corrections_of_one_round_lay_the_difference_bare() {
    let mut view = complete(8, 4, &[]);
    send_all(&mut view, 7);
    for member in 0..7 {
        view.see(frame(&view, member).without(&ids([7])));
    }
    assert_sums(&view, &[&ids(0..7)]);
    for member in 0..6 {
        view.see(frame(&view, member).without(&ids([6, 7])));
    }
    assert_leak(&view, &[6]);
}

#[test]
fn contradictory_corrections_separate_a_pair() {
    // 0 to 3 are told that 4 and 5 are missing, and these two that 6 is.
    let mut view = complete(7, 3, &[]);
    send_all(&mut view, 6);
    for member in 0..4 {
        view.see(frame(&view, member).without(&ids([4, 5])));
    }
    assert_sums(&view, &[]);
    for member in 4..6 {
        view.see(frame(&view, member).without(&ids([6])));
    }
    assert_leak(&view, &[4, 5]);
    view.min_size = 2;
    assert_sums(&view, &[&ids([4, 5])]);
}

#[test]
fn corrupt_neighbours_only_lay_a_member_bare() {
    let mut view = View::new(2, [0, 1, 2].map(id));
    for corrupt in 0..3 {
        (3..7).for_each(|member| view.edge(EPOCH, id(corrupt), id(member)));
    }
    (3..6).for_each(|member| view.edge(EPOCH, id(member), id(member + 1)));
    send_all(&mut view, 7);
    assert_sums(&view, &[&ids(3..7)]);
    // The same without the edge of 3 to 4.
    view.edges
        .remove(&crate::view::Edge::new(id(3), id(4), EPOCH));
    view.seen.clear();
    send_all(&mut view, 7);
    assert_leak(&view, &[3]);
}

#[test]
fn a_graph_that_fell_apart_has_a_sum_for_each_part() {
    let mut view = View::new(3, []);
    for (one, other) in [(0, 1), (1, 2), (2, 0), (3, 4)] {
        view.edge(EPOCH, id(one), id(other));
    }
    send_all(&mut view, 5);
    assert_leak(&view, &[3, 4]);
}

#[test]
fn two_epochs_do_not_cancel() {
    let mut view = complete(6, 4, &[]);
    for one in 0..6 {
        (0..one).for_each(|other| view.edge(EPOCH + 1, id(one), id(other)));
    }
    send_all(&mut view, 3);
    for member in 3..6 {
        let neighbours = view.neighbours(id(member), EPOCH + 1);
        view.see(Seen::frame(id(member), EPOCH + 1, neighbours));
    }
    assert_sums(&view, &[]);
    // A member that sealed under both epochs would add itself to both halves.
    for member in 3..6 {
        view.see(frame(&view, member));
    }
    assert_sums(&view, &[&ids(0..6)]);
}

#[test]
fn neighbours_shown_to_one_end_only_hide_and_do_not_bare() {
    let mut view = complete(5, 4, &[]);
    view.edge(EPOCH, id(0), id(9));
    send_all(&mut view, 5);
    assert_sums(&view, &[]);
}

#[test]
fn the_parity_of_a_reading_is_a_leak_too() {
    // x + p + q, x + q + r and x + r + p: their sum is 3x + 2(p + q + r), so x modulo 2 is known
    // and nothing else. No member that follows the protocol sends this.
    let mut view = View::new(2, []);
    (1..4).for_each(|peer| view.edge(EPOCH, id(0), id(peer)));
    for two in [[1, 2], [2, 3], [3, 1]] {
        view.see(Seen::frame(id(0), EPOCH, two.map(id)));
    }
    let Verdict::Leak {
        members,
        combination,
        parity,
    } = view.verdict()
    else {
        panic!("{:?}", view.verdict());
    };
    assert_eq!((members, combination, parity), (vec![id(0)], vec![1], true));
    // If one of them hides no reading, 2x is what they say. The rest is the same.
    view.seen[2].reading = false;
    view.see(Seen::pads(id(0), EPOCH, [2, 3].map(id)));
    assert_leak(&view, &[0]);
}

/// A complete double-mask net of `n` with threshold `t` of n − 1 holders.
fn masked(n: usize, t: usize, corrupt: usize) -> Net {
    let mut net = Net::new(&mut Dice::new(1), n, (n - 1, t), corrupt);
    net.loss_permille = 1000;
    net
}

#[test]
fn a_withheld_frame_keeps_its_self_mask() {
    let net = masked(6, 4, 0);
    let mut view = net.view();
    net.members.iter().for_each(|one| view.see(net.frame(*one)));
    let present = ids(0..5);
    for member in &present {
        let mut gateway = net.gateway(*member);
        assert!(gateway.show(&net, &mut view, &present, false));
        assert!(gateway.show(&net, &mut view, &present, true));
    }
    assert_sums(&view, &[&present]);
}

/// The victim, 0, is told that those behind `kept` are missing and gives the pads towards them;
/// those reveal its seed. The others are told that the victim is missing.
fn split(net: &Net, drops: usize) -> View {
    let mut view = net.view();
    net.members.iter().for_each(|one| view.see(net.frame(*one)));
    let n = net.members.len();
    let first_dropped = n - drops;
    let victims = ids(0..first_dropped);
    net.gateway(id(0)).show(net, &mut view, &victims, false);
    for member in 1..n {
        let mut gateway = net.gateway(id(member));
        if member < first_dropped {
            gateway.show(net, &mut view, &ids(1..n), false);
        } else {
            gateway.show(net, &mut view, &net.members, true);
        }
    }
    view
}

#[test]
fn split_rosters_bare_a_member_if_the_threshold_is_too_low() {
    // Of 6 holders, 3 are dropped by the victim and reveal its seed.
    assert_leak(&split(&masked(7, 3, 0), 3), &[0]);
    // With 4 of 6, 3 do not reach it, and the victim does not drop 4.
    assert_sums(&split(&masked(7, 4, 0), 3), &[]);
    assert_sums(&split(&masked(7, 4, 0), 4), &[]);
}

#[test]
fn corrupt_holders_and_half_of_the_honest_ones_reach_a_low_threshold() {
    // Roles by number: 0 is the victim of `split`, so the corrupt ones are the last.
    let with_corrupt = |t: usize, corrupt: &[usize], drops: usize| {
        let mut net = masked(9, t, 0);
        net.corrupt = ids(corrupt.iter().copied());
        split(&net, drops)
    };
    // t = 5 of 8: 3 dropped ones and 2 corrupt ones among those that the victim kept.
    assert_leak(&with_corrupt(5, &[1, 2], 3), &[0]);
    assert_sums(&with_corrupt(5, &[1], 3), &[]);
    // t = 6 of 8: at most 2 are dropped, so 4 corrupt ones would be needed.
    assert_sums(&with_corrupt(6, &[1, 2], 2), &[]);
    assert_sums(&with_corrupt(6, &[1, 2], 3), &[]);
}

#[test]
fn two_rosters_answered_by_everybody_are_differenced() {
    // What gateways refuse (a reveal, then another roster): all reveal for the whole net, then give
    // the pads of 5. Its mask is known by then.
    let net = masked(6, 4, 0);
    let mut view = net.view();
    net.members.iter().for_each(|one| view.see(net.frame(*one)));
    for member in &net.members {
        net.gateway(*member)
            .show(&net, &mut view, &net.members, true);
    }
    assert_sums(&view, &[&net.members]);
    for member in 0..5 {
        net.gateway(id(member))
            .show(&net, &mut view, &ids(0..5), false);
    }
    assert_leak(&view, &[5]);
}

#[test]
fn one_member_that_answers_two_rosters_gives_nothing_but_a_pad() {
    let net = masked(6, 4, 0);
    let mut view = net.view();
    net.members.iter().for_each(|one| view.see(net.frame(*one)));
    for member in &net.members {
        net.gateway(*member)
            .show(&net, &mut view, &net.members, true);
    }
    net.gateway(id(0)).show(&net, &mut view, &ids(0..5), false);
    assert_sums(&view, &[&net.members]);
    // In a chain of members, a pad is all that holds two parts together.
    let mut net = net;
    for (member, drawn) in &mut net.drawn {
        let number = (0..6).find(|number| id(*number) == *member).unwrap();
        *drawn = ids([number.saturating_sub(1), (number + 1).min(5)]);
        drawn.remove(member);
    }
    net.t = 1;
    net.k = 2;
    net.min_size = 3;
    let mut view = net.view();
    net.members.iter().for_each(|one| view.see(net.frame(*one)));
    for member in &net.members {
        net.gateway(*member)
            .show(&net, &mut view, &net.members, true);
    }
    assert_sums(&view, &[&net.members]);
    net.gateway(id(1))
        .show(&net, &mut view, &ids([0, 1, 3, 4, 5]), false);
    assert_leak(&view, &[0, 1]);
}

#[test]
fn silent_members_do_not_count_as_readings() {
    // Everybody is there, one has a reading. A gateway has the provider's word only for how many
    // readings the sum will have.
    let net = masked(6, 5, 0);
    let mut view = net.view();
    view.see(net.frame(id(0)));
    (1..6).for_each(|one| view.see(net.frame(id(one)).silent()));
    assert_sums(&view, &[]);
    for member in &net.members {
        assert!(
            net.gateway(*member)
                .show(&net, &mut view, &net.members, true)
        );
    }
    assert_leak(&view, &[0]);
}
