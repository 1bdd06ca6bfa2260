//! Session timers (RFC 4028) where the switch takes part in them: it asks for one, and where one of the two peers
//! does not know of timers, speaks for that peer to the other one.
//!
//! Who knows of timers is made the refresher: it sends the refreshes, which go through to the other peer as any
//! change of the session does; the other peer's 2xx goes back with what it cannot say itself. A takeover has
//! nothing to go on with but the committed end.
//!
//! Where neither peer knows of timers there is no such end, and it is the switch that tells both sides now and
//! then that the session goes on, and ends the call when one does not answer (`call::alive`).
//!
//! All of it is a function of the messages and of what is committed of the call: whoever owns it says the same.

use holdline_model::{CallRecord, SessionTimer, Target};
use holdline_sip::message::{HeaderName, Message};

use crate::Options;

/// What becomes of the timer in a message that goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// It goes through as it is.
    Keep,
    /// It is left out.
    Strip,
    /// The 2xx of a peer that says nothing of it gets this one, in seconds; who asked refreshes.
    Add(u32),
}

/// The header fields that ask a target for a timer; none if the caller asks for one, or none is to be.
pub(crate) fn fields(options: &Options, invite: &Message) -> Vec<String> {
    if options.session_timer != SessionTimer::Insert || expires(invite).is_some() {
        return Vec::new();
    }
    let (expires, min_se) = (options.session_expires.as_secs(), options.min_se.as_secs());
    let min_se = format!("{MIN_SE}: {min_se}");
    if knows_timers(invite) {
        return vec![format!("{SESSION_EXPIRES}: {expires}"), min_se];
    }
    vec![
        format!("{SESSION_EXPIRES}: {expires};refresher=uas"),
        min_se,
        "Supported: timer".to_owned(),
    ]
}

/// What a caller's timer is refused for: it is shorter than this, in seconds.
pub(crate) fn too_small(options: &Options, invite: &Message) -> Option<u32> {
    if options.session_timer != SessionTimer::Insert {
        return None;
    }
    let min_se = u32::try_from(options.min_se.as_secs()).unwrap_or(u32::MAX);
    (knows_timers(invite) && expires(invite)? < min_se).then_some(min_se)
}

/// The timer that a target is to be asked for after it has refused ours as too short (422); `None` if it was
/// not ours, or if it is no longer than before.
pub(crate) fn longer(target: &Target, refusal: &Message) -> Option<Vec<String>> {
    let ours = field(target, SESSION_EXPIRES)?;
    let (before, rest) = ours.split_once(';').unwrap_or((ours, ""));
    let min_se = seconds(refusal.header(HeaderName::MinSe)?)?;
    if min_se <= before.trim().parse::<u32>().ok()? || min_se > MOST {
        return None;
    }
    let rest = if rest.is_empty() { String::new() } else { format!(";{rest}") };
    let mut fields = target.fields.clone();
    for field in &mut fields {
        if field.starts_with(SESSION_EXPIRES) {
            *field = format!("{SESSION_EXPIRES}: {min_se}{rest}");
        } else if field.starts_with(MIN_SE) {
            *field = format!("{MIN_SE}: {min_se}");
        }
    }
    Some(fields)
}

/// What becomes of the timer in an answer to the caller's INVITE.
pub(crate) fn to_caller(record: &CallRecord, invite: &Message, answer: &Message) -> Timer {
    let target = record.targets.get(usize::from(record.attempt));
    let ours = || seconds(target.and_then(|target| field(target, SESSION_EXPIRES))?.as_bytes());
    answered(record, invite, answer, expires(invite).or_else(ours))
}

/// What becomes of the timer in an answer to a request within the dialogs.
pub(crate) fn within(record: &CallRecord, request: &Message, answer: &Message) -> Timer {
    answered(record, request, answer, expires(request))
}

fn answered(record: &CallRecord, request: &Message, answer: &Message, asked: Option<u32>) -> Timer {
    let is_success = answer.status().is_some_and(|status| (200..300).contains(&status));
    match record.admission.timer {
        SessionTimer::Pass => Timer::Keep,
        SessionTimer::Off => Timer::Strip,
        SessionTimer::Insert if !knows_timers(request) => Timer::Strip,
        SessionTimer::Insert => match asked {
            Some(asked) if is_success && expires(answer).is_none() => Timer::Add(asked),
            Some(_) | None => Timer::Keep,
        },
    }
}

/// The seconds that a 2xx has agreed upon, with what we say for a peer that says nothing.
pub(crate) fn agreed(record: &CallRecord, timer: Timer, answer: &Message) -> Option<u32> {
    match (record.admission.timer, timer) {
        (SessionTimer::Off, _) => None,
        (SessionTimer::Pass | SessionTimer::Insert, Timer::Add(seconds)) => Some(seconds),
        (SessionTimer::Pass | SessionTimer::Insert, Timer::Keep | Timer::Strip) => expires(answer),
    }
}

/// Whether the switch refreshes the session of a call that is up: it is to see to it, and no peer does.
pub(crate) fn is_ours(record: &CallRecord) -> bool {
    let is_timed = record.answer.as_ref().is_some_and(|answer| answer.session_by.is_some());
    record.admission.timer == SessionTimer::Insert && !is_timed
}

/// Whether a peer knows of timers.
fn knows_timers(message: &Message) -> bool {
    let says = |name| message.list(name).iter().any(|option| option.eq_ignore_ascii_case("timer"));
    says(HeaderName::Supported) || says(HeaderName::Require) || expires(message).is_some()
}

/// The seconds of a Session-Expires.
pub(crate) fn expires(message: &Message) -> Option<u32> {
    seconds(message.header(HeaderName::SessionExpires)?)
}

fn seconds(value: &[u8]) -> Option<u32> {
    let value = std::str::from_utf8(value).ok()?;
    value.split(';').next()?.trim().parse().ok()
}

fn field<'a>(target: &'a Target, name: &str) -> Option<&'a str> {
    let mut fields = target.fields.iter().filter_map(|field| field.split_once(": "));
    fields.find(|(key, _)| *key == name).map(|(_, value)| value)
}

const SESSION_EXPIRES: &str = "Session-Expires";
const MIN_SE: &str = "Min-SE";
/// A day: a target that asks for more is left.
const MOST: u32 = 86_400;
