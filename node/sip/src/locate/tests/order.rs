//! The order of trying (RFC 2782).

use super::super::{Location, Server};
use super::*;

fn server(name: &str, weight: u16, last: u8) -> Server {
    let addresses = vec![[192, 0, 2, last].into()];
    Server { name: name.to_owned(), transport: Transport::Udp, port: 5060, weight, addresses }
}

/// SplitMix64, as the engine's.
fn dice(seed: u64) -> impl FnMut(u32) -> u32 {
    let mut state = seed;
    move |most| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((value ^ (value >> 31)) % (u64::from(most) + 1)).unwrap()
    }
}

fn lasts(location: &Location, dice: &mut impl FnMut(u32) -> u32) -> Vec<u8> {
    let places = location.draw(16, dice).into_iter();
    places
        .map(|place| place.address.to_string().split([':', '.']).nth(3).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn the_same_dice_give_the_same_order() {
    let group = vec![server("a", 1, 1), server("b", 1, 2), server("c", 5, 3)];
    let location = Location { groups: vec![group, vec![server("d", 0, 4)]] };
    let orders = |seed| {
        let mut dice = dice(seed);
        (0..20).map(|_| lasts(&location, &mut dice)).collect::<Vec<_>>()
    };
    assert_eq!(orders(7), orders(7));
    assert_ne!(orders(7), orders(8));
    // A server of a later group is never tried before one of an earlier one.
    assert!(orders(7).iter().all(|order| order.last() == Some(&4) && order.len() == 4));
}

#[test]
fn the_first_is_chosen_in_proportion_to_the_weights() {
    let group = vec![server("a", 1, 1), server("b", 3, 2), server("c", 6, 3)];
    let location = Location { groups: vec![group] };
    let mut dice = dice(1);
    let mut firsts = [0_u32; 4];
    for _ in 0..10_000 {
        firsts[usize::from(lasts(&location, &mut dice)[0])] += 1;
    }
    // RFC 2782 rolls from 0 to the sum inclusive: 11 faces, of which the first has two.
    let share = |last: usize, of_eleven: u32| {
        let expected = 10_000 * of_eleven / 11;
        assert!(firsts[last].abs_diff(expected) < 200, "{firsts:?}");
    };
    share(1, 2);
    share(2, 3);
    share(3, 6);
}

#[test]
fn one_without_weight_is_tried_first_only_by_a_roll_of_nothing() {
    let group = vec![server("a", 10, 1), server("b", 0, 2)];
    let location = Location { groups: vec![group] };
    assert_eq!(lasts(&location, &mut |_| 0), [2, 1]);
    assert_eq!(lasts(&location, &mut |most| most.min(1)), [1, 2]);
    assert_eq!(lasts(&location, &mut |most| most), [1, 2]);
}

#[test]
fn the_addresses_of_a_server_follow_each_other_from_any_of_them() {
    let mut one = server("a", 0, 1);
    one.addresses = vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into(), [192, 0, 2, 3].into()];
    let location = Location { groups: vec![vec![one]] };
    assert_eq!(lasts(&location, &mut |most| most.min(1)), [2, 3, 1]);
    assert_eq!(location.draw(2, &mut |_| 0).len(), 2);
    assert!(location.has("::ffff:192.0.2.3".parse().unwrap()));
    assert!(!location.has("192.0.2.4".parse().unwrap()));
}
