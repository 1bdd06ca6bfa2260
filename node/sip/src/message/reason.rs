//! Reason phrases. The vocabulary is rsip's: the name of its status, `BusyHere`, cut into words at
//! the capitals, `Busy Here`. [`SPELLED`] has those for which that gives no good phrase.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The usual reason phrase of a status; of its class, if the status itself has none.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    static PHRASES: LazyLock<BTreeMap<u16, String>> = LazyLock::new(all_phrases);
    match PHRASES.get(&status) {
        Some(phrase) => phrase,
        None => match status {
            0..200 => "Progress",
            200..300 => "OK",
            300..400 => "Redirection",
            400..500 => "Request Failure",
            500..600 => "Server Failure",
            600.. => "Global Failure",
        },
    }
}

/// Phrases that rsip's names do not give.
const SPELLED: &[(u16, &str)] = &[
    (200, "OK"),
    (202, "Accepted"),
    (414, "Request-URI Too Long"),
    (416, "Unsupported URI Scheme"),
    (481, "Call/Transaction Does Not Exist"),
    (504, "Server Time-out"),
    (606, "Not Acceptable"),
    (608, "Rejected"),
];

fn all_phrases() -> BTreeMap<u16, String> {
    let known = (100..700).map(rsip::StatusCode::from).filter(|status| {
        // What rsip does not know has no name to cut.
        !matches!(status, rsip::StatusCode::Other(..))
    });
    let named = known.map(|status| (status.code(), words(&format!("{status:?}"))));
    named.chain(SPELLED.iter().map(|(status, phrase)| (*status, (*phrase).to_owned()))).collect()
}

/// Cuts `BusyHere` into `Busy Here`; capitals in a row stay together.
fn words(name: &str) -> String {
    let mut phrase = String::with_capacity(name.len() + 8);
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_small {
            phrase.push(' ');
        }
        after_small = !letter.is_uppercase();
        phrase.push(letter);
    }
    phrase
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_those_of_the_rfcs() {
        for (status, phrase) in [
            (100, "Trying"),
            (180, "Ringing"),
            (183, "Session Progress"),
            (200, "OK"),
            (202, "Accepted"),
            (302, "Moved Temporarily"),
            (400, "Bad Request"),
            (403, "Forbidden"),
            (404, "Not Found"),
            (408, "Request Timeout"),
            (481, "Call/Transaction Does Not Exist"),
            (482, "Loop Detected"),
            (483, "Too Many Hops"),
            (486, "Busy Here"),
            (487, "Request Terminated"),
            (488, "Not Acceptable Here"),
            (491, "Request Pending"),
            (500, "Server Internal Error"),
            (501, "Not Implemented"),
            (503, "Service Unavailable"),
            (504, "Server Time-out"),
            (505, "Version Not Supported"),
            (513, "Message Too Large"),
            (600, "Busy Everywhere"),
            (603, "Decline"),
        ] {
            assert_eq!(reason_phrase(status), phrase);
        }
    }

    #[test]
    fn every_status_has_a_phrase() {
        for status in 0..=u16::MAX {
            assert!(!reason_phrase(status).is_empty());
        }
        assert_eq!(reason_phrase(499), "Request Failure");
    }
}
