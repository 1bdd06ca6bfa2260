//! Requests at given rates: `tenant=acme rate=100/s for=60s, tenant=trial rate=5/s from=10s for=50s`, or the
//! same as a TOML file with a `[[flow]]` each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};

use holdline_model::Name;
use holdline_model::limit::{Operation, Rate};
use serde::Deserialize;

use super::Offer;

/// Several flows of requests at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    flows: Vec<Flow>,
}

/// Requests that come evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flow {
    like: Offer,
    /// Over how many addresses they are spread, from the first on.
    sources: u32,
    /// Billionths per millisecond.
    rate: u64,
    for_ms: u64,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("flow {flow}: {why}")]
    Flow {
        /// From 1.
        flow: usize,
        why: String,
    },
    #[error("it has no flow: write, for example, 'tenant=acme rate=100/s for=60s'")]
    Empty,
    #[error("it has {count} requests; at most {max} can be simulated: lower rate or for")]
    TooMany { count: u128, max: u128 },
    #[error("{0}")]
    Toml(String),
}

/// A flow as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rate: Rate,
    #[serde(rename = "for")]
    lasts: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    hold: Option<String>,
    #[serde(default)]
    operation: Option<Operation>,
    #[serde(default)]
    pop: Name,
    #[serde(default)]
    tenant: Name,
    #[serde(default)]
    trunk: Name,
    #[serde(default)]
    trunk_out: Option<Name>,
    #[serde(default)]
    source: Option<IpAddr>,
    #[serde(default)]
    sources: Option<u32>,
    #[serde(default)]
    caller: Name,
    #[serde(default)]
    called: Name,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    flow: Vec<toml::Table>,
}

impl Pattern {
    /// Reads flows from one line, separated by commas.
    pub(crate) fn from_line(line: &str) -> Result<Self, PatternError> {
        let flows = line.split(',').map(str::trim).filter(|flow| !flow.is_empty());
        let tables = flows.enumerate().map(|(at, flow)| {
            let pair = |item: &str| {
                let (key, value) = item.split_once('=').ok_or_else(|| PatternError::Flow {
                    flow: at + 1,
                    why: format!("\"{item}\" is no key=value"),
                })?;
                let number = value.parse().ok().filter(|_| key == "sources");
                let value = number.map_or_else(|| value.into(), toml::Value::Integer);
                Ok((key.to_owned(), value))
            };
            flow.split_whitespace().map(pair).collect::<Result<toml::Table, _>>()
        });
        Self::new(tables.collect::<Result<_, _>>()?)
    }

    /// Reads a TOML file's text.
    pub(crate) fn from_toml(text: &str) -> Result<Self, PatternError> {
        let file: File =
            toml::from_str(text).map_err(|error| PatternError::Toml(error.to_string()))?;
        Self::new(file.flow)
    }

    fn new(tables: Vec<toml::Table>) -> Result<Self, PatternError> {
        let flows: Vec<Flow> = tables
            .into_iter()
            .enumerate()
            .map(|(at, table)| read(table).map_err(|why| PatternError::Flow { flow: at + 1, why }))
            .collect::<Result<_, _>>()?;
        if flows.is_empty() {
            return Err(PatternError::Empty);
        }
        let count = flows.iter().map(Flow::count).sum();
        if count > MAX_REQUESTS {
            return Err(PatternError::TooMany { count, max: MAX_REQUESTS });
        }
        Ok(Self { flows })
    }

    /// Until the last flow has ended, in milliseconds.
    pub(crate) fn span_ms(&self) -> u64 {
        self.flows.iter().map(|flow| flow.like.at_ms + flow.for_ms).max().unwrap_or(0)
    }

    /// All requests, in the order of time; at the same time in the order of the flows.
    pub(crate) fn offers(&self) -> impl Iterator<Item = Offer> + '_ {
        let mut next: BinaryHeap<Reverse<(u64, usize, u64)>> = (0..self.flows.len())
            .filter_map(|flow| Some(Reverse((self.flows.get(flow)?.at_ms(0)?, flow, 0))))
            .collect();
        std::iter::from_fn(move || {
            let Reverse((at_ms, flow, number)) = next.pop()?;
            let one = self.flows.get(flow)?;
            if let Some(later) = one.at_ms(number + 1) {
                next.push(Reverse((later, flow, number + 1)));
            }
            let source = nth(one.like.source, number % u64::from(one.sources));
            Some(Offer { at_ms, source, ..one.like.clone() })
        })
    }
}

impl Flow {
    fn count(&self) -> u128 {
        u128::from(self.rate) * u128::from(self.for_ms) / BILLION
    }

    /// When its request with this number, from 0, comes.
    fn at_ms(&self, number: u64) -> Option<u64> {
        let after = u128::from(number) * BILLION / u128::from(self.rate);
        let after = u64::try_from(after).ok().filter(|after| *after < self.for_ms)?;
        Some(self.like.at_ms + after)
    }
}

fn read(table: toml::Table) -> Result<Flow, String> {
    let written: Written =
        table.try_into().map_err(|error: toml::de::Error| error.message().replace('\n', " "))?;
    let Rate::Absolute(rate) = written.rate else {
        return Err(format!("the rate {} is a share; write requests per second", written.rate));
    };
    let span = |key: &str, text: Option<&str>| match text {
        None => Ok(0),
        Some(text) => span_ms(text)
            .ok_or_else(|| format!("{key} is \"{text}\": write a time such as 90s, 5min or 250ms")),
    };
    let for_ms = span("for", Some(&written.lasts))?;
    if rate == 0 || for_ms == 0 {
        return Err("its rate or its for is 0: it has no request".to_owned());
    }
    let sources = written.sources.unwrap_or(1);
    if sources == 0 {
        return Err("sources is 0: write at least 1".to_owned());
    }
    let like = Offer {
        at_ms: span("from", written.from.as_deref())?,
        operation: written.operation.unwrap_or(Operation::Invite),
        pop: written.pop,
        tenant: written.tenant,
        trunk: written.trunk,
        trunk_out: written.trunk_out,
        source: written.source.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        caller: written.caller,
        called: written.called,
        hold_ms: span("hold", written.hold.as_deref())?,
    };
    Ok(Flow { like, sources, rate, for_ms })
}

/// A time such as `90s`; at most a year.
fn span_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).filter(|ms| *ms <= YEAR_MS)
}

/// The address that follows `first` after so many.
fn nth(first: IpAddr, number: u64) -> IpAddr {
    match first {
        IpAddr::V4(first) => {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            IpAddr::V4(u32::from(first).wrapping_add(number).into())
        }
        IpAddr::V6(first) => IpAddr::V6(u128::from(first).wrapping_add(number.into()).into()),
    }
}

const BILLION: u128 = 1_000_000_000;

const YEAR_MS: u64 = 366 * 24 * 3_600_000;

/// Requests of a simulation at most: some minutes of work.
const MAX_REQUESTS: u128 = 50_000_000;
