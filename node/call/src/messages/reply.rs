//! Answers to a single request, that need nothing but the request: a repeated request gets the very
//! same answer again, so no state is kept for it.

use std::time::Duration;

use bytes::Bytes;
use holdline_model::{Hop, Token};
use holdline_sip::message::{Builder, HeaderName, Message, ParseError};

use super::pass;

/// Why, and with what, a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refuse {
    /// 400, with the reason phrase saying what is wrong.
    BadRequest(&'static str),
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    NotAllowed,
    /// 420: the options in Require that we do not have.
    BadExtension,
    /// 422 with Min-SE, in seconds.
    TooSmall(u32),
    /// 423 with Min-Expires, in seconds.
    TooBrief(u32),
    /// 480.
    Absent,
    /// 481.
    NoDialog,
    /// 482: the same request came another way.
    Merged,
    /// 483.
    TooManyHops,
    /// 491: it crosses a change of the other side's.
    Pending,
    /// 500: out of order, or not admitted.
    InternalError,
    /// 500 with Retry-After: an earlier one of the same side is not answered yet.
    Overlapping,
    /// 501.
    NotImplemented,
    /// 503 with Retry-After.
    Unavailable(Duration),
    /// 429 or 503 with Retry-After: a limit is reached.
    Limited {
        /// Which of the two.
        status: u16,
        /// When the limit will allow it.
        retry_after_ms: u64,
    },
}

impl Refuse {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::NotAllowed => 405,
            Self::BadExtension => 420,
            Self::TooSmall(_) => 422,
            Self::TooBrief(_) => 423,
            Self::Absent => 480,
            Self::NoDialog => 481,
            Self::Merged => 482,
            Self::TooManyHops => 483,
            Self::Pending => 491,
            Self::InternalError | Self::Overlapping => 500,
            Self::NotImplemented => 501,
            Self::Unavailable(_) => 503,
            Self::Limited { status, .. } => status,
        }
    }
}

/// A refusal. Its To tag is the stateless one, unless the request has a tag.
pub(crate) fn refuse(request: &Message, hop: Hop, why: Refuse) -> Bytes {
    let reason = match why {
        Refuse::BadRequest(reason) => reason,
        Refuse::Forbidden
        | Refuse::NotFound
        | Refuse::NotAllowed
        | Refuse::BadExtension
        | Refuse::TooSmall(_)
        | Refuse::TooBrief(_)
        | Refuse::Absent
        | Refuse::NoDialog
        | Refuse::Merged
        | Refuse::TooManyHops
        | Refuse::Pending
        | Refuse::Overlapping
        | Refuse::InternalError
        | Refuse::NotImplemented
        | Refuse::Unavailable(_)
        | Refuse::Limited { .. } => "",
    };
    let builder = Builder::response_to(request, why.status(), reason)
        .with_source(hop.peer)
        .to_tag(&Token::stateless_tag());
    match why {
        Refuse::NotAllowed | Refuse::NotImplemented => {
            builder.header(HeaderName::Allow, pass::ALLOW)
        }
        Refuse::BadExtension => {
            let kind = kind_of(request);
            let options = request.require();
            let unsupported: Vec<&str> =
                options.into_iter().filter(|option| !pass::is_transparent(option, kind)).collect();
            builder.header(HeaderName::Unsupported, unsupported.join(", "))
        }
        Refuse::Unavailable(after) => {
            builder.header(HeaderName::RetryAfter, after.as_secs().max(1).to_string())
        }
        Refuse::TooSmall(min) => builder.header_display(HeaderName::MinSe, min),
        Refuse::TooBrief(min) => builder.header_display(HeaderName::MinExpires, min),
        // RFC 3261 section 14.2: between 0 and 10 seconds.
        Refuse::Overlapping => builder.header(HeaderName::RetryAfter, "1"),
        Refuse::Limited { retry_after_ms, .. } => {
            let seconds = retry_after_ms.div_ceil(1_000).max(1);
            builder.header(HeaderName::RetryAfter, seconds.to_string())
        }
        Refuse::BadRequest(_)
        | Refuse::Forbidden
        | Refuse::NotFound
        | Refuse::Absent
        | Refuse::Pending
        | Refuse::NoDialog
        | Refuse::Merged
        | Refuse::TooManyHops
        | Refuse::InternalError => builder,
    }
    .finish()
}

/// Whether a request insists on an extension that does not work through us.
pub(crate) fn has_bad_extension(request: &Message) -> bool {
    let kind = kind_of(request);
    request.require().iter().any(|option| !pass::is_transparent(option, kind))
}

fn kind_of(request: &Message) -> pass::Kind {
    match request.to().tag {
        Some(_) => pass::Kind::Within,
        None => pass::Kind::Initial,
    }
}

/// The 200 to a BYE or CANCEL.
pub(crate) fn ok(request: &Message, hop: Hop, tag: &str) -> Bytes {
    Builder::response_to(request, 200, "").with_source(hop.peer).to_tag(tag).finish()
}

/// The 200 to an OPTIONS: what we can do.
pub(crate) fn options(request: &Message, hop: Hop) -> Bytes {
    Builder::response_to(request, 200, "")
        .with_source(hop.peer)
        .to_tag(&Token::stateless_tag())
        .header(HeaderName::Allow, pass::ALLOW)
        .header(HeaderName::Accept, "application/sdp")
        .header(HeaderName::Supported, "")
        .finish()
}

/// The answer to a request that could not be read, where there may be one.
pub(crate) fn malformed(error: &ParseError, hop: Hop) -> Option<Bytes> {
    let answer = Builder::answer(error)?;
    Some(answer.with_source(hop.peer).to_tag(&Token::stateless_tag()).finish())
}
