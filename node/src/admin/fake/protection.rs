//! Bans and heavy hitters of the fake cluster.

use std::net::IpAddr;

use async_trait::async_trait;
use holdline_call::Allowed;
use holdline_guard::{
    Ban, BanError, BanReason, BanScope, GateCounts, Heavy, Load, OverloadState, PurseCounts,
};
use holdline_model::{Cidr, NodeId};

use super::{Fake, START};
use crate::admin::seam::{BanRequest, ClusterApiError, ProtectionApi, ProtectionFacts};
use crate::protect::allowances::LeaseFacts;
use crate::protect::tops::{Dimension, TopList};

/// Whether there is a token for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    Here,
    Asked,
    Spent,
}

fn counts() -> PurseCounts {
    let whole = holdline_guard::Tokens::whole;
    let (granted, taken, left, returned) = (whole(20), whole(11), whole(6), whole(3));
    PurseCounts { granted, taken, returned, refused: whole(1), left }
}

/// Never banned in the fake cluster.
pub(crate) const TRUSTED: &str = "192.0.2.0/24";

#[async_trait]
impl ProtectionApi for Fake {
    fn protection(&self) -> ProtectionFacts {
        ProtectionFacts {
            node: NodeId(1),
            now: START,
            overload: OverloadState::Limited { per_second: 450 },
            load: Load {
                queue_ns: 21_000_000,
                dropped: 0,
                decided: 45,
                lag_ns: 1_000_000,
                commit_ns: 4_000_000,
            },
            calls: GateCounts { admitted: 1_000, refused: 20, emergencies: 1 },
            sources: 12,
            max_sources: 65_536,
            bans: self.banned.lock().unwrap().len(),
            leases: vec![LeaseFacts { class: "phones".into(), counts: counts(), is_valid: true }],
        }
    }

    fn allow(&self, _source: IpAddr, _again: bool) -> Allowed {
        let throttled = |retry_after_ms| {
            let class = "operators".into();
            holdline_call::Throttled { class, status: 503, retry_after_ms }
        };
        let mut tokens = self.tokens.lock().unwrap();
        match tokens.pop_front() {
            None | Some(Tokens::Here) => Allowed::Pass,
            Some(Tokens::Asked) => Allowed::Wait(throttled(1_000)),
            Some(Tokens::Spent) => Allowed::Refused(throttled(2_400)),
        }
    }

    fn top(&self, dimension: Dimension, limit: usize, here: bool) -> TopList {
        let keys = match dimension {
            Dimension::Sources => ["198.51.100.7", "192.0.2.1"],
            Dimension::Tenants => ["acme", "default"],
            Dimension::Callers | Dimension::Destinations => ["+4969100", "+4969200"],
        };
        let items = keys.into_iter().zip([90, 10]);
        let items = items.map(|(key, count)| Heavy { key: key.to_owned(), count }).take(limit);
        let nodes = if here { 1 } else { 3 };
        TopList { items: items.collect(), over_ms: 42_000, total: 120, error: 1, nodes }
    }

    fn bans(&self) -> Vec<Ban> {
        let blocks = self.banned.lock().unwrap();
        blocks.iter().map(|block| ban(*block, 60_000, BanScope::New)).collect()
    }

    async fn ban(&self, request: BanRequest) -> Result<Ban, ClusterApiError> {
        let BanRequest { block, for_ms, scope } = request;
        let allowed: Cidr = TRUSTED.parse().unwrap();
        if allowed.overlaps(&block) {
            return Err(BanError::Allowed { block, allowed }.into());
        }
        self.banned.lock().unwrap().insert(block);
        Ok(ban(block, for_ms, scope))
    }

    async fn lift_ban(&self, block: Cidr) -> Result<(), ClusterApiError> {
        let known = self.banned.lock().unwrap().remove(&block);
        if known { Ok(()) } else { Err(BanError::Unknown { block }.into()) }
    }
}

fn ban(block: Cidr, for_ms: u64, scope: BanScope) -> Ban {
    let (until, reason) = (START.plus_ms(for_ms), BanReason::Operator);
    Ban { block, until, at: START, by: NodeId(1), reason, scope, lifted: false }
}
