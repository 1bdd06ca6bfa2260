//! One leader per term.

use std::collections::BTreeMap;

use crate::net::HostId;

/// Who led when.
#[derive(Debug, Default)]
pub struct Leaders(BTreeMap<u64, HostId>);

impl Leaders {
    /// A node leads in a term.
    pub fn leads(&mut self, host: HostId, term: u64) -> Option<String> {
        let first = *self.0.entry(term).or_insert(host);
        (first != host).then(|| format!("leader: {first} and {host} both lead in term {term}"))
    }

    /// How many terms had a leader.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leaders_of_one_term_are_a_fault() {
        let mut leaders = Leaders::default();
        assert_eq!(leaders.leads(HostId(0), 1), None);
        assert_eq!(leaders.leads(HostId(1), 2), None);
        assert_eq!(leaders.leads(HostId(0), 1), None);
        assert!(leaders.leads(HostId(1), 1).is_some());
    }
}
