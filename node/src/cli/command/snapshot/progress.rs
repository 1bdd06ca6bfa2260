//! How far a long command has come, on a terminal's standard error.

use std::io::{IsTerminal, Write};

use crate::cli::output::Output;

/// A bar. Without a terminal it shows nothing.
pub(super) struct Progress {
    /// What is expected, about; 0 if that is not known.
    about: u64,
    shown_mebibytes: Option<u64>,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new(about: u64) -> Self {
        Self { about, shown_mebibytes: None, is_shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&mut self, bytes: u64) {
        let mebibytes = bytes >> 20;
        if !self.is_shown || self.shown_mebibytes == Some(mebibytes) {
            return;
        }
        self.shown_mebibytes = Some(mebibytes);
        // Nobody is there to be told that it cannot be shown.
        let _ = write!(std::io::stderr(), "\r{}", line(bytes, self.about));
    }

    pub(super) fn end(&self, _output: &mut Output) {
        if self.shown_mebibytes.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn line(bytes: u64, about: u64) -> String {
    let mebibytes = bytes >> 20;
    let Some(percent) = bytes.saturating_mul(100).checked_div(about) else {
        return format!("{mebibytes} MiB");
    };
    // What is expected is a guess: it is never done before it is.
    let percent = percent.min(99);
    let full = usize::try_from(percent / 4).unwrap_or(0);
    format!("[{}{}] {percent:>2} %, {mebibytes} MiB", "#".repeat(full), ".".repeat(25 - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_never_says_that_it_is_done() {
        assert_eq!(line(0, 100), "[.........................]  0 %, 0 MiB");
        assert_eq!(line(5 << 20, 10 << 20), "[############.............] 50 %, 5 MiB");
        assert_eq!(line(30 << 20, 10 << 20), "[########################.] 99 %, 30 MiB");
        assert_eq!(line(3 << 20, 0), "3 MiB");
    }
}
