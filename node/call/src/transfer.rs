//! New calls that name a dialog of another call: to take its place (`Replaces`, RFC 3891), as the last step of an
//! attended transfer, or to show that its sender takes part in it (`Target-Dialog`, RFC 4538).
//!
//! The call that is named may be anybody's: its ids are looked up in the replicated state.

use holdline_model::{CallId, CallRecord, Target};
use holdline_sip::message::{HeaderName, Message};

use crate::call::Request;
use crate::messages::Refuse;
use crate::replaces::{self, DialogName};
use crate::{CallEngine, Refusal};

/// What the dialogs that an INVITE names lead to.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Whoever has the dialog that is to be replaced.
    pub(crate) target: Option<Target>,
    /// Header fields that name dialogs as the callee knows them.
    pub(crate) fields: Vec<String>,
}

impl CallEngine {
    /// Looks the dialogs up that an INVITE names; the refusal, if one is not there.
    pub(crate) fn named_dialogs(&self, request: &Request) -> Result<Named, (Refuse, Refusal)> {
        let message = &request.message;
        let mut fields = Vec::new();
        if let Some(value) = field(message, "Target-Dialog")
            && let Some(name) = DialogName::of_target_dialog(value)
            && let Some(record) = name.call().and_then(|(call, _)| self.any_call(call))
            && let Some((_, dialog)) = name.other_dialog(&record)
            && let Some(value) = replaces::target_dialog(dialog)
        {
            // One that is unknown is left out: what it would have proved is not proved.
            fields.push(format!("Target-Dialog: {value}"));
        }
        let Some(value) = message.header(HeaderName::Replaces) else {
            return Ok(Named { target: None, fields });
        };
        let target = std::str::from_utf8(value).ok().and_then(|value| self.replaced(value, fields));
        match target {
            Some(target) => Ok(Named { target: Some(target), fields: Vec::new() }),
            // RFC 3891 section 3.
            None => Err((Refuse::NoDialog, Refusal::NoDialog)),
        }
    }

    /// Whom an INVITE that replaces this dialog goes to, wherever it was dialled.
    fn replaced(&self, value: &str, mut fields: Vec<String>) -> Option<Target> {
        let name = DialogName::of_replaces(value)?;
        let (call, _) = name.call()?;
        let record = self.any_call(call)?;
        let (side, dialog) = name.other_dialog(&record)?;
        if name.is_early_only {
            // It is up.
            return None;
        }
        let trunk = record.trunk(side)?.clone();
        fields.push(format!("Replaces: {}", replaces::replaces(dialog, false)?));
        Some(Target {
            trunk,
            hop: dialog.hop,
            uri: dialog.remote_target.clone(),
            together: false,
            routes: dialog.route_set.clone(),
            fields,
            redirects: 0,
        })
    }

    /// A call, whoever owns it: our own as we know it, others as this node has applied them.
    fn any_call(&self, call: CallId) -> Option<CallRecord> {
        match self.record(call) {
            Some(record) => Some(record.clone()),
            None => self.registrar.directory.call(call).ok().flatten(),
        }
    }
}

/// The value of a header field that the lexer has no name for.
fn field<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut fields = message.headers();
    let found = fields.find(|header| header.raw_name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok()
}
