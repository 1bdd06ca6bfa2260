//! The admin API's view of bans, heavy hitters and overload.

use std::net::IpAddr;

use async_trait::async_trait;
use holdline_call::Allowed;
use holdline_guard::Ban;
use holdline_model::Cidr;
use holdline_model::limit::{Operation, Request};
use tokio::sync::oneshot;

use super::api::Api;
use crate::admin::seam::{BanRequest, ClusterApiError, ProtectionApi, ProtectionFacts};
use crate::protect::keeper::News;
use crate::protect::tops::{Dimension, TopList};

#[async_trait]
impl ProtectionApi for Api {
    fn protection(&self) -> ProtectionFacts {
        let (sources, max_sources) = self.protection.sources();
        let now = self.clock.now();
        let (overload, load) = self.protection.overload();
        ProtectionFacts {
            node: self.me,
            now,
            overload,
            load,
            calls: self.protection.gate.counts(),
            sources,
            max_sources,
            bans: self.protection.bans.load().in_force(now).count(),
            leases: self.protection.allowances.facts(),
        }
    }

    fn allow(&self, source: IpAddr, again: bool) -> Allowed {
        let request = Request {
            operation: Operation::Api,
            pop: &self.pop,
            tenant: "",
            trunk: "",
            source,
            caller: "",
            called: "",
        };
        self.protection.allowances.take(&request, again)
    }

    fn top(&self, dimension: Dimension, limit: usize, here: bool) -> TopList {
        let now_ns = self.clock.elapsed_ns();
        if here {
            return self.protection.tops.local(dimension, now_ns, limit);
        }
        self.protection.tops.merged(dimension, now_ns, limit, &self.heard.borrow())
    }

    fn bans(&self) -> Vec<Ban> {
        self.protection.bans.load().in_force(self.clock.now()).copied().collect()
    }

    async fn ban(&self, request: BanRequest) -> Result<Ban, ClusterApiError> {
        let BanRequest { block, for_ms, scope } = request;
        let until = self.clock.now().plus_ms(for_ms);
        let (reply, outcome) = oneshot::channel();
        self.protection.tell(News::Add { block, until, scope, reply });
        Ok(outcome.await.map_err(|_| ClusterApiError::Overloaded)??)
    }

    async fn lift_ban(&self, block: Cidr) -> Result<(), ClusterApiError> {
        let (reply, outcome) = oneshot::channel();
        self.protection.tell(News::Remove { block, reply });
        Ok(outcome.await.map_err(|_| ClusterApiError::Overloaded)??)
    }
}
