//! A panic ends the process: a node that lost a task would hold its lease and its addresses while
//! doing half of its work. Dead, it is replaced within a second.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};

/// Logs every panic, in whichever thread or task, and aborts the process.
///
/// Call it after the log is set up. It replaces the hook that was there.
pub fn install() {
    panic::set_hook(Box::new(|info| {
        report(info);
        std::process::abort();
    }));
}

fn report(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(
        message = info.payload_as_str().unwrap_or("a payload that is no text"),
        location,
        thread,
        backtrace = %Backtrace::force_capture(),
        "panic: the process ends, so that another node takes over; please report this",
    );
}
