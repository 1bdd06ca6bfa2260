//! `Cancel`: the call is being given up. The first cause stays.

use holdline_model::{CallRecord, Cancel, Reply};

use crate::Outcome;

pub(crate) fn apply(record: &mut CallRecord, cancel: Cancel) -> Outcome {
    record.cancel.get_or_insert(cancel.cause);
    Ok(Reply::Done)
}
