//! The command line of the demonstrator.

use std::path::PathBuf;

use clap::Parser;

const AFTER_HELP: &str = "\
What happens:
  1. The gateways register, draw neighbours, agree on keys through the provider, and enter the net.
  2. Complete rounds: the provider publishes their sum. The true sum beside it comes from the
     simulated meters and is known to nobody else.
  3. One gateway is killed (SIGKILL). Its neighbours send again without its pads, so that the sum
     of the others can be formed: the round is corrected.
  4. Rounds without it. Then it is started again and enters with the keys it had; the rounds are
     complete again.
  5. What the provider's store held of one household, next to what its meter read; the verdict.

Rounds take seconds instead of 15 minutes, sums are over 5 households instead of 100: enough to
watch, far too few to hide anybody for real.

Exit code: 0 if every published sum was exactly the truth, the round without the killed gateway
was corrected, and the key graph was restored; 1 if not; 2 for a wrong command line; 130 if interrupted.

Examples:
  cargo demo
  cargo demo --interval 10 --rounds 2 --log
  cargo demo --recordings captures/sml --gateways 8
  cargo demo --json | jq 'select(.event == \"round\")'";

/// Watch a neighbourhood's sums being formed while nobody learns a household's reading.
#[derive(Debug, Clone, Parser)]
#[command(name = "dcnet-demo", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(super) struct Options {
    /// Drive the gateways from SML recordings (*.bin) instead of simulated households: one gateway
    /// for each file; its i-th telegram is pushed during the i-th round. Beside a recording may
    /// lie NAME.libsml.txt, the values that libsml reads in it: they are the truth then
    #[arg(long, value_name = "FOLDER")]
    pub(super) recordings: Option<PathBuf>,
    /// Number of gateways; with --recordings the most that are taken [default: 5, with
    /// --recordings one for each file]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(5..=100))]
    pub(super) gateways: Option<u8>,
    /// Complete rounds before one gateway is killed
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) rounds: u32,
    /// Length of a round in seconds [default: 6, with --recordings 8]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(3..=900))]
    pub(super) interval: Option<u32>,
    /// Print JSON lines for programs
    #[arg(long)]
    pub(super) json: bool,
    /// Show the logs of provider and gateways as they are written, on standard error
    #[arg(long)]
    pub(super) log: bool,
    /// Keep the folder with store, ledgers and logs, and print where it is
    #[arg(long)]
    pub(super) keep: bool,
}

impl Options {
    pub(super) fn interval(&self) -> u32 {
        let default = if self.recordings.is_some() { 8 } else { 6 };
        self.interval.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Options::command().debug_assert();
    }
}
