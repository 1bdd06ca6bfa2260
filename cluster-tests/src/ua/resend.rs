//! Retransmission over UDP: one message, doubled intervals, an end (RFC 3261 sections 17.1 and
//! 13.3.1.4; RFC 6026).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// Round trip estimate, RFC 3261 timer T1.
pub(super) const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions, RFC 3261 timer T2.
pub(super) const T2: Duration = Duration::from_secs(4);
/// When a transaction is given up: 64 × T1 (timers B, F, H).
pub(super) const GIVE_UP: Duration = Duration::from_secs(32);

/// What is to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// Send the message again.
    Again,
    /// Nobody answered in time.
    GaveUp,
}

/// A message that is sent until it is answered.
#[derive(Clone, Debug)]
pub(super) struct Resend {
    /// The bytes, the same each time.
    pub(super) bytes: Bytes,
    /// Where they go.
    pub(super) to: SocketAddr,
    interval: Duration,
    longest: Duration,
    next: Instant,
    end: Instant,
}

impl Resend {
    /// An INVITE: timers A and B.
    pub(super) fn invite(now: Instant, to: SocketAddr, bytes: Bytes) -> Self {
        Self::new(now, to, bytes, GIVE_UP)
    }

    /// Another request (timers E and F), a final failure (G and H) or a 2xx until its ACK.
    pub(super) fn other(now: Instant, to: SocketAddr, bytes: Bytes) -> Self {
        Self::new(now, to, bytes, T2)
    }

    fn new(now: Instant, to: SocketAddr, bytes: Bytes, longest: Duration) -> Self {
        Self { bytes, to, interval: T1, longest, next: now + T1, end: now + GIVE_UP }
    }

    /// A provisional answer to a request other than INVITE: go on at T2 (section 17.1.2.2).
    pub(super) fn slow_down(&mut self, now: Instant) {
        self.interval = T2;
        self.next = now + T2;
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Instant {
        self.next.min(self.end)
    }

    /// What is due now; moves on to the next interval.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now >= self.end {
            return Due::GaveUp;
        }
        if now < self.next {
            return Due::Nothing;
        }
        self.interval = (self.interval * 2).min(self.longest);
        self.next = now + self.interval;
        Due::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(mut resend: Resend, start: Instant) -> Vec<u128> {
        let mut at = Vec::new();
        loop {
            let now = resend.deadline();
            match resend.due(now) {
                Due::Again => at.push((now - start).as_millis()),
                Due::Nothing => {}
                Due::GaveUp => break,
            }
        }
        at
    }

    #[tokio::test]
    async fn intervals_are_those_of_the_rfc() {
        let start = Instant::now();
        let to = SocketAddr::from(([127, 0, 0, 1], 5060));
        let invite = times(Resend::invite(start, to, Bytes::new()), start);
        assert_eq!(invite, [500, 1500, 3500, 7500, 15_500, 31_500]);
        let other = times(Resend::other(start, to, Bytes::new()), start);
        let expected = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(other, expected);
    }
}
