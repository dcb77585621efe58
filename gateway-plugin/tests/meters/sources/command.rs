//! Programs that print `OBIS#value#unit`.

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::SourceState;

use super::running::{All, Running, captures, shown};

/// A program for a test.
struct Script(tempfile::NamedTempFile);

impl Script {
    fn new(text: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Self(file)
    }

    /// The source that runs it, with more keys.
    fn source(&self, more: &str) -> String {
        let file = self.0.path().display();
        format!("command: {{ run: [sh, '{file}']{more} }}")
    }
}

fn start(source: &str) -> Running {
    Running::start(source, &Clock::system())
}

#[tokio::test]
async fn a_program_that_goes_on_printing_is_a_meter() {
    let script = Script::new(
        r"printf '1-0:1.8.0*255#17243675.6#Wh\n1-0:16.7.0*255#-12#W\n\n'
        sleep 1
        printf '1.8.0#17243.6757#kWh\n'
        sleep 60",
    );
    let mut source = start(&script.source(""));
    let (_, first) = source.telegram().await;
    assert_eq!(shown(&first, "1.8.0"), "17243675.6 Wh");
    assert_eq!(shown(&first, "16.7.0"), "-12 W");
    // The second one is ended by nothing but time.
    let (_, second) = source.telegram().await;
    assert_eq!(shown(&second, "1.8.0"), "17243675.7 Wh");
    assert_eq!(shown(&second, "16.7.0"), "");
}

#[tokio::test]
async fn a_program_that_prints_once_is_started_again() {
    let mut source = start("command: { run: [echo, '1.8.0#5#Wh'], every: 1 }");
    let (first, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), "5 Wh");
    let (second, _) = source.telegram().await;
    let apart = second.millis_since(first);
    // A busy machine starts the first one late; without a pause it would be milliseconds.
    assert!((300..5_000).contains(&apart), "{apart} ms");
}

#[tokio::test]
async fn what_is_wrong_with_a_program_is_said() {
    let mut source = start("command: { run: [/nonexistent/reader] }");
    let fault = source.fault().await;
    assert!(
        fault.contains("\"/nonexistent/reader\" (command.run) cannot be started"),
        "{fault}"
    );
    let mut source = start("command: { run: [sh, -c, 'echo no port >&2; exit 3'] }");
    let fault = source.fault().await;
    assert!(fault.contains("exit status: 3"), "{fault}");
    assert!(fault.contains("saying: no port"), "{fault}");
    let mut source = start("command: { run: ['true'] }");
    let fault = source.fault().await;
    assert!(fault.contains("has ended"), "{fault}");
    let mut source = start("command: { run: ['true'], every: 1 }");
    let fault = source.fault().await;
    assert!(fault.contains("has printed no reading"), "{fault}");
    let mut source = start("command: { run: [sleep, '60'], silence: 1 }");
    assert_eq!(source.state().await, SourceState::Silent { seconds: 1 });
}

#[tokio::test]
async fn a_program_that_prints_nonsense_is_counted_and_bounded() {
    // A line of a megabyte, one that is none, bytes that are no text, and then a good one.
    let script = Script::new(
        r"head -c 1000000 /dev/zero | tr '\0' x
        echo
        echo nonsense
        printf '\377#1#Wh\n'
        echo '1.8.0#7#Wh'
        sleep 60",
    );
    let mut source = start(&script.source(""));
    let (_, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), "7 Wh");
    assert_eq!(source.refused(), 3);
}

#[tokio::test]
async fn the_first_source_that_gives_telegrams_counts() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let preferred = Script::new(&format!(
        "while :; do [ -e {} ] && echo '1.8.0#1#Wh'; sleep 0.1; done",
        go.display()
    ));
    let other = Script::new("while :; do echo '1.8.0#2#Wh'; sleep 0.1; done");
    let mut all = All::start(&format!(
        "[{{ {} }}, {{ {} }}]",
        preferred.source(", silence: 1"),
        other.source("")
    ));
    // The preferred one gives nothing: the other stands in.
    assert_eq!(all.next().await, (1, "2 Wh".to_owned()));
    std::fs::write(&go, "").unwrap();
    while all.next().await.0 != 0 {}
    for _ in 0..20 {
        assert_eq!(all.next().await, (0, "1 Wh".to_owned()));
    }
    std::fs::remove_file(&go).unwrap();
    while all.next().await.0 != 1 {}
}

#[tokio::test]
async fn what_the_c_library_prints_is_read() {
    let Some(folder) = captures("sml") else {
        return;
    };
    let file = folder.join("ISKRA_MT691_eHZ-MS2020.libsml.txt");
    let expected = std::fs::read_to_string(&file).unwrap();
    let import = expected
        .lines()
        .find_map(|line| line.strip_prefix("1-0:1.8.0*255#"))
        .unwrap()
        .replace('#', " ");
    let mut source = start(&format!(
        "command: {{ run: [cat, '{}'], every: 1 }}",
        file.display()
    ));
    let (_, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), import);
}
