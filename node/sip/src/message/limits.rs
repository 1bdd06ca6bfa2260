//! Bounds of what the parser takes. Each has its own [`super::ParseErrorKind`], so that a counter
//! tells which one was passed.

/// Largest datagram, from the start line to the end of the body, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// Longest start line, in bytes.
pub const MAX_START_LINE_BYTES: usize = 4_096;

/// Longest header field, from its name to the end of its last folded line, in bytes.
pub const MAX_HEADER_BYTES: usize = 8_192;

/// Header fields in one message, counting each line that is not a continuation.
pub const MAX_HEADERS: usize = 256;

/// Values of one list header (Via, Route, Record-Route, Contact) over all its lines.
pub const MAX_LIST_VALUES: usize = 128;

/// Largest Max-Forwards value (RFC 3261 section 20.22).
pub const MAX_MAX_FORWARDS: u32 = 255;
