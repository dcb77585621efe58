use super::*;

#[test]
fn show() {
    for rate in [50, 100, 200] {
        for members in [100, 1000, 10_000, 1_000_000] {
            for min_size in [2, 4, 10, members / 10, members / 4, members / 2] {
                let net = Net {
                    members,
                    loss_permille: rate,
                    min_size,
                };
                let began = std::time::Instant::now();
                let got = choose(net, rate, Levels::default());
                println!("{rate} {members} {min_size} {got:?} {:?}", began.elapsed());
                if let Ok(s) = got {
                    let began = std::time::Instant::now();
                    println!(
                        "    {:?} {:?} {:?}",
                        privacy_bits(net, s, members * u32::from(rate) / 1000),
                        audit(net, s, Levels::default()),
                        began.elapsed()
                    );
                }
            }
        }
    }
}
