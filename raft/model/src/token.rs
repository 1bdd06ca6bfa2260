//! How our tags, branches and Call-IDs carry the call, and so the slot, so that every node can tell
//! from a message alone whose it is (design, section 2).
//!
//! | where | form |
//! |---|---|
//! | tag towards the caller | `hl` call `a`; of one of several targets that are tried together, also its index |
//! | tag towards the callee | `hl` call `b` |
//! | Call-ID of the callee's leg | `hl` call `c` |
//! | branch | `z9hG4bKhl` call `.` suffix |
//! | tag of an answer that keeps no state | `hl` 20 zeros `s` |
//!
//! where call is the text form of a [`CallId`].

use crate::{CallId, SlotId};

/// What kind of token carried the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Our tag in the dialog with the caller.
    CallerTag,
    /// Our tag in the dialog with the callee.
    CalleeTag,
    /// The Call-ID of the dialog with the callee.
    CalleeCallId,
    /// A branch of a request of ours.
    Branch,
    /// The tag of a stateless answer: there is no call.
    Stateless,
}

/// A token of ours, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The call it names; meaningless when `kind` is [`TokenKind::Stateless`].
    pub call: CallId,
    /// What it was.
    pub kind: TokenKind,
}

const MARK: &str = "hl";
const BRANCH_MARK: &str = "z9hG4bKhl";
const NO_CALL: CallId = CallId { slot: SlotId(0), nonce: 0 };

impl Token {
    /// Reads a tag or a Call-ID of ours; `None` if it is somebody else's.
    #[must_use]
    pub fn from_tag(text: &[u8]) -> Option<Self> {
        let (call, kind) =
            text.strip_prefix(MARK.as_bytes())?.split_at_checked(CallId::TEXT_LEN)?;
        let kind = match kind {
            [b'a', index @ ..] if index.iter().all(u8::is_ascii_digit) => TokenKind::CallerTag,
            b"b" => TokenKind::CalleeTag,
            b"c" => TokenKind::CalleeCallId,
            b"s" => TokenKind::Stateless,
            _ => return None,
        };
        Some(Self { call: CallId::from_ascii(call)?, kind })
    }

    /// Reads a branch of ours; `None` if it is somebody else's.
    #[must_use]
    pub fn from_branch(text: &[u8]) -> Option<Self> {
        let (call, rest) =
            text.strip_prefix(BRANCH_MARK.as_bytes())?.split_at_checked(CallId::TEXT_LEN)?;
        rest.strip_prefix(b".")?;
        Some(Self { call: CallId::from_ascii(call)?, kind: TokenKind::Branch })
    }

    /// Our tag in the dialog with the caller.
    #[must_use]
    pub fn caller_tag(call: CallId) -> String {
        of(call, "a")
    }

    /// Our tag in the dialog with the caller that one of several targets makes.
    #[must_use]
    pub fn branch_tag(call: CallId, attempt: u16) -> String {
        of(call, &format!("a{attempt}"))
    }

    /// Our tag in the dialog with the callee.
    #[must_use]
    pub fn callee_tag(call: CallId) -> String {
        of(call, "b")
    }

    /// The Call-ID of the dialog with the callee.
    #[must_use]
    pub fn callee_call_id(call: CallId) -> String {
        of(call, "c")
    }

    /// A branch; `suffix` tells the requests of one call apart and is a SIP token.
    #[must_use]
    pub fn branch(call: CallId, suffix: &str) -> String {
        [BRANCH_MARK, call.to_string().as_str(), ".", suffix].concat()
    }

    /// The tag of an answer that keeps no state.
    #[must_use]
    pub fn stateless_tag() -> String {
        of(NO_CALL, "s")
    }
}

/// A tag or a Call-ID.
fn of(call: CallId, kind: &str) -> String {
    [MARK, call.to_string().as_str(), kind].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId { slot: SlotId(7), nonce: 0xfeed };

    #[test]
    fn tags_tell_call_and_side() {
        for (text, kind) in [
            (Token::caller_tag(CALL), TokenKind::CallerTag),
            (Token::branch_tag(CALL, 11), TokenKind::CallerTag),
            (Token::callee_tag(CALL), TokenKind::CalleeTag),
            (Token::callee_call_id(CALL), TokenKind::CalleeCallId),
        ] {
            assert_eq!(Token::from_tag(text.as_bytes()), Some(Token { call: CALL, kind }));
        }
        let stateless = Token::from_tag(Token::stateless_tag().as_bytes());
        assert_eq!(stateless.map(|token| token.kind), Some(TokenKind::Stateless));
    }

    #[test]
    fn branches_tell_the_call() {
        let branch = Token::branch(CALL, "i0");
        let token = Token { call: CALL, kind: TokenKind::Branch };
        assert_eq!(Token::from_branch(branch.as_bytes()), Some(token));
    }

    #[test]
    fn foreign_tokens_are_not_ours() {
        for text in
            ["", "hl", "hello", "z9hG4bK776asdhds", "hl0007000000000000feedx", "z9hG4bKhl0007"]
        {
            assert_eq!(Token::from_tag(text.as_bytes()), None, "{text}");
            assert_eq!(Token::from_branch(text.as_bytes()), None, "{text}");
        }
    }
}
