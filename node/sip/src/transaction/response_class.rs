//! What a status code means to a client transaction.

/// The three kinds of answers that client transactions tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseClass {
    /// 1xx: the final answer is still to come.
    Provisional,
    /// 2xx.
    Success,
    /// 300 to 699.
    Failure,
}

impl ResponseClass {
    /// The class of a status code. Codes outside of 100 to 699 never get past the parser; should one
    /// come, those below belong to the lowest class and those above to the highest.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            300.. => Self::Failure,
        }
    }
}
