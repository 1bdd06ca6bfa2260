//! Calls as call detail records tell of them: the files that `holdline cdr export` writes, CSV or a JSON
//! object a line. They know only calls that were admitted then; where those came from, and at which
//! site, no record says.

use std::collections::HashSet;
use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr};

use holdline_call::Routing;
use holdline_model::Name;
use holdline_model::limit::Operation;
use serde::Deserialize;

use super::Offer;
use crate::admin::view::{CSV_HEADER, time};

/// The calls of a file, in the order in which they began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    /// When the first began, in milliseconds since 1970.
    pub(crate) began_ms: u64,
    /// Until the last began, in milliseconds.
    pub(crate) span_ms: u64,
    pub(crate) offers: Vec<Offer>,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CdrsError {
    #[error("line {line}: {why}")]
    Line {
        /// From 1.
        line: usize,
        why: String,
    },
    #[error("it has no call detail record: write one with holdline cdr export")]
    Empty,
    #[error("it has more than {max} records: give a part of it (holdline cdr export --from --to)")]
    TooMany { max: usize },
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// What is needed of a record.
#[derive(Debug, Deserialize)]
struct Row {
    tenant: String,
    trunk_in: String,
    trunk_out: Option<String>,
    from: String,
    to: String,
    started_at: String,
    ended_at: String,
}

/// Reads a file.
pub(crate) fn read(lines: impl BufRead) -> Result<Calls, CdrsError> {
    let mut names = Names::default();
    let mut columns: Option<Columns> = None;
    let mut offers = Vec::new();
    for (at, line) in lines.lines().enumerate() {
        let fault = |why| CdrsError::Line { line: at + 1, why };
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let row = if line.starts_with('{') {
            serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?
        } else {
            let cells = cells(&line).ok_or_else(|| fault("a quote is not closed".to_owned()))?;
            if cells.first().is_some_and(|first| first == "id") {
                columns = Some(Columns::new(&cells).map_err(fault)?);
                continue;
            }
            let columns = columns.get_or_insert_with(Columns::usual);
            columns.row(&cells).map_err(fault)?
        };
        if offers.len() >= MAX_RECORDS {
            return Err(CdrsError::TooMany { max: MAX_RECORDS });
        }
        offers.push(offer(&row, &mut names).map_err(fault)?);
    }
    offers.sort_by_key(|offer: &Offer| offer.at_ms);
    let (Some(first), Some(last)) = (offers.first(), offers.last()) else {
        return Err(CdrsError::Empty);
    };
    let (began_ms, ended_ms) = (first.at_ms, last.at_ms);
    for offer in &mut offers {
        offer.at_ms -= began_ms;
    }
    Ok(Calls { began_ms, span_ms: ended_ms - began_ms + 1, offers })
}

fn offer(row: &Row, names: &mut Names) -> Result<Offer, String> {
    let at = |key: &str, text: &str| {
        let at = time::parse(text).map(|at| at.0);
        at.ok_or_else(|| format!("{key} is \"{text}\", which is no time (RFC 3339)"))
    };
    let at_ms = at("started_at", &row.started_at)?;
    Ok(Offer {
        at_ms,
        operation: Operation::Invite,
        pop: Name::default(),
        tenant: names.of(&row.tenant),
        trunk: names.of(&row.trunk_in),
        trunk_out: row.trunk_out.as_deref().filter(|name| !name.is_empty()).map(|n| names.of(n)),
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        caller: Routing::number(&row.from).into(),
        called: Routing::number(&row.to).into(),
        hold_ms: at("ended_at", &row.ended_at)?.saturating_sub(at_ms),
    })
}

/// Names, each once.
#[derive(Default)]
struct Names(HashSet<Name>);

impl Names {
    fn of(&mut self, text: &str) -> Name {
        let name = Name::from(text);
        if let Some(known) = self.0.get(&name) {
            return known.clone();
        }
        self.0.insert(name.clone());
        name
    }
}

/// Where the columns are.
struct Columns(Vec<String>);

impl Columns {
    fn usual() -> Self {
        Self(CSV_HEADER.trim_end().split(',').map(str::to_owned).collect())
    }

    fn new(header: &[String]) -> Result<Self, String> {
        let columns = Self(header.to_vec());
        for needed in ["tenant", "trunk_in", "trunk_out", "from", "to", "started_at", "ended_at"] {
            if !columns.0.iter().any(|column| column == needed) {
                return Err(format!("the column {needed} is missing"));
            }
        }
        Ok(columns)
    }

    fn row(&self, cells: &[String]) -> Result<Row, String> {
        if cells.len() != self.0.len() {
            return Err(format!("{} columns, expected {}", cells.len(), self.0.len()));
        }
        let cell = |name: &str| {
            let at = self.0.iter().position(|column| column == name);
            let text = at.and_then(|at| cells.get(at)).map(String::as_str).unwrap_or_default();
            // What would run in a spreadsheet was tamed.
            let tamed = text.strip_prefix('\'').filter(|rest| rest.starts_with(TAMED));
            tamed.unwrap_or(text).to_owned()
        };
        Ok(Row {
            tenant: cell("tenant"),
            trunk_in: cell("trunk_in"),
            trunk_out: Some(cell("trunk_out")),
            from: cell("from"),
            to: cell("to"),
            started_at: cell("started_at"),
            ended_at: cell("ended_at"),
        })
    }
}

/// The cells of a line of CSV (RFC 4180); `None` if a quote is not closed.
fn cells(line: &str) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line.trim_end_matches('\r');
    loop {
        let mut cell = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (part, after) = quoted.split_once('"')?;
                cell.push_str(part);
                match after.strip_prefix('"') {
                    Some(more) => {
                        cell.push('"');
                        quoted = more;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
        }
        let end = rest.find(',').unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        cell.push_str(part);
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Some(cells),
        }
    }
}

const TAMED: [char; 5] = ['=', '+', '-', '@', '\t'];

/// Records of a simulation at most: about 1.5 GiB.
const MAX_RECORDS: usize = 5_000_000;
