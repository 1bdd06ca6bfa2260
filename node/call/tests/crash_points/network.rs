//! How long a datagram takes, and whether it arrives. Deterministic: a function of a seed.

const DELAY_MS: u64 = 5;
const JITTER_MS: u64 = 20;

#[derive(Debug)]
pub(crate) struct Network {
    state: u64,
    loss: u64,
}

impl Network {
    /// Of 1,000 datagrams `loss` are lost. Seed 0: all take the same time.
    pub(crate) fn new(seed: u64, loss: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), loss }
    }

    /// The next datagram's time; `None` if it is lost.
    pub(crate) fn delay_ms(&mut self) -> Option<u64> {
        if self.state == 0 {
            return Some(DELAY_MS);
        }
        let drawn = self.draw() % 1_000;
        let jitter_ms = self.draw() % JITTER_MS;
        (drawn >= self.loss).then_some(DELAY_MS + jitter_ms)
    }

    /// Marsaglia's xorshift.
    fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }
}
