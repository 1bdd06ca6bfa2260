//! The limits as people look at them.

use holdline_model::Name;
use holdline_model::limit::{Dimension, Rate, Tokens};

use crate::each::Buckets;
use crate::table::LimitTable;

/// All limits and how they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitView {
    /// The version of the configuration; 0 if none was ever set.
    pub version: u64,
    /// The classes, parents before children.
    pub classes: Vec<ClassView>,
    /// The sets of buckets.
    pub each: Vec<EachView>,
    /// The caps.
    pub caps: Vec<CapView>,
    /// Calls that are up.
    pub calls_up: u64,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassView {
    /// Its name.
    pub name: Name,
    /// Its parent.
    pub parent: Option<Name>,
    /// Its assured rate.
    pub assured: Rate,
    /// What it and its children can save up.
    pub burst: Tokens,
    /// Its ceiling.
    pub ceiling: Option<Rate>,
    /// What is in its own bucket.
    pub tokens: Tokens,
    /// What its own bucket holds.
    pub size: Tokens,
    /// What is left of its ceiling.
    pub ceiling_tokens: Option<Tokens>,
    /// What nodes have leased of its bucket.
    pub leased: Tokens,
    /// Whether it has asked to borrow in the last second.
    pub borrows: bool,
    /// Requests admitted, marked ones included.
    pub admitted: u64,
    /// Requests admitted although there were no tokens.
    pub marked: u64,
    /// Requests refused.
    pub refused: u64,
}

/// A set of buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EachView {
    /// Its name.
    pub name: Name,
    /// What each value of has a bucket.
    pub by: Dimension,
    /// How fast each fills.
    pub rate: Rate,
    /// What each holds.
    pub size: Tokens,
    /// The emptiest buckets, by value: what is in them. At most [`EachView::SHOWN`].
    pub emptiest: Vec<(String, Tokens)>,
    /// How many are not full.
    pub count: u64,
}

/// A cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapView {
    /// Its name.
    pub name: Name,
    /// What it counts by.
    pub by: Option<Dimension>,
    /// How many calls may be up.
    pub calls: u32,
    /// The fullest values, and how many calls are up. At most [`EachView::SHOWN`].
    pub fullest: Vec<(String, u32)>,
}

impl EachView {
    /// Values shown at most.
    pub const SHOWN: usize = 20;
    /// Buckets looked at for that at most.
    const LOOKED_AT: usize = 100_000;
}

impl LimitTable {
    /// The limits as they stand.
    #[must_use]
    pub fn view(&self) -> LimitView {
        let (plan, now_ms) = (self.plan(), self.now_ms());
        let name_of = |at: usize| plan.classes.get(at).map(|class| class.name.clone());
        let classes = plan.classes.iter().enumerate().map(|(at, class)| {
            let level = self.levels().level(at);
            let left = |size: u64| Tokens(size.saturating_sub(level.ceiling_missing));
            ClassView {
                name: class.name.clone(),
                parent: class.parent.and_then(name_of),
                assured: Rate::Absolute(class.assured),
                burst: Tokens(class.burst),
                ceiling: class.ceiling.map(|shape| Rate::Absolute(shape.rate)),
                tokens: Tokens(self.levels().in_bucket(at, class)),
                size: Tokens(class.size),
                ceiling_tokens: class.ceiling.map(|shape| left(shape.size)),
                leased: Tokens(level.leased),
                borrows: level.borrows_until_ms > 0 && level.borrows_until_ms >= now_ms,
                admitted: level.admitted,
                marked: level.marked,
                refused: level.refused,
            }
        });
        LimitView {
            version: self.settings().version,
            classes: classes.collect(),
            each: plan.each.iter().map(|each| each_view(each, self.buckets(), now_ms)).collect(),
            caps: self.cap_views(),
            calls_up: self.calls().len() as u64,
        }
    }

    fn cap_views(&self) -> Vec<CapView> {
        let caps = self.plan().caps.iter().enumerate();
        let view = caps.map(|(at, cap)| {
            let mut fullest: Vec<(String, u32)> =
                self.calls().counted(at).map(|(value, count)| (value.to_owned(), count)).collect();
            fullest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            fullest.truncate(EachView::SHOWN);
            CapView { name: cap.name.clone(), by: cap.by, calls: cap.calls, fullest }
        });
        view.collect()
    }
}

fn each_view(each: &crate::plan::Each, buckets: &Buckets, now_ms: u64) -> EachView {
    let mut count = 0;
    let mut emptiest: Vec<(String, Tokens)> = Vec::new();
    for (value, bucket) in buckets.of_set(&each.name).take(EachView::LOOKED_AT) {
        let mut bucket = *bucket;
        bucket.fill(now_ms, each.shape);
        if !bucket.is_full() {
            count += 1;
            emptiest.push((value.to_owned(), Tokens(bucket.level(each.shape))));
        }
    }
    emptiest.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    emptiest.truncate(EachView::SHOWN);
    let (rate, size) = (Rate::Absolute(each.shape.rate), Tokens(each.shape.size));
    EachView { name: each.name.clone(), by: each.by, rate, size, emptiest, count }
}
