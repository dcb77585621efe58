//! Readings as lines of text, `OBIS#value#unit`: from any program, or from standard input.
//!
//! The simplest way to bring in a meter that nothing here knows: whatever can print such lines is a
//! source. An empty line, a code that comes again, or a second without a line ends a telegram.

use std::process::Stdio;
use std::time::Duration;

use dcnet_obis::line::{self, Line, MAX_LINE};
use dcnet_obis::{Entry, Value};
use dcnet_profiles::meter::{CommandSource, InputSource};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::feed::{Feed, Gone};
use super::gather::{Gatherer, TOGETHER, implied_unit};
use super::{PAUSES, SourceState};

/// Longest text of a failed program that the owner is shown, in bytes.
const LONGEST_COMPLAINT: u64 = 2_048;

/// Starts the program again and again, and reads what it prints.
pub async fn run_command(source: CommandSource, mut feed: Feed) {
    let mut pause = PAUSES;
    loop {
        let begun = Instant::now();
        let (state, read_something) = match once(&source, &mut feed).await {
            Ok(end) => end,
            Err(Gone) => return,
        };
        if let Some(state) = state
            && feed.state(state).await.is_err()
        {
            return;
        }
        if read_something {
            pause.reset();
        }
        match source.every {
            Some(every) if read_something => {
                sleep_until(begun + Duration::from_secs(every)).await;
            }
            _ => {
                sleep(pause.pause()).await;
            }
        }
    }
}

/// Reads standard input to its end, after which nothing comes any more.
pub async fn run_input(source: InputSource, mut feed: Feed) {
    let silence = Duration::from_secs(source.silence);
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let state = match read(&mut input, silence, &mut feed).await {
            Err(Gone) => return,
            Ok((End::Silent, _)) => SourceState::Silent {
                seconds: source.silence,
            },
            Ok((End::Closed, _)) => SourceState::Broken {
                what: "standard input has ended, and with it the readings; start the daemon with \
                       the program that prints them before it, or use `command`"
                    .to_owned(),
            },
        };
        let ended = !matches!(state, SourceState::Silent { .. });
        if feed.state(state).await.is_err() {
            return;
        }
        if ended {
            feed.gone().await;
            return;
        }
    }
}

/// One run of the program: what is wrong, and whether it printed a reading.
async fn once(
    source: &CommandSource,
    feed: &mut Feed,
) -> Result<(Option<SourceState>, bool), Gone> {
    let (program, arguments) = source
        .run
        .split_first()
        .map_or(("", &[][..]), |(p, a)| (p, a));
    let broken = |what: String| Some(SourceState::Broken { what });
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(directory) = &source.directory {
        command.current_dir(directory);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let what = format!("the program {program:?} (command.run) cannot be started: {error}");
            return Ok((broken(what), false));
        }
    };
    let (Some(output), Some(complaints)) = (child.stdout.take(), child.stderr.take()) else {
        return Ok((None, false));
    };
    let silence = Duration::from_secs(source.silence);
    // Both at once: a program whose complaints nobody reads may wait for ever.
    let complaints = tokio::spawn(last_words(complaints));
    let (end, read_something) = read(&mut BufReader::new(output), silence, feed).await?;
    let state = match end {
        End::Silent => {
            let _ = child.kill().await; // it may have ended just now
            Some(SourceState::Silent {
                seconds: source.silence,
            })
        }
        End::Closed => match ended(program, child, complaints).await {
            Some(fault) => Some(fault),
            None if source.every.is_none() => broken(format!("the program {program:?} has ended")),
            None if !read_something => {
                broken(format!("the program {program:?} has printed no reading"))
            }
            None => None,
        },
    };
    Ok((state, read_something))
}

/// Why a program that has closed its output is no good any more; `None` if it ended well.
async fn ended(
    program: &str,
    mut child: Child,
    complaints: tokio::task::JoinHandle<String>,
) -> Option<SourceState> {
    const FAREWELL: Duration = Duration::from_secs(2);
    let status = match timeout(FAREWELL, child.wait()).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => {
            let what = format!("the program {program:?}: {error}");
            return Some(SourceState::Broken { what });
        }
        Err(_) => {
            let _ = child.kill().await; // it may have ended just now
            let what = format!("the program {program:?} has closed its output, but did not end");
            return Some(SourceState::Broken { what });
        }
    };
    if status.success() {
        return None;
    }
    let said = match timeout(FAREWELL, complaints).await {
        Ok(Ok(said)) => said,
        _ => String::new(),
    };
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let what = format!("the program {program:?} failed ({status})");
    Some(match last {
        Some(last) => SourceState::Failed {
            what,
            said: last.to_owned(),
        },
        None => SourceState::Broken { what },
    })
}

/// The last part of what a program says on standard error.
async fn last_words(mut from: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 512];
    let limit = usize::try_from(LONGEST_COMPLAINT).unwrap_or(usize::MAX);
    while let Ok(got @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..got).unwrap_or_default());
        let excess = kept.len().saturating_sub(limit);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept)
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect()
}

/// Why no more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Silent,
}

/// Reads lines; also tells whether one of them was a reading.
async fn read(
    input: &mut (impl AsyncBufRead + Unpin),
    silence: Duration,
    feed: &mut Feed,
) -> Result<(End, bool), Gone> {
    let mut gatherer = Gatherer::default();
    let mut read_something = false;
    let mut line = Vec::new();
    let mut heard = Instant::now();
    loop {
        let together = Duration::from_millis(TOGETHER);
        let deadline = heard
            + if gatherer.is_empty() {
                silence
            } else {
                together
            };
        let end = tokio::select! {
            got = next_line(input, &mut line) => match got {
                Ok(true) => None,
                Ok(false) | Err(_) => Some(End::Closed),
            },
            () = feed.gone() => return Err(Gone),
            () = sleep_until(deadline) => {
                if gatherer.is_empty() {
                    Some(End::Silent)
                } else {
                    // What was read of a line stays in `line`.
                    hand_on(gatherer.take(), feed).await?;
                    continue;
                }
            }
        };
        if let Some(end) = end {
            hand_on(gatherer.take(), feed).await?;
            return Ok((end, read_something));
        }
        heard = Instant::now();
        match line::parse(&line) {
            Ok(Line::Value(mut entry)) => {
                read_something = true;
                imply_unit(&mut entry);
                hand_on(gatherer.add(feed.now(), entry), feed).await?;
            }
            Ok(Line::Empty) => hand_on(gatherer.take(), feed).await?,
            Ok(Line::Comment) => {}
            Err(error) => feed.refused(&error.to_string()),
        }
        line.clear();
    }
}

async fn hand_on(
    telegram: Option<(dcnet_protocol::round::UnixTime, dcnet_obis::Telegram)>,
    feed: &mut Feed,
) -> Result<(), Gone> {
    match telegram {
        Some((time, telegram)) => feed.telegram_of(time, telegram).await,
        None => Ok(()),
    }
}

fn imply_unit(entry: &mut Entry) {
    if matches!(entry.value, Value::Number(_)) && entry.unit.is_none() {
        entry.unit = implied_unit(entry.obis);
    }
}

/// Appends to `line` up to its break; false at the end of the input. Of a line that is longer than
/// any reading only a part is kept, by which it is refused. Stopped halfway, nothing is lost.
async fn next_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    loop {
        let piece = input.fill_buf().await?;
        if piece.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(piece.len(), |end| end + 1);
        let room = (MAX_LINE + 8).saturating_sub(line.len());
        line.extend_from_slice(piece.get(..taken.min(room)).unwrap_or_default());
        input.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}
