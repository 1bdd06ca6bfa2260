//! Which requests are meant.

use holdline_model::limit::{LimitFault, Match, Operation, Request};
use holdline_model::{Cidr, Name};

/// A [`Match`], made ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matcher {
    operation: Vec<Operation>,
    pop: Vec<Name>,
    tenant: Vec<Name>,
    trunk: Vec<Name>,
    trunk_out: Vec<Name>,
    source: Vec<Cidr>,
    caller: Vec<Name>,
    called: Vec<Name>,
}

impl Matcher {
    pub(crate) fn new(name: &Name, matches: &Match) -> Result<Self, LimitFault> {
        let block = |text: &String| {
            let fault =
                || LimitFault::Source { class: name.clone(), source_text: text.as_str().into() };
            text.parse::<Cidr>().map_err(|_| fault())
        };
        Ok(Self {
            operation: matches.operation.clone(),
            pop: matches.pop.clone(),
            tenant: matches.tenant.clone(),
            trunk: matches.trunk.clone(),
            trunk_out: matches.trunk_out.clone(),
            source: matches.source.iter().map(block).collect::<Result<_, _>>()?,
            caller: matches.caller.clone(),
            called: matches.called.clone(),
        })
    }

    /// Whether it is only for some operations.
    pub(crate) const fn names_operation(&self) -> bool {
        !self.operation.is_empty()
    }

    /// Whether a request is meant; `trunk_out` is where the call goes, if that matters.
    pub(crate) fn takes(&self, request: &Request<'_>, trunk_out: Option<&str>) -> bool {
        (self.operation.is_empty() || self.operation.contains(&request.operation))
            && is_one_of(&self.pop, request.pop)
            && is_one_of(&self.tenant, request.tenant)
            && is_one_of(&self.trunk, request.trunk)
            && (self.trunk_out.is_empty()
                || trunk_out.is_some_and(|trunk| is_one_of(&self.trunk_out, trunk)))
            && (self.source.is_empty()
                || self.source.iter().any(|block| block.contains(request.source)))
            && begins_with_one_of(&self.caller, request.caller)
            && begins_with_one_of(&self.called, request.called)
    }
}

fn is_one_of(names: &[Name], name: &str) -> bool {
    names.is_empty() || names.iter().any(|one| one.as_str() == name)
}

fn begins_with_one_of(prefixes: &[Name], text: &str) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
}
