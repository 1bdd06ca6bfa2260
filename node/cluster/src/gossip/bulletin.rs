//! The bulletin: short texts by topic that nodes tell each other, beside the facts about themselves.
//!
//! A topic is a word that the software knows, so there are few, and each keeps its key for ever:
//! `chitchat` remembers deleted keys for a day, so nothing is deleted here; a text becomes empty.
//! All texts of a node together must stay far below what one datagram holds, because a node that
//! joins is told everything.
//!
//! A restarted node says nothing at first, and what its earlier run said is forgotten when the new
//! run is known: whoever wants to keep something keeps and repeats it.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdline_model::NodeId;
use tokio::sync::watch;

/// What the other nodes say: by node, by topic. Empty texts are left out.
pub type Heard = BTreeMap<NodeId, BTreeMap<String, String>>;

/// A text is no longer than this, in bytes; what is longer is not said, and counted.
pub const TOPIC_BYTES: usize = 4096;

/// Says and hears. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Bulletin {
    say: Arc<watch::Sender<BTreeMap<&'static str, String>>>,
    heard: watch::Receiver<Arc<Heard>>,
}

/// Gossip's end of it.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) said: watch::Receiver<BTreeMap<&'static str, String>>,
    pub(super) heard: watch::Sender<Arc<Heard>>,
}

pub(super) fn channel() -> (Bulletin, Board) {
    let (say, said) = watch::channel(BTreeMap::new());
    let (told, heard) = watch::channel(Arc::default());
    (Bulletin { say: Arc::new(say), heard }, Board { said, heard: told })
}

impl Bulletin {
    /// A bulletin that nobody else reads, for tests and for a node without gossip.
    #[must_use]
    pub fn alone() -> Self {
        channel().0
    }

    /// Says `text` about `topic` from now on, in place of what was said before. False if it is too
    /// long: then what was said before stays. Cheap if nothing has changed.
    pub fn say(&self, topic: &'static str, text: String) -> bool {
        if text.len() > TOPIC_BYTES {
            metrics::counter!("holdline_gossip_dropped_total", "reason" => "bulletin").increment(1);
            return false;
        }
        self.say.send_if_modified(|said| {
            let changed = said.get(topic).map_or(!text.is_empty(), |known| *known != text);
            if changed {
                said.insert(topic, text);
            }
            changed
        });
        true
    }

    /// What others say; changes with every change of it.
    #[must_use]
    pub fn heard(&self) -> watch::Receiver<Arc<Heard>> {
        self.heard.clone()
    }
}

pub(super) fn key(topic: &str) -> String {
    format!("{PREFIX}{topic}")
}

pub(super) fn read<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let topic = |(key, text): (&'a str, &'a str)| {
        let topic = key.strip_prefix(PREFIX)?;
        (!text.is_empty()).then(|| (topic.to_owned(), text.to_owned()))
    };
    pairs.filter_map(topic).collect()
}

const PREFIX: &str = "b/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_said_once_and_not_if_it_is_too_long() {
        let (bulletin, mut board) = channel();
        assert!(bulletin.say("bans", "one".to_owned()));
        assert!(board.said.has_changed().unwrap());
        assert_eq!(board.said.borrow_and_update()["bans"], "one");
        assert!(bulletin.say("bans", "one".to_owned()));
        assert!(!board.said.has_changed().unwrap());
        assert!(!bulletin.say("bans", "x".repeat(TOPIC_BYTES + 1)));
        assert_eq!(board.said.borrow()["bans"], "one");
    }

    #[test]
    fn only_topics_are_read_and_no_empty_ones() {
        let pairs = [("pop", "fra"), ("b/bans", "one"), ("b/top", "")];
        assert_eq!(read(pairs.into_iter()), [("bans".to_owned(), "one".to_owned())].into());
    }
}
