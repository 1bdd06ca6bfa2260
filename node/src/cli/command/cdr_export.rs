//! `holdline cdr export`: all call detail records as lines on standard output.
//!
//! It asks for lots of bounded size and goes on after the last line that it has written, at the next
//! node if one breaks off: so a node may be killed meanwhile, and every record is still written once.

use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use crate::cli::CliError;
use crate::cli::args::{CdrExportArgs, ExportFormat, Target};
use crate::cli::client::{Client, ClientError, Streamed};
use crate::cli::output::Output;

pub(in crate::cli) fn run(
    target: &Target,
    args: &CdrExportArgs,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let client = Client::new(target);
    let after = match &args.sink {
        Some(sink) => super::cdr_keeping::cursor(&client, sink)?,
        None => args.after.clone(),
    };
    let mut export = Export { args, after, failures: 0 };
    loop {
        let written = export.lot(&client, output)?;
        match written {
            Lot::Some => {}
            Lot::None if args.follow => pause(FOLLOW),
            Lot::None | Lot::ReaderGone => return Ok(ExitCode::SUCCESS),
        }
    }
}

struct Export<'a> {
    args: &'a CdrExportArgs,
    /// The last record that was written.
    after: Option<String>,
    /// Lots that broke off before their first record, one after the other.
    failures: u32,
}

/// What came of a lot.
enum Lot {
    Some,
    /// There is nothing more, for now.
    None,
    ReaderGone,
}

impl Export<'_> {
    fn lot(&mut self, client: &Client, output: &mut Output) -> Result<Lot, CliError> {
        let lot = [
            ("format", Some(self.args.format.word().to_owned())),
            ("after", self.after.clone()),
            ("limit", Some(LOT.to_string())),
        ];
        let query = [lot.as_slice(), &self.args.filter.query()].concat();
        // Another node next time if this one breaks off.
        let mut stream = client.stream("/v1/cdrs/export", &query, self.failures)?;
        let mut records = 0_u64;
        let whole = loop {
            let mut line = Vec::new();
            match stream.read_until(b'\n', &mut line) {
                Ok(0) => break true,
                // Half a line is none: it comes again.
                Ok(_) if line.last() != Some(&b'\n') => break false,
                Ok(_) => {}
                Err(_) => break false,
            }
            if !output.bytes(&line)? {
                return Ok(Lot::ReaderGone);
            }
            if let Some(id) = self.id(&line, &stream)? {
                self.after = Some(id);
                records += 1;
            }
        };
        if !output.flush()? {
            return Ok(Lot::ReaderGone);
        }
        // Only what the reader's pipe or file has: a line that comes twice is known by its id.
        if let (Some(sink), Some(after), true) = (&self.args.sink, &self.after, records > 0) {
            super::cdr_keeping::commit(client, sink, after)?;
        }
        match (records, whole) {
            (0, true) => Ok(Lot::None),
            (0, false) if self.failures >= FAILURES => Err(stream.broke_off().into()),
            (0, false) => {
                self.failures += 1;
                pause(RETRY);
                Ok(Lot::Some)
            }
            (_, whole) => {
                self.failures = u32::from(!whole);
                Ok(Lot::Some)
            }
        }
    }

    /// The record's id; none for the header.
    fn id(&self, line: &[u8], stream: &Streamed) -> Result<Option<String>, ClientError> {
        #[derive(Deserialize)]
        struct Record {
            id: String,
        }
        let foreign = |detail: &str| stream.foreign(detail);
        let id = match self.args.format {
            ExportFormat::Jsonl => {
                let record = serde_json::from_slice::<Record>(line);
                record.map_err(|error| foreign(&error.to_string()))?.id
            }
            ExportFormat::Csv => {
                let text = str::from_utf8(line).map_err(|error| foreign(&error.to_string()))?;
                let (id, _) = text.split_once(',').ok_or_else(|| foreign("no comma in a line"))?;
                id.to_owned()
            }
        };
        Ok((id != "id").then_some(id))
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line has a thread for itself")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Records asked for at a time.
const LOT: u64 = 20_000;

/// How often a follower looks for new records.
const FOLLOW: Duration = Duration::from_secs(1);

/// After a lot that broke off at once.
const RETRY: Duration = Duration::from_millis(500);

/// So many of those are borne.
const FAILURES: u32 = 10;
