//! `[[route]]`: which trunks, or which trunk group, serve the numbers that begin with a prefix.

use holdline_call::TrunkGroup;
use holdline_model::{Name, limits};
use serde::Deserialize;
use toml::Spanned;

use super::TrunkConfig;
use super::error::{Fault, nearest};
use super::locate::Checker;

/// Numbers with this prefix go to these trunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// What the dialled number begins with; empty for every number. The longest prefix wins.
    pub prefix: String,
    /// Names of trunks, in the order of trying; empty if there is a group.
    pub trunks: Vec<Name>,
    /// The trunk group instead.
    pub group: Option<Name>,
    /// How many leading characters of the number are removed before it is sent on.
    pub strip: usize,
    /// Its calls pass through open breakers.
    pub emergency: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    prefix: Spanned<String>,
    trunks: Option<Spanned<Vec<Spanned<String>>>>,
    group: Option<Spanned<String>>,
    strip: Option<Spanned<u64>>,
    #[serde(default)]
    emergency: bool,
}

pub(super) fn build_all(
    check: &mut Checker<'_>,
    raw: Vec<Spanned<RawRoute>>,
    trunks: &[TrunkConfig],
    groups: &[TrunkGroup],
) -> Vec<RouteConfig> {
    let mut routes: Vec<RouteConfig> = Vec::with_capacity(raw.len());
    for raw in raw {
        let raw = raw.into_inner();
        if routes.iter().any(|other| other.prefix == *raw.prefix.get_ref()) {
            let fault = Fault::Duplicate { value: raw.prefix.get_ref().clone() };
            check.fault("route.prefix", raw.prefix.span(), fault);
        }
        routes.push(raw.build(check, trunks, groups));
    }
    routes
}

impl RawRoute {
    fn build(
        self,
        check: &mut Checker<'_>,
        known: &[TrunkConfig],
        groups: &[TrunkGroup],
    ) -> RouteConfig {
        if !is_prefix(self.prefix.get_ref()) {
            let fault = Fault::NotAPrefix { found: self.prefix.get_ref().clone() };
            check.fault("route.prefix", self.prefix.span(), fault);
        }
        match (&self.trunks, &self.group) {
            (Some(_), Some(group)) => {
                let fault = Fault::Exclusive { first: "trunks", second: "group" };
                check.fault("route.group", group.span(), fault);
            }
            (None, None) => {
                let fault = Fault::NeedsOneOf { first: "trunks", second: "group" };
                check.fault("route.trunks", self.prefix.span(), fault);
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let trunks = self.trunks.map_or_else(Vec::new, |raw| trunk_names(check, raw, known));
        let group = self.group.map(|name| {
            if !groups.iter().any(|group| group.name.as_str() == name.get_ref()) {
                let found = name.get_ref().clone();
                let nearest = nearest(&found, groups.iter().map(|group| group.name.as_str()));
                check.fault("route.group", name.span(), Fault::UnknownGroup { found, nearest });
            }
            Name::from(name.into_inner())
        });
        let strip = self.strip.map_or(0, |raw| check.range("route.strip", &raw, 0..MAX_STRIP + 1));
        let strip = usize::try_from(strip).unwrap_or_default();
        let (prefix, emergency) = (self.prefix.into_inner(), self.emergency);
        RouteConfig { prefix, trunks, group, strip, emergency }
    }
}

fn trunk_names(
    check: &mut Checker<'_>,
    raw: Spanned<Vec<Spanned<String>>>,
    known: &[TrunkConfig],
) -> Vec<Name> {
    let count = u64::try_from(raw.get_ref().len()).unwrap_or(u64::MAX);
    let max = u64::try_from(limits::MAX_TARGETS).unwrap_or(u64::MAX);
    check.range("route.trunks", &Spanned::new(raw.span(), count), 1..max + 1);
    let mut trunks = Vec::new();
    for name in raw.into_inner() {
        if !known.iter().any(|trunk| trunk.name.as_str() == name.get_ref()) {
            let found = name.get_ref().clone();
            let nearest = nearest(&found, known.iter().map(|trunk| trunk.name.as_str()));
            check.fault("route.trunks", name.span(), Fault::UnknownTrunk { found, nearest });
        }
        trunks.push(Name::from(name.into_inner()));
    }
    trunks
}

/// An optional plus sign, then what can be dialled. Visual separators are removed from dialled
/// numbers, so that a prefix with one could never match.
fn is_prefix(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    text.len() <= PREFIX_BYTES
        && digits.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | '#' | '_'))
}

const PREFIX_BYTES: usize = 64;
const MAX_STRIP: u64 = 64;
