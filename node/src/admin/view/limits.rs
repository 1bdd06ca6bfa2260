//! Limits as the API shows them.

use holdline_limit::{CapView, ClassView, EachView};
use holdline_model::limit::LimitConfig;
use serde::{Deserialize, Serialize};

use super::time;
use crate::admin::seam::LimitFacts;

/// All limits: the configuration, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsView {
    /// The version of the configuration; 0 before the first.
    pub version: u64,
    /// When it was set; `null` before the first.
    pub set_at: Option<String>,
    /// The classes, parents before children.
    pub classes: Vec<LimitClassView>,
    /// The sets of buckets made on demand.
    pub each: Vec<LimitEachView>,
    /// The caps on calls that are up.
    pub caps: Vec<LimitCapView>,
    /// Calls that are up.
    pub calls_up: u64,
    /// The configuration, as it is to be given to `PUT /v1/limits`.
    pub config: LimitConfig,
}

/// A class. Rates and tokens are texts, such as `25/s` and `12.5`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitClassView {
    /// Its name.
    pub name: String,
    /// Its parent, if it has one.
    pub parent: Option<String>,
    /// Its assured rate.
    pub assured: String,
    /// What it and its children can save up.
    pub burst: String,
    /// Its ceiling, if it has one above its assured rate.
    pub ceiling: Option<String>,
    /// What is in its own bucket.
    pub tokens: String,
    /// What its own bucket holds.
    pub size: String,
    /// What nodes have leased of it.
    pub leased: String,
    /// Whether it has asked to borrow in the last second.
    pub borrows: bool,
    /// Requests admitted, marked ones included.
    pub admitted: u64,
    /// Requests admitted although there were no tokens.
    pub marked: u64,
    /// Requests refused.
    pub refused: u64,
}

/// A set of buckets made on demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitEachView {
    /// Its name.
    pub name: String,
    /// What each value of has a bucket.
    pub by: String,
    /// How fast each fills.
    pub rate: String,
    /// What each holds.
    pub size: String,
    /// Buckets that are not full.
    pub count: u64,
    /// The emptiest of them.
    pub emptiest: Vec<LimitValueView>,
}

/// A value and its bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitValueView {
    /// The value.
    pub value: String,
    /// What is in its bucket.
    pub tokens: String,
}

/// A cap on calls that are up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCapView {
    /// Its name.
    pub name: String,
    /// What it counts by; `null` if all together.
    pub by: Option<String>,
    /// How many may be up.
    pub calls: u32,
    /// The fullest values.
    pub fullest: Vec<LimitCountView>,
}

/// The caps by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsView {
    /// The version of the limits that they are part of.
    pub version: u64,
    /// Calls that are up.
    pub calls_up: u64,
    /// The caps.
    pub items: Vec<LimitCapView>,
}

/// A value and its calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCountView {
    /// The value; empty if all are counted together.
    pub value: String,
    /// Calls that are up.
    pub calls: u32,
}

impl From<&LimitFacts> for LimitsView {
    fn from(facts: &LimitFacts) -> Self {
        let settings = &facts.settings;
        Self {
            version: settings.version,
            set_at: (settings.version > 0).then(|| time::format(settings.set_at)),
            classes: facts.view.classes.iter().map(Into::into).collect(),
            each: facts.view.each.iter().map(Into::into).collect(),
            caps: facts.view.caps.iter().map(Into::into).collect(),
            calls_up: facts.view.calls_up,
            config: settings.config.clone(),
        }
    }
}

impl From<&LimitFacts> for CapsView {
    fn from(facts: &LimitFacts) -> Self {
        Self {
            version: facts.settings.version,
            calls_up: facts.view.calls_up,
            items: facts.view.caps.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ClassView> for LimitClassView {
    fn from(class: &ClassView) -> Self {
        Self {
            name: class.name.to_string(),
            parent: class.parent.as_ref().map(ToString::to_string),
            assured: class.assured.to_string(),
            burst: class.burst.to_string(),
            ceiling: class.ceiling.map(|ceiling| ceiling.to_string()),
            tokens: class.tokens.to_string(),
            size: class.size.to_string(),
            leased: class.leased.to_string(),
            borrows: class.borrows,
            admitted: class.admitted,
            marked: class.marked,
            refused: class.refused,
        }
    }
}

impl From<&EachView> for LimitEachView {
    fn from(each: &EachView) -> Self {
        let value = |(value, tokens): &(String, holdline_model::limit::Tokens)| LimitValueView {
            value: value.clone(),
            tokens: tokens.to_string(),
        };
        Self {
            name: each.name.to_string(),
            by: each.by.as_str().to_owned(),
            rate: each.rate.to_string(),
            size: each.size.to_string(),
            count: each.count,
            emptiest: each.emptiest.iter().map(value).collect(),
        }
    }
}

impl From<&CapView> for LimitCapView {
    fn from(cap: &CapView) -> Self {
        let count =
            |(value, calls): &(String, u32)| LimitCountView { value: value.clone(), calls: *calls };
        Self {
            name: cap.name.to_string(),
            by: cap.by.map(|by| by.as_str().to_owned()),
            calls: cap.calls,
            fullest: cap.fullest.iter().map(count).collect(),
        }
    }
}
