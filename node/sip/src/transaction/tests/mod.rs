//! Exact outputs on virtual time.
