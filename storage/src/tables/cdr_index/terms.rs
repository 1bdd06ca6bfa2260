//! The terms by which a record is found, as keyed hashes: SipHash-2-4, a pseudo-random function.
//! Without its key nobody can tell from the index whose numbers are in it.
//!
//! A number has a term for each of [`LENGTHS`] of its beginnings and one for the whole. Each entry of
//! a beginning brings a byte of the hashes of the beginnings up to the next length, so that a prefix
//! between two lengths is found without looking at every record of the shorter one.

use std::hash::Hasher as _;

use holdline_model::{Cdr, CdrId, GroupId, NumberPattern};

/// Lengths, in bytes, of the beginnings of numbers that have a term.
const LENGTHS: [usize; 3] = [2, 5, 8];

/// The longest beginning that entries tell something of.
const LONGEST: usize = 11;

/// What a term is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tenant = 2,
    CallId = 3,
    Caller = 4,
    Callee = 5,
    /// With the place of the length in [`LENGTHS`] added.
    CallerPrefix = 6,
    CalleePrefix = 9,
}

/// A term: what its entries' keys begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term([u8; PREFIX]);

/// What an entry must say to be looked at: this byte at this place of its value.
pub(super) type Hint = (usize, u8);

/// Makes terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash {
    group: GroupId,
    key: (u64, u64),
}

/// Group, kind, hash.
const PREFIX: usize = 2 + 1 + HASH;
const HASH: usize = 6;

/// Group, kind, hash, index, position.
pub(super) const ENTRY: usize = PREFIX + 6 + 2;

impl Hash {
    pub(super) fn new(group: GroupId, key: [u8; 16]) -> Self {
        let half = |at: usize| {
            let bytes = key.get(at..at + 8).and_then(|bytes| bytes.first_chunk::<8>());
            u64::from_le_bytes(*bytes.unwrap_or(&[0; 8]))
        };
        Self { group, key: (half(0), half(8)) }
    }

    /// Changes with the key, and with the way in which terms are made.
    pub(super) fn fingerprint(&self) -> u64 {
        self.hash(0, FORMAT)
    }

    /// The record's terms, each with what stands in its entry's value.
    pub(super) fn of(&self, cdr: &Cdr, mut add: impl FnMut(Term, &[u8])) {
        add(self.term(Kind::Tenant as u8, cdr.tenant.as_bytes()), &[]);
        add(self.term(Kind::CallId as u8, cdr.caller_call_id.as_bytes()), &[]);
        add(self.term(Kind::CallId as u8, cdr.callee_call_id.as_bytes()), &[]);
        for (number, whole, prefix) in [
            (cdr.caller(), Kind::Caller, Kind::CallerPrefix),
            (cdr.callee(), Kind::Callee, Kind::CalleePrefix),
        ] {
            let number = number.as_bytes();
            add(self.term(whole as u8, number), &[]);
            for ((length, kind), next) in prefixes(prefix).zip(after()) {
                let Some(begins) = number.get(..length) else { break };
                let mut hints = [0; 3];
                let mut known = 0;
                for (hint, longer) in hints.iter_mut().zip(length + 1..next) {
                    let Some(begins) = number.get(..longer) else { break };
                    *hint = self.hint(begins);
                    known += 1;
                }
                add(self.term(kind, begins), hints.get(..known).unwrap_or(&[]));
            }
        }
    }

    pub(super) fn tenant(&self, tenant: &str) -> Term {
        self.term(Kind::Tenant as u8, tenant.as_bytes())
    }

    pub(super) fn call_id(&self, call_id: &str) -> Term {
        self.term(Kind::CallId as u8, call_id.as_bytes())
    }

    pub(super) fn caller(&self, pattern: &NumberPattern) -> Option<(Term, Option<Hint>)> {
        self.number(pattern, Kind::Caller, Kind::CallerPrefix)
    }

    pub(super) fn callee(&self, pattern: &NumberPattern) -> Option<(Term, Option<Hint>)> {
        self.number(pattern, Kind::Callee, Kind::CalleePrefix)
    }

    /// `None` for a beginning that is shorter than any that has a term.
    fn number(
        &self,
        pattern: &NumberPattern,
        whole: Kind,
        prefix: Kind,
    ) -> Option<(Term, Option<Hint>)> {
        let text = pattern.text().as_bytes();
        if !pattern.is_prefix() {
            return Some((self.term(whole as u8, text), None));
        }
        let (length, kind) = prefixes(prefix).filter(|(length, _)| *length <= text.len()).last()?;
        let longest = text
            .len()
            .min(LONGEST)
            .min(LENGTHS.into_iter().find(|next| *next > length).map_or(LONGEST, |next| next - 1));
        let hint = (longest > length)
            .then(|| text.get(..longest).map(|begins| (longest - length - 1, self.hint(begins))));
        Some((self.term(kind, text.get(..length)?), hint.flatten()))
    }

    fn term(&self, kind: u8, text: &[u8]) -> Term {
        let mut term = [0; PREFIX];
        let (group, rest) = term.split_at_mut(2);
        group.copy_from_slice(&self.group.0.to_be_bytes());
        if let Some((first, hash)) = rest.split_first_mut() {
            *first = kind;
            hash.copy_from_slice(
                self.hash(kind, text).to_be_bytes().get(..HASH).unwrap_or(&[0; HASH]),
            );
        }
        Term(term)
    }

    fn hint(&self, text: &[u8]) -> u8 {
        self.hash(0xff, text).to_be_bytes()[7]
    }

    #[expect(
        deprecated,
        reason = "the standard library's only hash with a key and a fixed meaning"
    )]
    fn hash(&self, kind: u8, text: &[u8]) -> u64 {
        let mut hasher = std::hash::SipHasher::new_with_keys(self.key.0, self.key.1);
        hasher.write(&[kind]);
        hasher.write(text);
        hasher.finish()
    }
}

impl Term {
    /// The key of its entry for a record.
    pub(super) fn entry(&self, id: CdrId) -> [u8; ENTRY] {
        let mut key = [0; ENTRY];
        let (prefix, rest) = key.split_at_mut(PREFIX);
        prefix.copy_from_slice(&self.0);
        let (index, position) = rest.split_at_mut(6);
        index.copy_from_slice(id.index.to_be_bytes().get(2..).unwrap_or(&[0; 6]));
        // An entry of the log has at most 1,024 commands.
        let place = u16::try_from(id.position).unwrap_or(u16::MAX);
        position.copy_from_slice(&place.to_be_bytes());
        key
    }
}

/// The record that an entry's key names.
pub(super) fn id_of(key: &[u8]) -> Option<CdrId> {
    let rest = key.get(PREFIX..).filter(|rest| rest.len() == ENTRY - PREFIX)?;
    let (index, position) = rest.split_first_chunk::<6>()?;
    let mut wide = [0; 8];
    wide.split_at_mut(2).1.copy_from_slice(index);
    let position = u16::from_be_bytes(*position.first_chunk::<2>()?);
    Some(CdrId { index: u64::from_be_bytes(wide), position: u32::from(position) })
}

/// Lengths of beginnings, each with its kind.
fn prefixes(kind: Kind) -> impl Iterator<Item = (usize, u8)> {
    LENGTHS.into_iter().zip(kind as u8..)
}

/// For each length: where the next one begins.
fn after() -> impl Iterator<Item = usize> {
    LENGTHS.into_iter().skip(1).chain([LONGEST + 1])
}

/// Changed whenever terms are made in another way.
const FORMAT: &[u8] = b"cdr index 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::samples::cdr;

    fn hash() -> Hash {
        Hash::new(GroupId(1), [7; 16])
    }

    fn terms(from: &str) -> Vec<(Term, Vec<u8>)> {
        let mut record = cdr(5, 6);
        record.from = format!("sip:{from}@192.0.2.1");
        let mut terms = Vec::new();
        hash().of(&record, |term, value| terms.push((term, value.to_vec())));
        terms
    }

    /// Whether the entries of a number are looked at for a pattern.
    fn finds(number: &str, pattern: &str) -> bool {
        let (term, hint) = hash().caller(&pattern.parse().unwrap()).expect("a term");
        let found = terms(number).into_iter().find(|(other, _)| *other == term);
        found.is_some_and(|(_, value)| {
            hint.is_none_or(|(place, byte)| value.get(place) == Some(&byte))
        })
    }

    #[test]
    fn a_number_is_found_by_itself_and_by_each_beginning() {
        let number = "+4930123456789";
        assert!(finds(number, number));
        for length in 2..=number.len() {
            let begins = number.get(..length).unwrap();
            assert!(finds(number, &format!("{begins}*")), "{begins}");
        }
        for other in ["+4931*", "+48*", "+4930123456780", "+49301234567890", "+493012345679"] {
            let is_longer_than_hints = other == "+493012345679*";
            assert_eq!(finds(number, other), is_longer_than_hints, "{other}");
        }
    }

    #[test]
    fn a_beginning_of_one_digit_has_no_term() {
        assert!(hash().caller(&"+*".parse().unwrap()).is_none());
    }

    #[test]
    fn short_numbers_have_the_terms_that_they_are_long_enough_for() {
        assert!(finds("112", "112") && finds("112", "11*") && !finds("112", "1120*"));
        assert_eq!(terms("1").len() + 1, terms("11").len());
    }

    #[test]
    fn keys_hold_the_id_and_another_key_makes_other_hashes() {
        let id = CdrId { index: 0x0102_0304_0506, position: 0x0708 };
        let key = hash().tenant("acme").entry(id);
        assert_eq!((key.len(), id_of(&key)), (17, Some(id)));
        assert_eq!(id_of(&key[1..]), None);
        let other = Hash::new(GroupId(1), [8; 16]);
        assert_ne!(other.tenant("acme"), hash().tenant("acme"));
        assert_ne!(other.fingerprint(), hash().fingerprint());
    }
}
