//! The scripts: one per row of the rule-one table, and the races between rows.

use super::limit::Limit;
use super::within::{AGREES, Ask, Body, Habit};

/// How the far ends behave on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// RFC 3261: requests in the dialog go to the Contact, which is another port than the first one.
    Rfc,
    /// RFC 3261 with a proxy on each side that stays on the path by Record-Route.
    Proxied,
    /// As SIPp's built-in `uac` and `uas`: everything goes to where the call went first, with the
    /// first Request-URI, and a dialog is known by its Call-ID alone.
    Sipp,
}

pub(crate) const FLAVOURS: [Flavour; 3] = [Flavour::Rfc, Flavour::Proxied, Flavour::Sipp];

/// What the caller does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerPlan {
    /// The INVITE carries SDP; if not, the ACK does.
    pub(crate) offers: bool,
    /// CANCEL so long after the first provisional answer.
    pub(crate) cancel_after_ms: Option<u64>,
    /// BYE so long after the answer.
    pub(crate) hang_up_after_ms: Option<u64>,
    /// ACKs the 2xx.
    pub(crate) acks: bool,
    /// What it asks of the callee within the dialog.
    pub(crate) asks: &'static [Ask],
    /// How it answers when it is asked.
    pub(crate) habit: Habit,
}

/// What a callee does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CalleePlan {
    /// Rings after 50 ms, with `180`, or `183` and SDP.
    pub(crate) ring: Ring,
    /// Final answer: status, and how long after the INVITE.
    pub(crate) answer: Option<(u16, u64)>,
    /// BYE so long after the ACK.
    pub(crate) hang_up_after_ms: Option<u64>,
    /// Asks for credentials first (RFC 3261 section 22).
    pub(crate) challenges: bool,
    /// The session timer that it agrees to, in seconds; nobody refreshes it.
    pub(crate) expires_s: Option<u32>,
    /// Answers a CANCEL, but goes on ringing.
    pub(crate) ignores_cancel: bool,
    /// What it asks of the caller within the dialog, once it is acknowledged.
    pub(crate) asks: &'static [Ask],
    /// How it answers when it is asked.
    pub(crate) habit: Habit,
}

/// How a callee rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Not,
    Plain,
    WithSdp,
    /// With SDP, reliably; it answers only when that is acknowledged.
    Reliable,
    /// There is nobody at the address.
    Dead,
}

/// What the switch asks by itself within a call that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Nothing,
    /// The callees, by OPTIONS, whether they are still there.
    Alive,
    /// Both, by UPDATE: the session goes on.
    Refresh,
}

/// One call, from the outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) caller: CallerPlan,
    /// The targets of the dialled number, in order.
    pub(crate) callees: &'static [CalleePlan],
    /// If there are any, the dialled number is a user of ours, and these are the preferences of its
    /// bindings, which are the callees. Those of one preference are tried together.
    pub(crate) bindings: &'static [u16],
    /// What the switch asks by itself while the call is up.
    pub(crate) own: Own,
    /// An administrator hangs up so long after the INVITE, and again each second until it is over.
    pub(crate) admin_after_ms: Option<u64>,
    /// Which of two results comes out is decided by the log's order, so that a crash may change it.
    pub(crate) race: bool,
    /// What the cluster's limits say.
    pub(crate) limit: Limit,
}

/// How long a call may ring in all scripts.
pub(crate) const ANSWER_TIMEOUT_MS: u64 = 30_000;
/// How long a target may be silent in all scripts.
pub(crate) const TARGET_TIMEOUT_MS: u64 = 6_000;
/// How long an answered call may last in all scripts.
pub(crate) const MAX_DURATION_MS: u64 = 40_000;
/// … where the switch asks something by itself.
pub(crate) const MAX_ALIVE_MS: u64 = 120_000;
/// How often it asks.
pub(crate) const ALIVE_MS: u64 = 20_000;

const CALLER: CallerPlan = CallerPlan {
    offers: true,
    cancel_after_ms: None,
    hang_up_after_ms: None,
    acks: true,
    asks: &[],
    habit: AGREES,
};
const ANSWERS: CalleePlan = CalleePlan {
    ring: Ring::Plain,
    answer: Some((200, 400)),
    hang_up_after_ms: None,
    challenges: false,
    expires_s: None,
    ignores_cancel: false,
    asks: &[],
    habit: AGREES,
};
const INFO: Ask = Ask { after_ms: 500, method: "INFO", body: Body::Offer, cancel_after_ms: None };
const UPDATE: Ask = Ask { method: "UPDATE", ..INFO };
const HOLD: Ask = Ask { method: "INVITE", ..INFO };
const LATE_HOLD: Ask = Ask { body: Body::Bare, ..HOLD };
const SLOW: Habit = Habit { status: 200, wait_ms: 1_500 };
/// A caller that asks and hangs up when all is answered.
const ASKS: CallerPlan = CallerPlan { hang_up_after_ms: Some(4_000), ..CALLER };
/// The same of a callee.
const CALLEE_ASKS: CalleePlan = CalleePlan { hang_up_after_ms: Some(4_000), ..ANSWERS };
const RINGS: CalleePlan = CalleePlan { answer: None, ..ANSWERS };
const BUSY: CalleePlan = CalleePlan { answer: Some((486, 300)), ..ANSWERS };
const UNAVAILABLE: CalleePlan = CalleePlan { ring: Ring::Not, answer: Some((503, 60)), ..ANSWERS };
const DEAD: CalleePlan = CalleePlan { ring: Ring::Dead, ..RINGS };

const PLAIN: Script = Script {
    name: "caller_hangs_up",
    caller: CallerPlan { hang_up_after_ms: Some(3_000), ..CALLER },
    callees: &[ANSWERS],
    bindings: &[],
    own: Own::Nothing,
    admin_after_ms: None,
    race: false,
    limit: Limit::Free,
};

/// A call to a user with two devices that ring together.
const FORK: Script = Script {
    name: "fork_first_answers",
    callees: &[ANSWERS, RINGS],
    bindings: &[1_000, 1_000],
    ..PLAIN
};

pub(crate) const SCRIPTS: [Script; 59] = [
    PLAIN,
    Script {
        name: "callee_hangs_up",
        caller: CALLER,
        callees: &[CalleePlan { hang_up_after_ms: Some(3_000), ..ANSWERS }],
        ..PLAIN
    },
    Script {
        name: "answered_at_once",
        callees: &[CalleePlan { ring: Ring::Not, answer: Some((200, 0)), ..ANSWERS }],
        ..PLAIN
    },
    Script { name: "busy", caller: CALLER, callees: &[BUSY], ..PLAIN },
    Script {
        name: "declined",
        caller: CALLER,
        callees: &[CalleePlan { answer: Some((603, 300)), ..ANSWERS }, ANSWERS],
        ..PLAIN
    },
    Script { name: "no_answer", caller: CALLER, callees: &[RINGS], ..PLAIN },
    Script {
        name: "cancel",
        caller: CallerPlan { cancel_after_ms: Some(1_000), ..CALLER },
        callees: &[RINGS],
        ..PLAIN
    },
    Script { name: "failover_503", callees: &[UNAVAILABLE, ANSWERS], ..PLAIN },
    Script {
        name: "failover_exhausted",
        caller: CALLER,
        callees: &[UNAVAILABLE, UNAVAILABLE],
        ..PLAIN
    },
    Script { name: "failover_silent", callees: &[DEAD, ANSWERS], ..PLAIN },
    // One rings and fails, one is not there, the third one answers.
    Script {
        name: "failover_twice",
        callees: &[CalleePlan { answer: Some((503, 900)), ..ANSWERS }, DEAD, ANSWERS],
        ..PLAIN
    },
    Script {
        name: "cancel_after_failover",
        caller: CallerPlan { cancel_after_ms: Some(9_000), ..CALLER },
        callees: &[UNAVAILABLE, RINGS],
        ..PLAIN
    },
    Script {
        name: "late_offer",
        caller: CallerPlan { offers: false, hang_up_after_ms: Some(3_000), ..CALLER },
        ..PLAIN
    },
    Script {
        name: "early_media",
        callees: &[CalleePlan { ring: Ring::WithSdp, answer: Some((200, 4_000)), ..ANSWERS }],
        ..PLAIN
    },
    Script { name: "max_duration", caller: CALLER, ..PLAIN },
    Script { name: "admin_hangs_up", caller: CALLER, admin_after_ms: Some(15_000), ..PLAIN },
    Script {
        name: "admin_while_ringing",
        caller: CALLER,
        callees: &[RINGS],
        admin_after_ms: Some(15_000),
        ..PLAIN
    },
    Script {
        name: "callee_hangs_up_at_once",
        caller: CALLER,
        callees: &[CalleePlan { hang_up_after_ms: Some(0), ..ANSWERS }],
        ..PLAIN
    },
    Script {
        name: "cancel_ignored",
        caller: CallerPlan { cancel_after_ms: Some(1_000), ..CALLER },
        callees: &[CalleePlan { answer: Some((200, 20_000)), ignores_cancel: true, ..ANSWERS }],
        ..PLAIN
    },
    Script { name: "no_route", caller: CALLER, callees: &[], ..PLAIN },
    // The next owner waits for the ACK anew, so that the longest duration may be reached first.
    Script {
        name: "race_no_ack",
        caller: CallerPlan { acks: false, ..CALLER },
        race: true,
        ..PLAIN
    },
    // The first target answers when it was given up for the second one.
    Script {
        name: "race_first_target_late",
        callees: &[
            CalleePlan { ring: Ring::Not, answer: Some((200, 7_000)), ..ANSWERS },
            CalleePlan { answer: Some((200, 4_000)), ..ANSWERS },
        ],
        race: true,
        ..PLAIN
    },
    // The CANCEL arrives together with the callee's 200.
    Script {
        name: "race_cancel_200",
        caller: CallerPlan { cancel_after_ms: Some(390), ..CALLER },
        race: true,
        ..PLAIN
    },
    // Both hang up at the same time.
    Script {
        name: "race_bye_bye",
        caller: CallerPlan { hang_up_after_ms: Some(3_000), ..CALLER },
        callees: &[CalleePlan { hang_up_after_ms: Some(2_990), ..ANSWERS }],
        race: true,
        ..PLAIN
    },
    Script {
        name: "reinvite_by_caller",
        caller: CallerPlan { asks: &[HOLD, Ask { after_ms: 2_000, ..HOLD }], ..ASKS },
        ..PLAIN
    },
    Script {
        name: "reinvite_by_callee",
        caller: CALLER,
        callees: &[CalleePlan { asks: &[HOLD], ..CALLEE_ASKS }],
        ..PLAIN
    },
    Script {
        name: "reinvite_late_offer",
        caller: CallerPlan { asks: &[LATE_HOLD], ..ASKS },
        ..PLAIN
    },
    Script {
        name: "reinvite_late_offer_by_callee",
        caller: CALLER,
        callees: &[CalleePlan { asks: &[LATE_HOLD], ..CALLEE_ASKS }],
        ..PLAIN
    },
    Script {
        name: "reinvite_slow",
        caller: CallerPlan { asks: &[HOLD], ..ASKS },
        callees: &[CalleePlan { habit: SLOW, ..ANSWERS }],
        ..PLAIN
    },
    Script {
        name: "reinvite_refused",
        caller: CallerPlan { asks: &[HOLD, Ask { after_ms: 1_500, ..INFO }], ..ASKS },
        callees: &[CalleePlan { habit: Habit { status: 488, wait_ms: 0 }, ..ANSWERS }],
        ..PLAIN
    },
    Script {
        name: "update_both_ways",
        caller: CallerPlan { asks: &[UPDATE], hang_up_after_ms: Some(20_000), ..CALLER },
        callees: &[CalleePlan { asks: &[Ask { after_ms: 8_000, ..UPDATE }], ..ANSWERS }],
        ..PLAIN
    },
    Script {
        name: "info_refer_notify",
        caller: CallerPlan {
            asks: &[INFO, Ask { after_ms: 900, method: "REFER", ..INFO }],
            hang_up_after_ms: Some(20_000),
            ..CALLER
        },
        callees: &[CalleePlan {
            asks: &[Ask { after_ms: 1_200, method: "NOTIFY", ..INFO }],
            ..ANSWERS
        }],
        ..PLAIN
    },
    Script {
        name: "reliable_early_media",
        callees: &[CalleePlan { ring: Ring::Reliable, answer: Some((200, 4_000)), ..ANSWERS }],
        ..PLAIN
    },
    // Both change the session at the same time; then each asks again, later.
    Script {
        name: "race_reinvite_glare",
        caller: CallerPlan { asks: &[HOLD], hang_up_after_ms: Some(12_000), ..CALLER },
        callees: &[CalleePlan { asks: &[Ask { after_ms: 505, ..HOLD }], habit: SLOW, ..ANSWERS }],
        race: true,
        ..PLAIN
    },
    // It may be answered before its CANCEL comes.
    Script {
        name: "race_reinvite_cancelled",
        caller: CallerPlan { asks: &[Ask { cancel_after_ms: Some(700), ..HOLD }], ..ASKS },
        callees: &[CalleePlan { habit: SLOW, ..ANSWERS }],
        race: true,
        ..PLAIN
    },
    Script { name: "limit_refuses", limit: Limit::NoCalls, ..PLAIN },
    // The next owner may be the first to ask, when there is a token again.
    Script { name: "race_limit_refuses", limit: Limit::NoToken, race: true, ..PLAIN },
    Script { name: "limit_holds", limit: Limit::Holds, ..PLAIN },
    Script {
        name: "limit_holds_cancelled",
        caller: CallerPlan { cancel_after_ms: Some(200), ..CALLER },
        limit: Limit::Holds,
        // It may have gone on when the CANCEL is committed.
        race: true,
        ..PLAIN
    },
    Script {
        name: "limit_first_target_full",
        callees: &[ANSWERS, ANSWERS],
        limit: Limit::FullTarget(0),
        ..PLAIN
    },
    Script {
        name: "limit_second_target_full",
        callees: &[UNAVAILABLE, ANSWERS, ANSWERS],
        limit: Limit::FullTarget(1),
        ..PLAIN
    },
    Script { callees: &[ANSWERS, RINGS, RINGS], bindings: &[1_000, 1_000, 1_000], ..FORK },
    Script { name: "fork_second_answers", callees: &[RINGS, ANSWERS], ..FORK },
    // The caller gets the best of three failures, whatever their order.
    Script {
        name: "fork_all_fail",
        caller: CALLER,
        callees: &[
            CalleePlan { answer: Some((480, 300)), ..ANSWERS },
            BUSY,
            CalleePlan { answer: Some((503, 700)), ..ANSWERS },
        ],
        bindings: &[1_000, 1_000, 1_000],
        ..FORK
    },
    Script {
        name: "fork_declined",
        caller: CALLER,
        callees: &[RINGS, CalleePlan { answer: Some((603, 300)), ..ANSWERS }, ANSWERS],
        bindings: &[1_000, 1_000, 500],
        ..FORK
    },
    Script {
        name: "fork_cancel",
        caller: CallerPlan { cancel_after_ms: Some(1_000), ..CALLER },
        callees: &[RINGS, RINGS, BUSY],
        bindings: &[1_000, 1_000, 1_000],
        ..FORK
    },
    Script {
        name: "fork_early_media",
        callees: &[
            CalleePlan { ring: Ring::WithSdp, ..RINGS },
            CalleePlan { ring: Ring::WithSdp, answer: Some((200, 4_000)), ..ANSWERS },
        ],
        ..FORK
    },
    Script {
        name: "fork_next_round",
        callees: &[UNAVAILABLE, BUSY, ANSWERS],
        bindings: &[1_000, 1_000, 500],
        ..FORK
    },
    Script {
        name: "fork_silent",
        callees: &[DEAD, CalleePlan { answer: Some((200, 8_000)), ..ANSWERS }],
        ..FORK
    },
    Script { name: "fork_dead_loser", callees: &[DEAD, ANSWERS], ..FORK },
    Script { name: "fork_no_answer", caller: CALLER, callees: &[RINGS, RINGS], ..FORK },
    Script {
        name: "race_fork_both_answer",
        callees: &[ANSWERS, CalleePlan { answer: Some((200, 402)), ..ANSWERS }],
        race: true,
        ..FORK
    },
    Script {
        name: "race_fork_cancel_200",
        caller: CallerPlan { cancel_after_ms: Some(390), ..CALLER },
        race: true,
        ..FORK
    },
    Script { name: "challenged", callees: &[CalleePlan { challenges: true, ..ANSWERS }], ..PLAIN },
    Script {
        name: "challenged_then_failover",
        callees: &[CalleePlan { challenges: true, ..UNAVAILABLE }, ANSWERS],
        ..PLAIN
    },
    // The first target redirects to another number at the second one.
    Script {
        name: "redirected",
        callees: &[CalleePlan { answer: Some((302, 200)), ..ANSWERS }, ANSWERS],
        ..PLAIN
    },
    Script {
        name: "session_expires",
        caller: CALLER,
        callees: &[CalleePlan { expires_s: Some(10), ..ANSWERS }],
        ..PLAIN
    },
    // The switch's own requests go between those of the caller.
    Script {
        name: "alive",
        caller: CallerPlan {
            asks: &[INFO, Ask { after_ms: 50_000, ..INFO }, Ask { after_ms: 70_000, ..UPDATE }],
            hang_up_after_ms: Some(75_000),
            ..CALLER
        },
        own: Own::Alive,
        ..PLAIN
    },
    // Neither end knows of timers, and each asks something of its own in between.
    Script {
        name: "refreshed",
        caller: CallerPlan {
            asks: &[INFO, Ask { after_ms: 50_000, ..HOLD }],
            hang_up_after_ms: Some(75_000),
            ..CALLER
        },
        callees: &[CalleePlan { asks: &[Ask { after_ms: 61_000, ..UPDATE }], ..ANSWERS }],
        own: Own::Refresh,
        ..PLAIN
    },
];

/// The script with this name.
pub(crate) fn script(name: &str) -> &'static Script {
    SCRIPTS.iter().find(|script| script.name == name).expect("no such script")
}
