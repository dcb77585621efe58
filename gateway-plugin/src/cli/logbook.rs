//! `logbook`: the logbooks, from the daemon while it runs, and from its ledger while it does not.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use dcnet_profiles::Profile;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{EXIT_CONFIG, fail, status};
use crate::daemon::status as status_file;
use crate::home::page::SOCKET;
use crate::home::page::records::{
    self, Extract, HiddenRecord, LineRecord, Logbook, MOST, MessageRecord, Record,
};
use crate::ledger::{Ledger, StateDirectory, is_running};

/// Patience with the daemon.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer that is taken, in bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Args)]
#[command(after_help = "\
There are three logbooks, as in BSI TR-03109-1. The system's says what the daemon did and what failed. \
The consumer's has everything that left the house, byte for byte: frames to the provider, with the \
reading that each one hid and in the sum of how many members, and sealed messages to neighbours. The \
calibration log has what bears on whether values are right: clock, meter, tariffs, bounds.

The SHA-256 of a frame is what the provider's receipt for it names. For how long lines are kept is said in the profile, under home.logbooks.

The newest line comes last; with --json the newest record comes first. While the daemon does not run, \
the lines come out of its ledger.

Exit code: 0 the daemon runs, 1 there is nothing to show, 3 it does not run, 4 there is evidence that \
the provider lied (whether the daemon runs or not), 78 the profile is wrong.")]
pub(super) struct Show {
    #[command(flatten)]
    profile: super::Profile,
    /// Which one
    #[arg(value_enum, default_value_t, value_name = "LOGBOOK")]
    book: Logbook,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Messages with their bytes, in hexadecimal digits
    #[arg(long)]
    bytes: bool,
}

pub(super) fn logbook(options: &Show) -> ExitCode {
    let profile = match Profile::load(&options.profile.file) {
        Ok(profile) => profile,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    let directory = &profile.state;
    let told = |problem: &str| fail(&format!("{}: {problem}", directory.display()), 1);
    let running = match is_running(directory) {
        Ok(running) => running.is_some(),
        Err(error) => return told(&error.to_string()),
    };
    let records = if running {
        super::runtime()
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(from_daemon(&directory.join(SOCKET), options)))
    } else {
        from_ledger(&profile, options)
    };
    let records = match records {
        Ok(records) => records,
        Err(problem) => return told(&problem),
    };
    let text = if options.json {
        match serde_json::to_string_pretty(&records) {
            Ok(text) => text + "\n",
            Err(error) => return told(&error.to_string()),
        }
    } else {
        records.iter().rev().map(text).collect()
    };
    // A reader that closes the pipe has what it wanted.
    if let Err(error) = io::stdout().write_all(text.as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return fail(&format!("standard output: {error}"), 1);
    }
    let status = status_file::read(directory).unwrap_or_default();
    status::exit_code(&status, running)
}

/// What is asked for next when `records` are there; `None` if that is all.
fn next(records: &[Record], options: &Show) -> Option<Extract> {
    let left = options.limit.saturating_sub(records.len());
    (left > 0).then(|| Extract {
        book: options.book,
        before: records.last().map(Record::number),
        limit: left.min(MOST),
        bytes: options.bytes,
    })
}

fn from_ledger(profile: &Profile, options: &Show) -> Result<Vec<Record>, String> {
    // A directory that is not there is not to be made by looking.
    if !Ledger::is_in(&profile.state) {
        return Err("the daemon was not started yet".to_owned());
    }
    let ledger = StateDirectory::acquire(&profile.state).and_then(Ledger::open);
    let ledger = ledger.map_err(|error| error.to_string())?;
    let (view, slots) = (ledger.view(), &profile.evaluation.slots);
    let mut records = Vec::new();
    while let Some(extract) = next(&records, options) {
        let more = records::read(&view, slots, &extract).map_err(|error| error.to_string())?;
        if more.is_empty() {
            break;
        }
        records.extend(more);
    }
    Ok(records)
}

async fn from_daemon(socket: &Path, options: &Show) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    while let Some(extract) = next(&records, options) {
        let answer = tokio::time::timeout(PATIENCE, ask(socket, &extract)).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned());
        let more = answer.and_then(|answer| answer).map_err(|problem| {
            format!(
                "the daemon runs, but does not answer at {SOCKET}: {problem}; it may be starting"
            )
        })?;
        if more.is_empty() {
            break;
        }
        records.extend(more);
    }
    Ok(records)
}

async fn ask(socket: &Path, extract: &Extract) -> Result<Vec<Record>, String> {
    let mut uri = format!(
        "/api/logbook/{}?limit={}&bytes={}",
        extract.book.name(),
        extract.limit,
        extract.bytes
    );
    if let Some(before) = extract.before {
        let _ = write!(uri, "&before={before}"); // writing to a string cannot fail
    }
    let told = |error: hyper::Error| error.to_string();
    let stream = UnixStream::connect(socket).await;
    let stream = TokioIo::new(stream.map_err(|error| error.to_string())?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(told)?;
    let request = Request::get(uri).header(header::HOST, "localhost");
    let request = request.body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(told)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok::<_, String>((status, body))
    };
    let driven = async {
        // Its failure is the exchange's as well.
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let (status, body) = tokio::select! {
        answer = exchange => answer?,
        () = driven => return Err("it hung up".to_owned()),
    };
    if status != StatusCode::OK {
        return Err(format!(
            "{status}, {}",
            String::from_utf8_lossy(&body).trim()
        ));
    }
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

fn text(record: &Record) -> String {
    match record {
        Record::Line(line) => of_line(line),
        Record::Message(message) => of_message(message),
    }
}

fn of_line(line: &LineRecord) -> String {
    let LineRecord {
        time,
        gravity,
        event,
        text,
        ..
    } = line;
    let (event, text) = (printable(event), printable(text));
    format!("{time}  {gravity:<7}  {event}: {text}\n")
}

fn of_message(message: &MessageRecord) -> String {
    let mut text = format!("{}  {}", message.time, message.what);
    // Writing to a string cannot fail.
    if let Some(to) = &message.to {
        let _ = write!(text, " to {}", printable(to));
    }
    if let Some(round) = message.round {
        let _ = write!(text, ", round {round}");
    }
    let _ = writeln!(text, ", {} bytes", message.size);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:<9}{value}");
    };
    row("sha-256", &message.sha256);
    for outcome in &message.outcomes {
        let recipient = printable(&outcome.recipient);
        let said = format!("{} by {recipient} at {}", outcome.outcome, outcome.time);
        row("", &said);
    }
    if let Some(hidden) = &message.hidden {
        row("hides", &of_hidden(hidden));
    }
    if let Some(bytes) = &message.bytes {
        row("bytes", bytes);
    }
    text
}

fn of_hidden(hidden: &HiddenRecord) -> String {
    let (members, neighbours) = (hidden.members, hidden.neighbours);
    let reading = hidden.reading.as_ref().map_or_else(
        || "that there was no reading".to_owned(),
        |slots| {
            let slots = slots.iter();
            let slots: Vec<_> = slots
                .map(|slot| format!("{} {} {}", slot.obis, slot.value, slot.unit))
                .collect();
            slots.join(", ")
        },
    );
    format!("{reading}; in a sum of {members} members, masked with {neighbours} neighbours")
}

/// Text that moves no cursor: some of it is what others said.
fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_moves_no_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
