//! What a node does by itself: what each datagram, each new call and each leased token costs. The
//! bound for a leased token is 200 ns.

use std::net::IpAddr;

use holdline_guard::{
    Ban, BanReason, BanScope, Bans, Gate, Lender, LenderOptions, Purse, Seed, Shield,
    ShieldOptions, Take, Tokens, Top, TopOptions, Traffic,
};
use holdline_model::{Millis, NodeId};

use crate::calibrate;
use crate::meter::{Group, Meter, Pace, repeat};

const GROUP: Group = Group { name: "guard", pace: Pace::Processor };

pub(crate) fn run(meter: &mut dyn Meter) {
    if !meter.wants(&GROUP) {
        return;
    }
    calibrate::run(meter, &GROUP);
    let now_ns = 1;
    let purse = Purse::new();
    let mut lender = Lender::new(LenderOptions::default());
    repeat(meter, &GROUP, "lease_take", || {
        let taken = purse.take(now_ns, Tokens::ONE);
        if taken != Take::Taken {
            let _asked = lender.ask(now_ns, &purse);
            lender.replied(&purse, (now_ns, now_ns), Tokens::whole(1_000_000_000), u64::MAX, 0);
        }
        taken
    });
    let empty = Purse::new();
    repeat(meter, &GROUP, "lease_take_in_vain", || empty.take(now_ns, Tokens::ONE));
    let gate = Gate::new(2, 2);
    repeat(meter, &GROUP, "gate_open", || gate.enter(now_ns, false));
    gate.set(Some(1));
    repeat(meter, &GROUP, "gate_shut", || gate.enter(now_ns, false));
    sources(meter);
    numbers(meter);
}

fn sources(meter: &mut dyn Meter) {
    let mut shield = Shield::new(ShieldOptions::default(), Seed::new(1));
    let (mut now_ns, mut n) = (0_u64, 0_u32);
    let mut next = move |sources: u32| {
        now_ns += 1_000;
        n = n.wrapping_add(1);
        (now_ns, IpAddr::from((0x0a00_0000 + n % sources).to_be_bytes()))
    };
    repeat(meter, &GROUP, "shield_pass", || {
        let (now_ns, source) = next(10_000);
        shield.datagram(now_ns, source, Traffic::Request)
    });
    repeat(meter, &GROUP, "shield_refuse", || {
        let (now_ns, source) = next(1);
        shield.datagram(now_ns, source, Traffic::Request)
    });
    repeat(meter, &GROUP, "shield_invented_sources", || {
        let (now_ns, source) = next(u32::MAX >> 8);
        shield.datagram(now_ns, source, Traffic::Request)
    });
    let mut bans = Bans::new([].into_iter().collect(), 128);
    for n in 0..128_u8 {
        let block = format!("198.51.{n}.0/24").parse().expect("it is a block");
        let (until, by, reason) = (Millis(u64::MAX), NodeId(1), BanReason::Operator);
        let scope = BanScope::New;
        let ban = Ban { block, until, at: Millis(1), by, reason, scope, lifted: false };
        bans.add(Millis(1), ban).expect("there is room");
    }
    repeat(meter, &GROUP, "ban_not_found", || bans.find(Millis(2), next(10_000).1));
}

fn numbers(meter: &mut dyn Meter) {
    let mut top: Top<Box<str>> = Top::new(TopOptions::default(), Seed::new(1));
    let numbers: Vec<String> = (0..10_000).map(|n| format!("+4969{n:06}")).collect();
    let mut n = 0_usize;
    repeat(meter, &GROUP, "top_observe", || {
        n = (n + 1) % numbers.len();
        let number = numbers.get(n).map_or("", String::as_str);
        top.observe(1, number, |number: &str| number.into());
    });
}
