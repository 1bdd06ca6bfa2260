//! The task that keeps the bans: takes what the shield and operators say, merges what other nodes
//! say, and tells them everything it knows, so that a node that restarts gets it back.
//!
//! Each ban is logged by every node when it learns of it: the line is what fail2ban's filter
//! (`deploy/fail2ban/holdline.conf`) reads, and its form is tested.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use holdline_cluster::gossip::{Bulletin, Heard, TOPIC_BYTES};
use holdline_guard::{Ban, BanError, BanReason, BanScope, Bans, Cause};
use holdline_model::{Cidr, Millis};
use metrics::{counter, gauge};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Protection;
use super::tops::Dimension;

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum News {
    /// A shield has had enough of a source.
    Offender {
        /// Which.
        source: IpAddr,
        /// Of what.
        cause: Cause,
    },
    /// An operator bans a block.
    Add {
        /// Which, until when, from what.
        block: Cidr,
        until: Millis,
        scope: BanScope,
        /// Where the outcome goes.
        reply: oneshot::Sender<Result<Ban, BanError>>,
    },
    /// An operator lifts a ban.
    Remove {
        /// Which.
        block: Cidr,
        /// Where the outcome goes.
        reply: oneshot::Sender<Result<(), BanError>>,
    },
}

/// Runs until `stop` is cancelled.
pub(crate) async fn run(
    protection: Arc<Protection>,
    mut news: mpsc::Receiver<News>,
    bulletin: Bulletin,
    stop: CancellationToken,
) {
    let mut bans = Bans::clone(&protection.bans.load());
    let mut heard = bulletin.heard();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u64;
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            Some(news) = news.recv() => take(&protection, &mut bans, news),
            Ok(()) = heard.changed() => {
                let said = Arc::clone(&heard.borrow_and_update());
                hear(&protection, &mut bans, &said)
            }
            _ = ticks.tick() => {
                if count.is_multiple_of(TOPS_EVERY) {
                    tell_tops(&protection, &bulletin);
                }
                count += 1;
                bans.expire(protection.clock.now())
            }
        };
        if changed {
            publish(&protection, &bans, &bulletin);
        }
    }
}

fn take(protection: &Protection, bans: &mut Bans, news: News) -> bool {
    let now = protection.clock.now();
    match news {
        News::Offender { source, cause } => {
            let block = Cidr::around(source, 64);
            let until = now + protection.config.ban_for;
            let ban = ban(protection, now, block, until, BanReason::Shield(cause), BanScope::New);
            match bans.add(now, ban) {
                Ok(()) => {
                    log(source, &ban, now);
                    counter!("holdline_bans_total", "reason" => cause.as_str()).increment(1);
                    true
                }
                Err(_) => {
                    counter!("holdline_bans_dropped_total", "reason" => "refused").increment(1);
                    false
                }
            }
        }
        News::Add { block, until, scope, reply } => {
            let ban = ban(protection, now, block, until, BanReason::Operator, scope);
            let outcome = bans.add(now, ban).map(|()| ban);
            let done = outcome.is_ok();
            if done {
                log(block.network(), &ban, now);
                counter!("holdline_bans_total", "reason" => "operator").increment(1);
            }
            // Whoever asked may have gone; the ban stays.
            let _told = reply.send(outcome);
            done
        }
        News::Remove { block, reply } => {
            let outcome = bans.remove(now, protection.me, block);
            let done = outcome.is_ok();
            if done {
                tracing::info!(target: LOG_TARGET, %block, "a ban is lifted");
            }
            let _told = reply.send(outcome);
            done
        }
    }
}

const fn ban(
    protection: &Protection,
    at: Millis,
    block: Cidr,
    until: Millis,
    reason: BanReason,
    scope: BanScope,
) -> Ban {
    Ban { block, until, at, by: protection.me, reason, scope, lifted: false }
}

/// Takes what others say; whether anything was new.
pub(super) fn hear(protection: &Protection, bans: &mut Bans, heard: &Heard) -> bool {
    let now = protection.clock.now();
    let mut changed = false;
    let texts = heard.values().flat_map(|topics| {
        TOPICS.iter().filter_map(|topic| topics.get(*topic)).flat_map(|text| text.lines())
    });
    for line in texts {
        let Some(ban) = read(line) else {
            counter!("holdline_bans_dropped_total", "reason" => "unreadable").increment(1);
            continue;
        };
        if bans.hear(now, ban) {
            changed = true;
            if !ban.lifted {
                log(ban.block.network(), &ban, now);
            }
        }
    }
    changed
}

fn read(line: &str) -> Option<Ban> {
    let (block, rest) = line.split_once(' ')?;
    Ban::from_text(block.parse().ok()?, rest)
}

/// The line that fail2ban's filter reads. `source` is an address, never a block.
pub(super) fn log(source: IpAddr, ban: &Ban, now: Millis) {
    let for_s = ban.until.since(now) / 1000;
    let (block, by, reason) = (ban.block, ban.by, ban.reason);
    tracing::warn!(target: LOG_TARGET, %source, %reason, for_s, %block, %by, "banned");
}

fn publish(protection: &Protection, bans: &Bans, bulletin: &Bulletin) {
    let in_force = bans.in_force(protection.clock.now()).count();
    gauge!("holdline_bans").set(f64::from(u32::try_from(in_force).unwrap_or(u32::MAX)));
    protection.bans.store(Arc::new(bans.clone()));
    for (topic, text) in TOPICS.into_iter().zip(texts(bans)) {
        bulletin.say(topic, text);
    }
}

/// All bans, in as many texts as there are topics; what has no room is told when there is.
pub(super) fn texts(bans: &Bans) -> Vec<String> {
    let mut texts = vec![String::new(); TOPICS.len()];
    let mut at = 0;
    for ban in bans.all() {
        let line = format!("{} {}\n", ban.block, ban.to_text());
        if texts.get(at).is_some_and(|text| text.len() + line.len() > TOPIC_BYTES) {
            at += 1;
        }
        match texts.get_mut(at) {
            Some(text) => text.push_str(&line),
            None => counter!("holdline_bans_dropped_total", "reason" => "untold").increment(1),
        }
    }
    texts
}

fn tell_tops(protection: &Protection, bulletin: &Bulletin) {
    let now_ns = protection.clock.elapsed_ns();
    for (topic, text) in protection.tops.told(now_ns) {
        bulletin.say(topic, text);
    }
    for dimension in Dimension::ALL {
        let list = protection.tops.local(dimension, now_ns, 1);
        let heaviest = list.items.first().map_or(0, |heavy| heavy.count.min(list.total));
        let permille = (heaviest * 1000).checked_div(list.total).unwrap_or(0);
        let share = f64::from(u32::try_from(permille).unwrap_or(0)) / 1000.0;
        gauge!("holdline_top_share", "dimension" => dimension.as_str()).set(share);
    }
}

/// Where bans are told.
const TOPICS: [&str; 3] = ["bans/0", "bans/1", "bans/2"];

/// How often expiry is looked at; bans that are over do not count meanwhile.
const TICK: Duration = Duration::from_secs(1);

/// Heavy hitters are told once in so many ticks.
const TOPS_EVERY: u64 = 5;

/// Names the log lines about bans, whatever module they come from.
pub(crate) const LOG_TARGET: &str = "holdline::ban";
