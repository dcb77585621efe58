use super::*;

mod adversary;

fn net(members: u32, loss_permille: u16, min_size: u32) -> Net {
    Net {
        members,
        loss_permille,
        min_size,
    }
}

fn sharing(holders: u16, threshold: u16) -> Sharing {
    Sharing { holders, threshold }
}

/// The table of `docs/adr/0016-k-t-and-share-holders.md`: m = 4, m = n/10, m = n/4.
#[test]
fn the_table_of_the_decision() {
    use ParametersError::TooManyHolders;
    let kt = |k, t| Ok(sharing(k, t));
    let over = |needed| Err(TooManyHolders { needed });
    for (permille, members, want) in [
        (50, 100, [kt(17, 12), kt(17, 12), kt(20, 15)]),
        (50, 1000, [kt(51, 36), kt(51, 36), kt(51, 36)]),
        (50, 10_000, [kt(61, 43), kt(61, 43), kt(61, 43)]),
        (50, 1_000_000, [kt(73, 51), kt(73, 51), kt(73, 51)]),
        (100, 100, [kt(32, 22), kt(32, 22), kt(37, 27)]),
        (100, 1000, [kt(95, 66), kt(95, 66), kt(102, 72)]),
        (100, 10_000, [kt(120, 83), kt(120, 83), kt(128, 90)]),
        (100, 1_000_000, [kt(145, 100), kt(145, 100), kt(157, 110)]),
        (200, 100, [kt(63, 43), kt(65, 45), kt(78, 58)]),
        (200, 1000, [over(301), over(301), over(554)]),
        (200, 10_000, [over(475), over(475), over(1304)]),
        (200, 1_000_000, [over(596), over(596), over(1826)]),
    ] {
        for (min_size, want) in [4, members / 10, members / 4].into_iter().zip(want) {
            let net = net(members, permille, min_size);
            let got = choose(net, permille, Levels::default());
            assert_eq!(got, want, "{net:?}");
            let Ok(sharing) = got else { continue };
            let strength = audit(net, sharing, Levels::default()).unwrap();
            let planned = members * u32::from(permille) / 1000;
            assert!(strength.corrupt >= Some(planned), "{net:?}: {strength:?}");
            assert!(strength.lost >= Some(planned), "{net:?}: {strength:?}");
        }
    }
}

/// n = 5, one corrupt, one may be missing, k = 3, t = 2, m = 2: (*) asks for 1 holder of 3 among
/// 1 marked of 4, which has probability 3/4 for each of 4 members.
#[test]
fn a_case_by_hand() {
    let bits = privacy_bits(net(5, 200, 2), sharing(3, 2), 1).unwrap();
    assert!((bits + 3.0_f64.log2()).abs() < 1e-9, "{bits}");
    // n = 9, k = 4, t = 4: nobody may be left out; all 4 holders must be the 4 corrupt ones of 8
    // others, one draw of 70, for each of 5 members.
    let bits = privacy_bits(net(9, 200, 2), sharing(4, 4), 4).unwrap();
    assert!((bits - 14.0_f64.log2()).abs() < 1e-9, "{bits}");
    // and pairs, m = 3: 4 of 5 marked ones, 5 draws of 70, for both of C(5, 2) = 10 pairs
    let bits = privacy_bits(net(9, 200, 3), sharing(4, 4), 4).unwrap();
    let want = -(5.0 / 70.0 + 10.0 * (5.0_f64 / 70.0).powi(2)).log2();
    assert!((bits - want).abs() < 1e-9, "{bits}");
}

#[test]
fn a_complete_graph_leaves_nothing_to_chance() {
    // 10 members, 2 missing, 1 corrupt, t = 7 of 9: s − 1 + 1 + 2 >= 7 from s = 5 on
    let safe = privacy_bits(net(10, 200, 5), sharing(9, 7), 1).unwrap();
    assert!(safe.is_infinite() && safe > 0.0, "{safe}");
    // Of s = 5 the 20 pads to the 4 outside could all come, 2 from each: 8 + 10 < 20. They cannot.
    let by_pads = privacy_bits(net(10, 200, 6), sharing(9, 7), 1).unwrap();
    assert!(by_pads.is_infinite() && by_pads > 0.0, "{by_pads}");
    // t = 5 of 9: s − 1 + 1 + 2 >= 5 from s = 3 on, and of 18 pads 12 + 6 can come: all of them
    let unsafe_net = privacy_bits(net(10, 200, 4), sharing(9, 5), 1).unwrap();
    assert!(unsafe_net.abs() < 1e-9, "{unsafe_net}");
}

#[test]
fn small_epochs_have_a_smaller_threshold() {
    for (members, want) in [
        (1_000_000, sharing(17, 12)),
        (18, sharing(17, 12)),
        (17, sharing(16, 12)),
        (10, sharing(9, 7)),
        (4, sharing(3, 3)),
        (3, sharing(2, 2)),
        (2, sharing(1, 2)),
    ] {
        assert_eq!(sharing(17, 12).within(members), want, "{members}");
    }
    for k in 3..=MAX_HOLDERS {
        for t in k / 2 + 1..=k {
            for members in 4..=u32::from(k) {
                let small = sharing(k, t).within(members);
                assert_eq!(small.check(), Ok(()), "{k} {t} {members}");
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let levels = Levels::default();
    assert_eq!(
        choose(net(100, 1000, 4), 50, levels),
        Err(ParametersError::Permille { got: 1000 })
    );
    assert_eq!(
        choose(net(100, 50, 4), 1000, levels),
        Err(ParametersError::Permille { got: 1000 })
    );
    for (members, min_size) in [(0, 2), (3, 2), (100, 1)] {
        assert_eq!(
            choose(net(members, 50, min_size), 50, levels),
            Err(ParametersError::TooSmall { members, min_size })
        );
    }
    assert_eq!(
        choose(net(100, 50, 91), 50, levels),
        Err(ParametersError::TooFewHonest {
            honest: 90,
            min_size: 91
        })
    );
    assert_eq!(
        choose(net(100, 200, 50), 200, levels),
        Err(ParametersError::Impossible)
    );
    for (k, t) in [(4, 2), (2, 3), (256, 200), (1, 1), (0, 0)] {
        assert_eq!(
            audit(net(1000, 50, 4), sharing(k, t), levels),
            Err(ParametersError::Sharing { k, t })
        );
    }
}

#[test]
fn nobody_is_withstood_where_halves_suffice() {
    // t barely above k/2: leaving out k − t makes 2t − k = 1 inside holder enough, and in a pair
    // each member may be the other's.
    let strength = audit(net(1000, 100, 10), sharing(51, 26), Levels::default()).unwrap();
    assert_eq!(strength.corrupt, None);
}

#[test]
fn more_of_what_harms_never_raises_privacy() {
    let bits = |net, sharing, corrupt| privacy_bits(net, sharing, corrupt).unwrap();
    let base = net(400, 50, 20);
    for t in 26..50 {
        assert!(bits(base, sharing(50, t), 10) <= bits(base, sharing(50, t + 1), 10) + 1e-9);
    }
    for corrupt in 0..40 {
        let (fewer, more) = (corrupt, corrupt + 1);
        assert!(bits(base, sharing(50, 37), more) <= bits(base, sharing(50, 37), fewer) + 1e-9);
    }
    for min_size in 2..60 {
        let (low, high) = (net(400, 50, min_size), net(400, 50, min_size + 1));
        assert!(bits(high, sharing(50, 37), 10) <= bits(low, sharing(50, 37), 10) + 1e-9);
    }
    for loss in 0..100 {
        let (low, high) = (net(400, loss, 20), net(400, loss + 1, 20));
        assert!(bits(high, sharing(50, 37), 10) <= bits(low, sharing(50, 37), 10) + 1e-9);
    }
}

#[test]
fn a_higher_level_takes_no_fewer_holders() {
    let mut before = 0;
    for privacy_bits in [10, 20, 30, 40, 60, 80] {
        let levels = Levels {
            privacy_bits,
            failure_bits: 20,
        };
        let k = choose(net(10_000, 50, 100), 50, levels).unwrap().holders;
        assert!(k >= before, "{privacy_bits} bits: {k} after {before}");
        before = k;
    }
}

#[test]
fn the_audit_finds_the_last_number_that_holds() {
    let (net, sharing, levels) = (net(300, 50, 10), sharing(40, 29), Levels::default());
    let strength = audit(net, sharing, levels).unwrap();
    let most = strength.corrupt.unwrap();
    for corrupt in 0..=275 {
        let withstood = privacy_bits(net, sharing, corrupt).unwrap() >= 40.0;
        assert_eq!(withstood, corrupt <= most, "{corrupt} of {most}");
    }
}

/// Independent losses at the rate of δ itself are more than ⌊δn⌋ in every second round.
#[test]
fn a_net_bears_less_than_its_largest_loss() {
    let strength = audit(net(1000, 100, 10), sharing(95, 66), Levels::default()).unwrap();
    assert!(
        (50_000..80_000).contains(&strength.bearable_ppm),
        "{strength:?}"
    );
}

/// A net keeps its k and t while it grows: those for a million members serve from 20 on.
#[test]
fn what_serves_a_large_net_serves_it_while_it_is_small() {
    for members in (20..400).chain([1000, 5000, 20_000, 100_000, 1_000_000]) {
        let strength = audit(net(members, 50, 10), sharing(73, 51), Levels::default()).unwrap();
        let part = members / 20;
        assert!(strength.corrupt >= Some(part), "{members}: {strength:?}");
        assert!(strength.lost >= Some(part), "{members}: {strength:?}");
    }
}
