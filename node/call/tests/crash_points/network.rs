//! How long a datagram takes, and whether it arrives. Deterministic: a function of a seed.

const DELAY_MS: u64 = 5;
const JITTER_MS: u64 = 20;

#[derive(Debug)]
pub(crate) struct Network {
    state: u64,
    loss: u64,
}

impl Network {
    /// Of 1,000 datagrams `loss` are lost and half as many come twice. Seed 0: none is and none does,
    /// and all take the same time.
    pub(crate) fn new(seed: u64, loss: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), loss }
    }

    /// When each copy of the next datagram arrives; none, if it is lost.
    pub(crate) fn delays_ms(&mut self) -> Vec<u64> {
        if self.state == 0 {
            return vec![DELAY_MS];
        }
        let drawn = self.draw() % 1_000;
        let copies = if drawn < self.loss {
            0
        } else if drawn < self.loss + self.loss / 2 {
            2
        } else {
            1
        };
        (0..copies).map(|_| DELAY_MS + self.draw() % JITTER_MS).collect()
    }

    /// Marsaglia's xorshift.
    fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }
}
