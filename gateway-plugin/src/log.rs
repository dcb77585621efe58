//! Logs to standard error: for journald and people, or one JSON object per line for programs; and, from
//! level info on, to the logbooks.
//!
//! Every line carries the field `event`, a stable name; the text beside it may change. No line
//! holds a reading, a key or a pad.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people and journald.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Begins to log. A second call in one process changes nothing.
pub(crate) fn start(form: Form, verbose: bool) {
    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    // What other crates say below an error concerns nobody here.
    let filter = Targets::new()
        .with_target("dcnet_gateway", level)
        .with_default(LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let lines = match form {
        Form::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        // journald has its own clock.
        Form::Text if std::env::var_os("JOURNAL_STREAM").is_some() => lines
            .without_time()
            .with_ansi(false)
            .with_filter(filter)
            .boxed(),
        Form::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_filter(filter)
            .boxed(),
    };
    let filter = Targets::new().with_target("dcnet_gateway", LevelFilter::INFO);
    let logbooks = crate::logbook::Layered.with_filter(filter);
    // Refused only if there is a subscriber already.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(logbooks)
        .try_init();
}
