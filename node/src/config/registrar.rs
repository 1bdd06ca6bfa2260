//! `[registrar]`: the domains whose users register here, and the times and limits of registrations.

use std::num::NonZeroUsize;
use std::time::Duration;

use holdline_call::RegistrarOptions;
use holdline_model::limits;
use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::locate::Checker;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegistrar {
    #[serde(default)]
    domains: Vec<Spanned<String>>,
    min_expires_s: Option<Spanned<u64>>,
    max_expires_s: Option<Spanned<u64>>,
    default_expires_s: Option<Spanned<u64>>,
    max_bindings_per_user: Option<Spanned<u64>>,
    max_bindings: Option<Spanned<u64>>,
    when_full: Option<WhenFull>,
    nonce_life_ms: Option<Spanned<u64>>,
    max_nonces: Option<Spanned<u64>>,
    max_branches: Option<Spanned<u64>>,
}

/// What happens to a binding that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhenFull {
    /// It replaces the user's oldest one.
    ReplaceOldest,
    /// It is refused.
    Refuse,
}

impl RawRegistrar {
    pub(super) fn build(self, check: &mut Checker<'_>) -> RegistrarOptions {
        let mut options = RegistrarOptions::default();
        for domain in &self.domains {
            let text = domain.get_ref().to_ascii_lowercase();
            let fault = if holdline_model::Aor::new("user", &text).is_err() {
                Some(Fault::NotAName { found: text.clone() })
            } else if options.domains.contains(&text) {
                Some(Fault::Duplicate { value: text.clone() })
            } else {
                None
            };
            if let Some(fault) = fault {
                check.fault("registrar.domains", domain.span(), fault);
            }
            options.domains.push(text);
        }
        self.expiries(check, &mut options);
        let bounds = &mut options.bounds;
        if let Some(raw) = &self.max_bindings_per_user {
            let max = u64::try_from(limits::MAX_BINDINGS_PER_AOR).unwrap_or(u64::MAX);
            let found = check.range("registrar.max_bindings_per_user", raw, 1..max + 1);
            bounds.per_aor = u16::try_from(found).unwrap_or(bounds.per_aor);
        }
        if let Some(raw) = &self.max_bindings {
            let range = 1..limits::MAX_BINDINGS + 1;
            bounds.total = check.range("registrar.max_bindings", raw, range);
        }
        bounds.replace_oldest = self.when_full != Some(WhenFull::Refuse);
        let life = self.nonce_life_ms.as_ref();
        options.nonce_life =
            cluster::duration(check, "registrar.nonce_life_ms", life, options.nonce_life);
        if let Some(raw) = &self.max_nonces {
            let found = check.range("registrar.max_nonces", raw, 1..MAX_NONCES + 1);
            let found = usize::try_from(found).ok().and_then(NonZeroUsize::new);
            options.max_nonces = found.unwrap_or(options.max_nonces);
        }
        if let Some(raw) = &self.max_branches {
            let max = u64::try_from(limits::MAX_TARGETS).unwrap_or(u64::MAX);
            let found = check.range("registrar.max_branches", raw, 1..max + 1);
            let found = usize::try_from(found).ok().and_then(NonZeroUsize::new);
            options.max_branches = found.unwrap_or(options.max_branches);
        }
        options
    }

    fn expiries(&self, check: &mut Checker<'_>, options: &mut RegistrarOptions) {
        let mut seconds = |key: &str, raw: &Option<Spanned<u64>>, default: Duration| {
            let Some(raw) = raw else { return default };
            Duration::from_secs(check.range(key, raw, 1..MAX_EXPIRES_S + 1))
        };
        options.min_expires =
            seconds("registrar.min_expires_s", &self.min_expires_s, options.min_expires);
        options.max_expires =
            seconds("registrar.max_expires_s", &self.max_expires_s, options.max_expires);
        let default = options
            .default_expires
            .clamp(options.min_expires, options.max_expires.max(options.min_expires));
        options.default_expires =
            seconds("registrar.default_expires_s", &self.default_expires_s, default);
        let (min, max) = (options.min_expires.as_secs(), options.max_expires.as_secs());
        for (key, raw, found) in [
            ("registrar.max_expires_s", &self.max_expires_s, max),
            (
                "registrar.default_expires_s",
                &self.default_expires_s,
                options.default_expires.as_secs(),
            ),
        ] {
            if found < min || found > max {
                let span = raw.as_ref().or(self.min_expires_s.as_ref()).map(Spanned::span);
                check.fault(key, span.unwrap_or_default(), Fault::OutOfRange { found, min, max });
            }
        }
    }
}

/// A day: a device that is gone should not be called for longer.
const MAX_EXPIRES_S: u64 = 86_400;

const MAX_NONCES: u64 = 10_000_000;
