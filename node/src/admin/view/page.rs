//! A page of a list.

use serde::{Deserialize, Serialize};

/// A page, and what to ask for as `cursor` to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageView<T> {
    /// The page. It may be shorter than asked for, even empty, although `next` is set.
    pub items: Vec<T>,
    /// The next page's cursor; `null` at the end of the list.
    pub next: Option<String>,
}
