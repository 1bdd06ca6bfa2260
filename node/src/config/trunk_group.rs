//! `[[trunk_group]]`: trunks that serve the same numbers, and how calls are dealt out among them.

use std::num::NonZeroU16;

use holdline_call::{GroupMember, HashOver, Policy, TrunkGroup, WhenDown};
use holdline_model::Name;
use serde::Deserialize;
use toml::Spanned;

use super::TrunkConfig;
use super::error::{Fault, nearest};
use super::locate::Checker;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrunkGroup {
    name: Spanned<String>,
    #[serde(default)]
    policy: RawPolicy,
    hash_over: Option<Spanned<RawHashOver>>,
    #[serde(default)]
    when_down: RawWhenDown,
    members: Spanned<Vec<Spanned<RawMember>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    trunk: Spanned<String>,
    weight: Option<Spanned<u64>>,
    priority: Option<Spanned<u64>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawPolicy {
    #[default]
    InOrder,
    RoundRobin,
    Weighted,
    LeastCalls,
    LowestLatency,
    Hash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawHashOver {
    CallId,
    Source,
    User,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawWhenDown {
    #[default]
    Try,
    Refuse,
}

pub(super) fn build_all(
    check: &mut Checker<'_>,
    raw: Vec<Spanned<RawTrunkGroup>>,
    trunks: &[TrunkConfig],
) -> Vec<TrunkGroup> {
    let mut groups: Vec<TrunkGroup> = Vec::with_capacity(raw.len());
    for raw in raw {
        let raw = raw.into_inner();
        let name = raw.name.get_ref();
        let is_taken = groups.iter().any(|other| other.name.as_str() == name)
            || trunks.iter().any(|trunk| trunk.name.as_str() == name);
        if is_taken {
            let fault = Fault::Duplicate { value: name.clone() };
            check.fault("trunk_group.name", raw.name.span(), fault);
        }
        groups.push(raw.build(check, trunks));
    }
    groups
}

impl RawTrunkGroup {
    fn build(self, check: &mut Checker<'_>, trunks: &[TrunkConfig]) -> TrunkGroup {
        check.name("trunk_group.name", &self.name);
        let policy = self.policy(check);
        let count = u64::try_from(self.members.get_ref().len()).unwrap_or(u64::MAX);
        let max = u64::try_from(TrunkGroup::MAX_MEMBERS).unwrap_or(u64::MAX);
        check.range("trunk_group.members", &Spanned::new(self.members.span(), count), 1..max + 1);
        let name = self.name.into_inner();
        let mut members: Vec<GroupMember> = Vec::new();
        for raw in self.members.into_inner() {
            let raw = raw.into_inner();
            if members.iter().any(|other| other.trunk.as_str() == raw.trunk.get_ref()) {
                let fault = Fault::Duplicate { value: raw.trunk.get_ref().clone() };
                check.fault("trunk_group.members", raw.trunk.span(), fault);
            }
            let member = raw.build(check, trunks);
            let trunk = trunks.iter().find(|trunk| trunk.name == member.trunk);
            if policy == Policy::LowestLatency && trunk.is_some_and(|trunk| !trunk.probe) {
                check.warn(format!(
                    "trunk group \"{name}\" goes by latency, but trunk \"{}\" is not probed: its \
                     latency is only measured while it has calls; set probe = true",
                    member.trunk
                ));
            }
            members.push(member);
        }
        let when_down = match self.when_down {
            RawWhenDown::Try => WhenDown::Try,
            RawWhenDown::Refuse => WhenDown::Refuse,
        };
        TrunkGroup { name: Name::from(name), policy, members, when_down }
    }

    fn policy(&self, check: &mut Checker<'_>) -> Policy {
        let over = self.hash_over.as_ref().map(|over| *over.get_ref());
        if let (Some(over), true) = (&self.hash_over, self.policy != RawPolicy::Hash) {
            check.fault("trunk_group.hash_over", over.span(), Fault::OnlyWithHash);
        }
        match self.policy {
            RawPolicy::InOrder => Policy::InOrder,
            RawPolicy::RoundRobin => Policy::RoundRobin,
            RawPolicy::Weighted => Policy::Weighted,
            RawPolicy::LeastCalls => Policy::LeastCalls,
            RawPolicy::LowestLatency => Policy::LowestLatency,
            RawPolicy::Hash => Policy::Hash(match over {
                None | Some(RawHashOver::CallId) => HashOver::CallId,
                Some(RawHashOver::Source) => HashOver::Source,
                Some(RawHashOver::User) => HashOver::User,
            }),
        }
    }
}

impl RawMember {
    fn build(self, check: &mut Checker<'_>, known: &[TrunkConfig]) -> GroupMember {
        if !known.iter().any(|trunk| trunk.name.as_str() == self.trunk.get_ref()) {
            let found = self.trunk.get_ref().clone();
            let nearest = nearest(&found, known.iter().map(|trunk| trunk.name.as_str()));
            let fault = Fault::UnknownTrunk { found, nearest };
            check.fault("trunk_group.members", self.trunk.span(), fault);
        }
        let max = u64::from(GroupMember::MAX_WEIGHT);
        let weight = self.weight.map_or(1, |raw| check.range("weight", &raw, 1..max + 1));
        let weight = u16::try_from(weight).ok().and_then(NonZeroU16::new);
        let priority = self
            .priority
            .map_or(DEFAULT_PRIORITY, |raw| check.range("priority", &raw, 0..MAX_PRIORITY + 1));
        GroupMember {
            trunk: Name::from(self.trunk.into_inner()),
            weight: weight.unwrap_or(NonZeroU16::MIN),
            priority: u16::try_from(priority).unwrap_or(u16::MAX),
        }
    }
}

const DEFAULT_PRIORITY: u64 = 1;
const MAX_PRIORITY: u64 = 1_000;
