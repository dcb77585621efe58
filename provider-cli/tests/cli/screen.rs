//! A pseudo-terminal, and what is to be seen on it.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal of which all that is printed is kept.
pub(super) struct Terminal {
    near: File,
    printed: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    columns: u16,
    lines: u16,
}

impl Terminal {
    pub(super) fn new(columns: u16, lines: u16) -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&far, size).unwrap();
        let path = ptsname(&far, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let near = File::from(open(path, flags, Mode::empty()).unwrap());
        let printed = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&printed);
        let mut far = File::from(far);
        // Ends when nobody has the near end any more.
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = far.read(&mut buffer) {
                kept.lock().unwrap().extend(&buffer[..count]);
            }
        });
        Self {
            near,
            printed,
            reader,
            columns,
            lines,
        }
    }

    /// For standard output or standard error of a process.
    pub(super) fn stream(&self) -> Stdio {
        self.near.try_clone().unwrap().into()
    }

    /// What is to be seen now.
    pub(super) fn screen(&self) -> Screen {
        let printed = self.printed.lock().unwrap().clone();
        Screen::of(&printed, self.columns, self.lines)
    }

    /// Waits until `text` is to be seen.
    #[track_caller]
    pub(super) fn wait_for(&self, text: &str) -> Screen {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            if screen.text().contains(text) {
                return screen;
            }
            let seen = screen.text();
            assert!(started.elapsed() < Duration::from_mins(1), "{text}: {seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All that was printed, when no process has it any more.
    pub(super) fn end(self) -> (String, Screen) {
        drop(self.near);
        self.reader.join().unwrap();
        let printed = self.printed.lock().unwrap();
        let screen = Screen::of(&printed, self.columns, self.lines);
        (String::from_utf8(printed.clone()).unwrap(), screen)
    }
}

/// What a terminal makes of bytes, as far as this program uses one.
#[derive(Debug)]
pub(super) struct Screen {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    columns: usize,
    /// Lines that left it at the top.
    pub(super) scrolled: usize,
    /// Lines that were too long.
    pub(super) wrapped: usize,
    /// Characters of the longest line that was ever on it.
    pub(super) widest: usize,
    /// How often the cursor went to the upper left corner.
    pub(super) homes: usize,
}

impl Screen {
    fn of(printed: &[u8], columns: u16, lines: u16) -> Self {
        let mut screen = Self {
            cells: vec![Vec::new(); lines.into()],
            row: 0,
            column: 0,
            columns: columns.into(),
            scrolled: 0,
            wrapped: 0,
            widest: 0,
            homes: 0,
        };
        // Something may be half printed; what follows completes it.
        let text = String::from_utf8_lossy(printed);
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\r' => screen.column = 0,
                '\n' => screen.feed(),
                '\x1b' => screen.escape(&mut characters),
                other => screen.put(other),
            }
        }
        screen
    }

    /// Its lines, without spaces at the end.
    pub(super) fn rows(&self) -> Vec<String> {
        let rows = self.cells.iter().map(|row| row.iter().collect::<String>());
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    pub(super) fn text(&self) -> String {
        self.rows().join("\n").trim_end().to_owned()
    }

    fn put(&mut self, character: char) {
        if self.column == self.columns {
            self.wrapped += 1;
            self.column = 0;
            self.feed();
        }
        let row = &mut self.cells[self.row];
        if row.len() <= self.column {
            row.resize(self.column + 1, ' ');
        }
        row[self.column] = character;
        self.column += 1;
        self.widest = self.widest.max(self.column);
    }

    fn feed(&mut self) {
        self.row += 1;
        if self.row == self.cells.len() {
            self.cells.remove(0);
            self.cells.push(Vec::new());
            self.row -= 1;
            self.scrolled += 1;
        }
    }

    /// Control sequences of ECMA-48.
    fn escape(&mut self, characters: &mut std::str::Chars<'_>) {
        let mut parameter = String::new();
        let last = characters.by_ref().skip_while(|it| *it == '[').find(|it| {
            parameter.push(*it);
            it.is_ascii_alphabetic()
        });
        parameter.pop();
        let count = parameter.parse().unwrap_or(1);
        let (row, column) = (self.row, self.column);
        match (last, parameter.as_str()) {
            (Some('H'), "") => {
                self.homes += 1;
                (self.row, self.column) = (0, 0);
            }
            (Some('A'), _) => self.row = row.saturating_sub(count),
            (Some('B'), _) => self.row = (row + count).min(self.cells.len() - 1),
            // Behind the last column the cursor is still on it.
            (Some('K'), "" | "0") => self.cells[row].truncate(column.min(self.columns - 1)),
            (Some('K'), "2") => self.cells[row].clear(),
            (Some('J'), "" | "0") => {
                self.cells[row].truncate(column);
                self.cells[row + 1..].fill(Vec::new());
            }
            // Colours.
            (Some('m') | None, _) => {}
            (Some(other), _) => panic!("unknown: {parameter}{other}"),
        }
    }
}
