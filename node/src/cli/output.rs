//! Where results are written: the one place that writes to standard output.

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Standard output and standard error, or a buffer in tests.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    terminal: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Output {
    /// The process's own.
    #[must_use]
    pub fn standard() -> Self {
        let terminal = io::stdout().is_terminal();
        Self { out: Box::new(io::stdout()), err: Box::new(io::stderr()), terminal }
    }

    /// Writes to `out`, and errors to `err`, without colours.
    #[must_use]
    pub fn plain(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out, err, terminal: false }
    }

    /// One line of the result.
    ///
    /// # Errors
    /// It cannot be written. A reader that has closed the pipe is not an error.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        pipe(writeln!(self.out, "{line}").and_then(|()| self.out.flush()))
    }

    /// Bytes of the result as they are, without flushing; false if the reader has closed the pipe.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<bool> {
        open(self.out.write_all(bytes))
    }

    /// Hands on what [`Output::bytes`] wrote; false if the reader has closed the pipe.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> io::Result<bool> {
        open(self.out.flush())
    }

    /// Rows under a header; `right` names the columns of numbers.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn table(
        &mut self,
        header: &[&str],
        right: &[usize],
        rows: Vec<Vec<String>>,
    ) -> io::Result<()> {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            // The last column's padding is cut off again.
            .set_width(WIDTH + PADDING)
            .set_header(header)
            .add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, PADDING));
            if right.contains(&column.index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let text = table.to_string();
        for line in text.lines() {
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// A word in the colour of a traffic light; without a terminal, the word.
    #[must_use]
    pub fn light(&self, word: &str) -> String {
        let colour = match word {
            "green" => 32,
            "yellow" => 33,
            _ => 31,
        };
        if self.terminal { format!("\u{1b}[1;{colour}m{word}\u{1b}[0m") } else { word.to_owned() }
    }

    /// A remark on standard error, beside a result that is elsewhere.
    pub fn note(&mut self, text: &str) {
        let _unwritable = writeln!(self.err, "{text}");
    }

    /// A message on standard error. If that cannot be written, nobody is there to be told.
    pub fn error(&mut self, text: &str) {
        let _unwritable = writeln!(self.err, "holdline: {text}");
    }
}

fn open(written: io::Result<()>) -> io::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// `holdline call list | head` closes the pipe early, and that is all right.
fn pipe(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Columns of the terminals that operators have at 3 a.m.
const WIDTH: u16 = 80;

/// Between columns.
const PADDING: u16 = 2;
