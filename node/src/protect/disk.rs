//! Guards against a full disk: warns, then admits no calls, and keeps a reserve for those that are up.
//!
//! A log that cannot be written stops the node; before that, it is better that nothing new begins.
//! Calls that are up end, and their CDRs are written: from the room between the watermark and the
//! end, and then from the reserve, which is given back when little else is left. When there is room
//! again, all of it is undone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use holdline_storage::{Room, Space};
use metrics::gauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::Protection;
use crate::config::Watermarks;

/// How full the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fill {
    /// There is room.
    #[default]
    Enough,
    /// Somebody should look.
    Warn,
    /// Nothing new begins.
    Protect,
    /// The reserve is given back, so that what is up can end.
    Last,
}

/// The guard of one disk.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) space: Space,
    pub(crate) marks: Watermarks,
}

impl Guard {
    /// Looks at the disk until `stop` is cancelled, and closes and opens the gate for new calls.
    pub(crate) fn start(
        self,
        protection: Arc<Protection>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> watch::Receiver<Fill> {
        let (tell, fill) = watch::channel(Fill::default());
        tasks.spawn(self.run(protection, tell, tasks.clone(), stop));
        fill
    }

    async fn run(
        self,
        protection: Arc<Protection>,
        tell: watch::Sender<Fill>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        let mut fill = Fill::Enough;
        loop {
            let this = self.clone();
            match holdline_raft::offload(&tasks, move || this.look(fill)).await {
                Ok(Ok((now, room))) => {
                    show(now, room);
                    if now != fill {
                        say(now, room);
                    }
                    protection.gate.close(now >= Fill::Protect);
                    tell.send_if_modified(|told| std::mem::replace(told, now) != now);
                    fill = now;
                }
                Ok(Err(error)) => warn!(%error, "the room on the disk is not known"),
                // Only while the node ends.
                Err(_) => return,
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Judges, and takes or gives back the reserve. Blocks on the disk.
    fn look(&self, before: Fill) -> io::Result<(Fill, Room)> {
        let room = self.space.room()?;
        let has = self.space.has_reserve();
        let now = judge(before, room, has, &self.marks);
        if now == Fill::Last && has {
            self.space.release_reserve()?;
        } else if now < Fill::Protect && !has && self.marks.reserve_bytes > 0 {
            // It is tried again: somebody else may just have taken the room.
            if let Err(error) = self.space.take_reserve(self.marks.reserve_bytes) {
                if before < Fill::Warn {
                    warn!(%error, bytes = self.marks.reserve_bytes, "there is no room for a reserve on the disk");
                }
                return Ok((now.max(Fill::Warn), room));
            }
        }
        Ok((now, room))
    }
}

/// Judges; a level is left only when the fill is clearly below it. A reserve that is not taken
/// counts as used, because it is going to be.
fn judge(before: Fill, room: Room, has_reserve: bool, marks: &Watermarks) -> Fill {
    let owed = if has_reserve { 0 } else { marks.reserve_bytes };
    let used = room.with(owed).used_percent();
    let from = |level: Fill, percent: u64| {
        let back = if before >= level { HYSTERESIS } else { 0 };
        used.saturating_add(back) >= percent
    };
    let least = marks.reserve_bytes / 2;
    let is_last = match before {
        Fill::Last => {
            room.free_bytes <= least.saturating_add(marks.reserve_bytes.saturating_mul(2))
        }
        Fill::Enough | Fill::Warn | Fill::Protect => room.free_bytes <= least,
    };
    let protects = marks.protect_percent < 100;
    if protects && is_last {
        Fill::Last
    } else if protects && from(Fill::Protect, marks.protect_percent) {
        Fill::Protect
    } else if from(Fill::Warn, marks.warn_percent) {
        Fill::Warn
    } else {
        Fill::Enough
    }
}

fn show(now: Fill, room: Room) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge of percents")]
    gauge!("holdline_disk_used_ratio").set(room.used_percent() as f64 / 100.0);
    let protects = if now >= Fill::Protect { 1.0 } else { 0.0 };
    gauge!("holdline_disk_protected").set(protects);
}

fn say(now: Fill, room: Room) {
    let (used_percent, free_bytes) = (room.used_percent(), room.free_bytes);
    match now {
        Fill::Enough => info!(used_percent, free_bytes, "there is room on the disk again"),
        Fill::Warn => warn!(
            used_percent,
            free_bytes,
            "the data folder's disk is filling up: make room, or shorten holdline cdr retention"
        ),
        Fill::Protect => error!(
            used_percent,
            free_bytes,
            "the data folder's disk is nearly full: new calls are answered 503 until there is room; calls that are up go on; make room"
        ),
        Fill::Last => error!(
            used_percent,
            free_bytes,
            "the data folder's disk is full: the reserve is given to calls that are up; make room now, or this node will stop"
        ),
    }
}

/// How far below a level the fill must be to leave it, in percent.
const HYSTERESIS: u64 = 2;

const EVERY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Watermarks =
        Watermarks { warn_percent: 80, protect_percent: 90, reserve_bytes: 1_000 };

    fn judged(before: Fill, used_percent: u64) -> Fill {
        let used_bytes = used_percent * 1_000;
        judge(before, Room { used_bytes, free_bytes: 100_000 - used_bytes }, true, &MARKS)
    }

    #[test]
    fn warns_then_protects_and_leaves_a_level_only_clearly_below_it() {
        for (before, used, expected) in [
            (Fill::Enough, 79, Fill::Enough),
            (Fill::Enough, 80, Fill::Warn),
            (Fill::Warn, 78, Fill::Warn),
            (Fill::Warn, 77, Fill::Enough),
            (Fill::Warn, 90, Fill::Protect),
            (Fill::Protect, 88, Fill::Protect),
            (Fill::Protect, 87, Fill::Warn),
            (Fill::Enough, 100, Fill::Last),
        ] {
            assert_eq!(judged(before, used), expected, "{before:?} at {used} %");
        }
    }

    #[test]
    fn the_reserve_is_kept_released_until_there_is_room_for_twice_of_it() {
        let room = |free_bytes| Room { used_bytes: 100_000 - free_bytes, free_bytes };
        assert_eq!(judge(Fill::Protect, room(501), true, &MARKS), Fill::Protect);
        assert_eq!(judge(Fill::Protect, room(500), true, &MARKS), Fill::Last);
        assert_eq!(judge(Fill::Last, room(2_500), false, &MARKS), Fill::Last);
        assert_eq!(judge(Fill::Last, room(2_501), false, &MARKS), Fill::Protect);
    }

    #[test]
    fn a_reserve_that_is_to_be_taken_again_counts_as_used() {
        let marks = Watermarks { reserve_bytes: 5_000, ..MARKS };
        let room = Room { used_bytes: 86_000, free_bytes: 14_000 };
        assert_eq!(judge(Fill::Protect, room, false, &marks), Fill::Protect, "it would be 91 %");
        assert_eq!(judge(Fill::Protect, room, true, &marks), Fill::Warn);
    }

    #[test]
    fn a_hundred_percent_never_protects() {
        let marks = Watermarks { protect_percent: 100, ..MARKS };
        let full = Room { used_bytes: 100_000, free_bytes: 0 };
        assert_eq!(judge(Fill::Enough, full, true, &marks), Fill::Warn);
    }

    #[test]
    fn the_reserve_is_taken_when_there_is_room_and_given_back_when_there_is_none() {
        let folder = tempfile::TempDir::new().unwrap();
        let identity = holdline_storage::Identity {
            cluster: "test".to_owned(),
            node: holdline_model::NodeId(1),
        };
        let data = holdline_storage::DataDir::open(folder.path(), &identity).unwrap();
        let space = data.space();
        let marks = Watermarks { warn_percent: 100, protect_percent: 99, reserve_bytes: 4096 };
        let guard = Guard { space: space.clone(), marks };
        let (fill, _) = guard.look(Fill::Enough).unwrap();
        assert_eq!((fill, space.has_reserve()), (Fill::Enough, true));
        // As on a disk with hardly anything left.
        let marks = Watermarks { reserve_bytes: 1 << 60, ..marks };
        let (fill, _) = Guard { space: space.clone(), marks }.look(fill).unwrap();
        assert_eq!((fill, space.has_reserve()), (Fill::Last, false));
    }
}
