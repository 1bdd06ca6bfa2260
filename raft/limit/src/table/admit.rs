//! The verdict on an admission: everything is looked at first, then everything is taken, or nothing.

use std::net::IpAddr;

use holdline_model::limit::{Demand, LimitRefusal, Operation, Passage, Request, Shortage, Verdict};
use holdline_model::{Admit, CallId, CallRecord, Millis, Name, NodeId};

use super::LimitTable;
use crate::bucket::Bucket;
use crate::change::Record;
use crate::each::{BucketKey, value_of};
use crate::plan::{Penalty, cut};
use crate::refusals::Transaction;
use crate::tree::{MAX_RETRY_AFTER_MS, Taking};

/// An admission as the limits are asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    tenant: &'a Name,
    trunk: &'a Name,
    source: IpAddr,
    demand: &'a Demand,
}

/// What an admission takes when nothing is in the way.
#[derive(Default)]
struct Basket {
    /// By tree: the leaf, and what comes from where.
    classes: Vec<(usize, Taking)>,
    /// By set: which, and the bucket as it will be.
    buckets: Vec<(usize, BucketKey, Bucket)>,
    passage: Passage,
}

impl<'a> Ask<'a> {
    /// What an admission needs.
    #[must_use]
    pub const fn new(admit: &'a Admit) -> Self {
        let Admit { tenant, trunk, demand, .. } = admit;
        Self { tenant, trunk, source: admit.hop.peer.ip(), demand }
    }

    pub(super) const fn of_record(record: &'a CallRecord) -> Self {
        let admission = &record.admission;
        Self {
            tenant: &admission.tenant,
            trunk: &admission.trunk,
            source: admission.hop.peer.ip(),
            demand: &admission.demand,
        }
    }

    pub(super) fn request(&self) -> Request<'a> {
        Request {
            operation: Operation::Invite,
            pop: &self.demand.pop,
            tenant: self.tenant,
            trunk: self.trunk,
            source: self.source,
            caller: cut(&self.demand.caller),
            called: cut(&self.demand.called),
        }
    }
}

impl LimitTable {
    /// The verdict on a new call. What it needs is taken, unless it is refused; a refusal is
    /// remembered, so that the same INVITE is refused again, whoever proposes it.
    pub fn admit(&mut self, node: NodeId, at: Millis, call: CallId, admit: &Admit) -> Verdict {
        if self.settings.version == 0 {
            return Verdict::Admitted(Passage::default());
        }
        self.pass(node, at);
        self.forget(NOTES);
        let transaction = Transaction::of(admit);
        if let Some(refusal) = self.refusals.get(transaction) {
            return Verdict::Refused(refusal.clone());
        }
        let request = Ask::new(admit).request();
        if self.plan.is_emergency(request.called) {
            return Verdict::Admitted(Passage::default());
        }
        match self.pass_caps(call, &request, admit).and_then(|first| {
            let mut basket = self.fill_basket(&request)?;
            basket.passage.first = first;
            basket.passage.late_ms = self.clock.late_ms(node, at);
            Ok(basket)
        }) {
            Ok(basket) => Verdict::Admitted(self.take(basket)),
            Err(refusal) => self.refuse(transaction, refusal),
        }
    }

    /// The first target to which the call may go, in the order that the proposer has chosen.
    fn pass_caps(
        &self,
        call: CallId,
        request: &Request<'_>,
        admit: &Admit,
    ) -> Result<u16, LimitRefusal> {
        let trunks = admit.targets.iter().map(|target| Some(target.trunk.as_str()));
        let nowhere = admit.targets.is_empty().then_some(None);
        let mut first_refusal = None;
        for (at, trunk_out) in (0_u16..).zip(trunks.chain(nowhere)) {
            match self.calls.refuses(&self.plan, call, request, trunk_out) {
                None => return Ok(at),
                Some(refusal) => first_refusal = first_refusal.or(Some(refusal)),
            }
        }
        first_refusal.map_or(Ok(0), Err)
    }

    /// The verdict on a request that is not remembered: for replays of what has happened elsewhere.
    pub fn ask(&mut self, node: NodeId, at: Millis, request: &Request<'_>) -> Verdict {
        self.pass(node, at);
        self.forget(NOTES);
        if self.plan.is_emergency(request.called) {
            return Verdict::Admitted(Passage::default());
        }
        match self.fill_basket(request) {
            Ok(basket) => Verdict::Admitted(self.take(basket)),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn refuse(&mut self, transaction: Transaction, refusal: LimitRefusal) -> Verdict {
        self.refusals.put(transaction, refusal.clone(), self.clock.now_ms());
        self.dirty.insert(Record::Refusal(transaction));
        Verdict::Refused(refusal)
    }

    fn fill_basket(&mut self, request: &Request<'_>) -> Result<Basket, LimitRefusal> {
        let mut basket = Basket::default();
        let (plan, now_ms) = (self.plan.clone(), self.clock.now_ms());
        let cost = plan.cost(request.operation).0;
        for root in &plan.roots {
            let Some(leaf) = plan.leaf(*root, request) else { continue };
            let taking = self.levels.look(&plan, leaf, cost, now_ms).map_err(|short| {
                self.levels.level_mut(short.class, |level| level.refused += 1);
                short.refusal(&plan)
            })?;
            basket.passage.hold_ms = basket.passage.hold_ms.max(taking.hold_ms);
            for at in &taking.marks {
                if let Some(Penalty::Mark { header }) = plan.classes.get(*at).map(|c| &c.penalty) {
                    basket.passage.marks.push(header.clone());
                }
            }
            basket.classes.push((leaf, taking));
        }
        for (at, each) in plan.each.iter().enumerate() {
            // Buckets on demand are for calls: a node could not lease tokens of each.
            if request.operation != Operation::Invite || !each.matcher.takes(request, None) {
                continue;
            }
            let value = value_of(each.by, request, None);
            let (key, mut bucket) = self.buckets.look(each, &value, now_ms);
            let wait_ms = bucket.wait_ms(cost, each.shape);
            match &each.penalty {
                _ if wait_ms == 0 => {
                    bucket.take(cost);
                    basket.buckets.push((at, key, bucket));
                }
                Penalty::Mark { header } => basket.passage.marks.push(header.clone()),
                Penalty::Drop { status } | Penalty::Delay { status, .. } => {
                    return Err(LimitRefusal {
                        class: each.name.clone(),
                        shortage: Shortage::Tokens,
                        status: *status,
                        retry_after_ms: wait_ms.clamp(1, MAX_RETRY_AFTER_MS),
                    });
                }
            }
        }
        Ok(basket)
    }

    fn take(&mut self, basket: Basket) -> Passage {
        for (leaf, taking) in &basket.classes {
            self.levels.take(&self.plan, *leaf, taking);
        }
        for (at, key, bucket) in basket.buckets {
            if let Some(each) = self.plan.each.get(at) {
                self.dirty.insert(Record::Bucket(key.clone()));
                self.buckets.put(each, key, bucket);
            }
        }
        basket.passage
    }
}

/// Notes of buckets that one admission looks at: more than it can make.
const NOTES: usize = 2 * holdline_model::limits::MAX_LIMIT_EACH;
