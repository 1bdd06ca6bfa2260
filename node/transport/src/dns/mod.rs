//! Names: asking name servers, and remembering what they said.
//!
//! What has to be asked, and what follows from the answers, is [`holdline_sip::locate`]'s business. Here are
//! the asking ([`Resolve`], with hickory behind [`Dns`]) and the [`Locator`], which joins the two.
//!
//! Invariant: only [`Locator::find`] waits. [`Locator::last`] never does, so that whoever handles
//! messages can ask it.
//! Invariant: questions under way, and what is remembered, are bounded.

mod hickory;
mod locator;

use std::fmt::Debug;

use async_trait::async_trait;
use holdline_sip::locate::{Question, Reply};

pub use hickory::{Dns, DnsError, DnsOptions};
pub use locator::{Locator, LocatorOptions};

/// Whoever can be asked: name servers, or a test's own idea of them.
#[async_trait]
pub trait Resolve: Debug + Send + Sync {
    /// Asks. Takes as long as it takes; the [`Locator`] gives up in time.
    async fn ask(&self, question: &Question) -> Reply;
}
