//! Which header fields go through the switch (RFC 3261 section 16 does not bind a back-to-back user
//! agent; what it does not act on it passes on, byte for byte).
//!
//! Not passed: what belongs to one leg (Via, routes, identities, Contact, CSeq, credentials), and
//! what says who or what the other side is (User-Agent, Server, the agent of a Warning), and what
//! offers or asks for an extension that the switch would have to take part in and does not.

use holdline_sip::message::{Builder, HeaderName, Message};

use crate::session_timer::Timer;

/// Methods that we take, for Allow: those that we act on, and those that go through.
pub(super) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/// Those of them that work whatever the other side can do.
const ALWAYS: &[&str] = &["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"];

/// Option tags that work through us because all they ask for is that header fields pass.
const TRANSPARENT_OPTIONS: &[&str] =
    &["histinfo", "resource-priority", "answermode", "norefersub", "timer", "replaces", "tdialog"];

/// Those that work through us in the call's INVITE and its answers only.
const INITIAL_OPTIONS: &[&str] = &["100rel"];

/// What a message is, for what goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The call's INVITE, or an answer to it.
    Initial,
    /// An answer whose Contacts are what it is about.
    Redirection,
    /// A request within a dialog, or an answer to one.
    Within,
}

/// Whether an option tag that a peer insists on is one that works through us.
pub(crate) fn is_transparent(option: &str, kind: Kind) -> bool {
    let initial = if kind == Kind::Initial { INITIAL_OPTIONS } else { &[] };
    let mut options = TRANSPARENT_OPTIONS.iter().chain(initial);
    options.any(|known| known.eq_ignore_ascii_case(option))
}

/// Adds Allow: what we take of that which the other side, which said `from`, takes. All that we take
/// if it did not say.
pub(super) fn with_allow(builder: Builder, from: &Message) -> Builder {
    if from.header(HeaderName::Allow).is_none() {
        return builder.header(HeaderName::Allow, ALLOW);
    }
    let theirs = from.list(HeaderName::Allow);
    let both = ALLOW.split(", ").filter(|ours| ALWAYS.contains(ours) || theirs.contains(ours));
    builder.header(HeaderName::Allow, both.collect::<Vec<_>>().join(", "))
}

/// Adds the header fields of `from` that go through.
///
/// `timer`: what becomes of its session timer.
pub(super) fn through(mut builder: Builder, from: &Message, kind: Kind, timer: Timer) -> Builder {
    for header in from.headers() {
        let is_timer = matches!(header.name, HeaderName::SessionExpires | HeaderName::MinSe);
        if names_a_dialog(header.raw_name) || (is_timer && timer == Timer::Strip) {
            continue;
        }
        match verdict(header.name) {
            Verdict::Pass => {
                // Names that have a compact form go out in the long one.
                builder = builder.header_named(header.raw_name, header.value);
            }
            Verdict::Contact if kind == Kind::Redirection => {
                builder = builder.header(HeaderName::Contact, header.value);
            }
            Verdict::Contact | Verdict::Stop | Verdict::Options | Verdict::Warning => {}
        }
    }
    for warning in from.list(HeaderName::Warning) {
        if let Some(warning) = by_us(warning) {
            builder = builder.header(HeaderName::Warning, warning);
        }
    }
    for name in [HeaderName::Require, HeaderName::Supported] {
        let kept: Vec<&str> =
            from.list(name).into_iter().filter(|option| is_transparent(option, kind)).collect();
        let is_kept =
            |option: &&str| timer != Timer::Strip || !option.eq_ignore_ascii_case("timer");
        let kept: Vec<&str> = kept.into_iter().filter(is_kept).collect();
        if !kept.is_empty() {
            builder = builder.header(name, kept.join(", "));
        }
    }
    if let Timer::Add(seconds) = timer {
        let value = format!("{seconds};refresher=uac");
        builder = builder.header(HeaderName::SessionExpires, value);
        builder = builder.header(HeaderName::Require, "timer");
    }
    builder
}

/// A Warning as if it were ours: who gave it is hidden (RFC 3261 section 20.43).
fn by_us(warning: &str) -> Option<String> {
    let (code, rest) = warning.split_once(' ')?;
    let (_agent, text) = rest.trim_start().split_once(' ')?;
    Some(format!("{code} {AGENT} {text}"))
}

/// Our name where one must be given.
const AGENT: &str = "holdline";

/// Header fields, that the lexer has no name for, that name a dialog of one side (RFC 4538, RFC 3911).
fn names_a_dialog(name: &str) -> bool {
    ["Target-Dialog", "Join"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

enum Verdict {
    /// Goes through as it is.
    Pass,
    /// Goes through in a redirection only.
    Contact,
    /// Goes through with the option tags that work through us.
    Options,
    /// Goes through in our name.
    Warning,
    /// Ends here.
    Stop,
}

fn verdict(name: HeaderName) -> Verdict {
    use HeaderName as H;
    match name {
        H::Contact => Verdict::Contact,
        H::Warning => Verdict::Warning,
        H::Require | H::Supported => Verdict::Options,
        // One leg's own, or written anew.
        H::Via
        | H::From
        | H::To
        | H::CallId
        | H::CSeq
        | H::MaxForwards
        | H::ContentLength
        | H::Route
        | H::RecordRoute
        | H::Path
        | H::ServiceRoute
        | H::Authorization
        | H::ProxyAuthorization
        | H::AuthenticationInfo
        | H::WwwAuthenticate
        | H::ProxyAuthenticate
        | H::Timestamp
        | H::ProxyRequire
        | H::Allow
        // Extensions that both ends would think they had agreed upon.
        | H::Unsupported
        // What a side runs on is its own.
        | H::UserAgent
        | H::Server
        | H::RSeq
        | H::RAck
        // Named anew, because each side knows another dialog ([`crate::replaces`]).
        | H::Replaces
        | H::ReferTo => Verdict::Stop,
        H::ContentType
        | H::SessionExpires
        | H::MinSe
        | H::Expires
        | H::MinExpires
        | H::Reason
        | H::RetryAfter
        | H::Date
        | H::Subject
        | H::Organization
        | H::Priority
        | H::Accept
        | H::AcceptEncoding
        | H::AcceptLanguage
        | H::AcceptContact
        | H::RejectContact
        | H::RequestDisposition
        | H::AlertInfo
        | H::CallInfo
        | H::ErrorInfo
        | H::InReplyTo
        | H::ReplyTo
        | H::MimeVersion
        | H::ContentDisposition
        | H::ContentEncoding
        | H::ContentLanguage
        | H::Event
        | H::AllowEvents
        | H::SubscriptionState
        | H::ReferredBy
        | H::Identity
        | H::Privacy
        | H::PAssertedIdentity
        | H::PPreferredIdentity
        | H::Diversion
        | H::HistoryInfo
        | H::Other => Verdict::Pass,
    }
}
