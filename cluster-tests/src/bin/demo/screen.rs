//! What the demo prints: with a terminal one line that is updated, without one plain lines.

use std::io::{self, IsTerminal, Write};

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal() }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        self.write(&format!("{}{text}\n", self.erase()));
    }

    /// What is being done now: replaced by the next step on a terminal, a line of its own without.
    pub(crate) fn step(&self, text: &str) {
        if self.terminal {
            self.write(&format!("{}{text} …", self.erase()));
        } else {
            self.write(&format!("{text}\n"));
        }
    }

    /// Ends the line of steps.
    pub(crate) fn clear(&self) {
        self.write(self.erase());
    }

    const fn erase(&self) -> &'static str {
        if self.terminal { "\r\x1b[K" } else { "" }
    }

    fn write(&self, text: &str) {
        let mut out = io::stdout().lock();
        // A reader that went away (such as `head`) is no reason to stop killing nodes.
        let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
