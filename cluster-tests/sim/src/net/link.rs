//! What a link does to what is sent over it.

use crate::random::Random;

/// One direction between two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Nothing gets through.
    pub cut: bool,
    /// So many of a thousand datagrams are lost; a stream's segment is sent again, later.
    pub loss: u64,
    /// So many of a thousand datagrams arrive twice.
    pub double: u64,
    /// So many of a thousand datagrams are overtaken by later ones.
    pub reorder: u64,
    /// The shortest way, in microseconds.
    pub delay_us: u64,
    /// How much longer it may take, in microseconds.
    pub jitter_us: u64,
}

impl Default for Link {
    /// Two machines in one room.
    fn default() -> Self {
        Self { cut: false, loss: 0, double: 0, reorder: 0, delay_us: 200, jitter_us: 800 }
    }
}

impl Link {
    /// How long a datagram takes, in microseconds; `None` if it is lost.
    pub(super) fn datagram(&self, random: &mut Random) -> Option<u64> {
        if self.cut || random.chance(self.loss) {
            return None;
        }
        let late =
            if random.chance(self.reorder) { random.between(1_000, OVERTAKEN_US) } else { 0 };
        Some(self.delay_us + random.between(0, self.jitter_us) + late)
    }

    /// How long a segment of a stream takes, in microseconds.
    pub(super) fn segment(&self, random: &mut Random) -> u64 {
        let again = if random.chance(self.loss) { RESEND_US } else { 0 };
        self.delay_us + random.between(0, self.jitter_us) + again
    }
}

/// How much later a datagram arrives that is overtaken, at most.
const OVERTAKEN_US: u64 = 60_000;

/// After this time TCP sends a lost segment again; also how often it tries a link that is cut.
pub(super) const RESEND_US: u64 = 200_000;
