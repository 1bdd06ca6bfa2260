//! One leader at a time in a term.
//!
//! openraft orders leaders by term and, within a term, by node: a candidate with a higher id may be
//! elected in a term that had a leader already, as if its term were a little higher. So each
//! election must have a higher (term, node) than all before; the same one is never won twice by two.

use crate::net::HostId;

/// Who was elected.
#[derive(Debug, Default)]
pub struct Leaders {
    /// All elections, in the order in which they were seen.
    elected: Vec<(u64, HostId)>,
}

impl Leaders {
    /// A node leads in a term.
    pub fn leads(&mut self, host: HostId, term: u64) -> Option<String> {
        if self.elected.contains(&(term, host)) {
            return None;
        }
        let newest = self.elected.iter().filter(|(other, _)| *other == term).max().copied();
        self.elected.push((term, host));
        let (_, other) = newest.filter(|(_, other)| *other > host)?;
        Some(format!("leader: {host} leads in term {term} after {other} was elected in it"))
    }

    /// How many leaders there were.
    #[must_use]
    pub fn elections(&self) -> usize {
        self.elected.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_within_a_term_is_a_fault() {
        let mut leaders = Leaders::default();
        assert_eq!(leaders.leads(HostId(1), 1), None);
        assert_eq!(leaders.leads(HostId(2), 1), None);
        assert_eq!(leaders.leads(HostId(1), 1), None, "it has not heard of the other yet");
        assert_eq!(leaders.leads(HostId(0), 2), None);
        assert!(leaders.leads(HostId(0), 1).is_some());
    }
}
