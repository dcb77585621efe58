//! What whoever waits for long work is told: one line on standard error, only if that is a terminal, and
//! gone when the work is over.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Between two times that the line is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// How far long work is. However the work ends, its line is gone when this is.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of work whose steps [`Self::steps`] will tell: a bar, and how long it will take.
    pub(super) fn bar(what: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        Self::begin(bar, "{msg} {wide_bar} {pos}/{len} {eta}", what)
    }

    /// Of work whose end nobody knows: what is worked on, how many rows were, and for how long.
    pub(super) fn rows(what: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        Self::begin(bar, "{msg}: {human_pos} rows in {elapsed}", what)
    }

    /// Of a file that is written: its bytes so far, and for how long.
    pub(super) fn bytes() -> Self {
        Self::begin(ProgressBar::no_length(), "{bytes} in {elapsed}", "")
    }

    /// Of work that is not counted: what is worked on, and for how long.
    pub(super) fn time(what: &'static str) -> Self {
        Self::begin(ProgressBar::no_length(), "{msg}, {elapsed}", what)
    }

    fn begin(bar: ProgressBar, template: &str, what: &'static str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// What is worked on now.
    pub(super) fn at(&self, what: impl Into<Cow<'static, str>>) {
        let what = what.into();
        // Whatever is set is drawn: not for every page of a table.
        if self.0.message() != what {
            self.0.set_message(what);
        }
    }

    /// So many steps there are.
    pub(super) fn steps(&self, all: u64) {
        if self.0.length() != Some(all) {
            self.0.set_length(all);
        }
    }

    /// So many of them, or rows, are done.
    pub(super) fn done(&self, so_far: u64) {
        self.0.set_position(so_far);
    }

    /// So many more are.
    pub(super) fn more(&self, steps: u64) {
        self.0.inc(steps);
    }

    /// The work is done. How far it came is drawn once more, for short work the only time.
    pub(super) fn end(self) {
        self.0.force_draw();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
