//! A provider that lies, over the real interface, to gateways that are real processes with simulated
//! meters. Each lie ends in a refusal with a name or in evidence, and in no script does the liar learn
//! anything about fewer members than the minimum.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod joining;
mod lies;
mod messages;
mod provider;
mod rosters;
mod server;
mod stage;
#[path = "../../../protocol/tests/view/mod.rs"]
mod view;
mod wire;

/// Runs scripts at the same time: they mostly wait. Names those that failed.
fn run(scripts: &[(&str, fn())]) {
    std::thread::scope(|scope| {
        let running = scripts.iter().map(|(name, script)| {
            let thread = std::thread::Builder::new().name((*name).to_owned());
            (*name, thread.spawn_scoped(scope, *script).unwrap())
        });
        let running: Vec<_> = running.collect();
        let ended = running.into_iter();
        let failed = ended.filter_map(|(name, thread)| thread.join().is_err().then_some(name));
        let failed: Vec<_> = failed.collect();
        assert!(failed.is_empty(), "failed: {failed:?}");
    });
}

/// A test of scripts that run side by side.
macro_rules! side_by_side {
    ($name:ident: $($script:ident),+ $(,)?) => {
        #[test]
        fn $name() {
            crate::run(&[$((stringify!($script), $script)),+]);
        }
    };
}
pub(crate) use side_by_side;
