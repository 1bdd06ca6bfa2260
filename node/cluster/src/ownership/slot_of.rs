//! Which slot a new call gets: rendezvous hashing (Thaler and Ravishankar, 1998) of its Call-ID
//! over the slots of the home whose address it arrived at.
//!
//! Every node computes the same slot for an INVITE, its retransmissions, its CANCEL and its non-2xx
//! ACK. When slots are added or removed, only calls whose best slot changed get another one.
//!
//! Invariant: the hash is part of the protocol between nodes; it is pinned by a test. It is no
//! defence against callers who choose Call-IDs to fill one slot: that costs balance, nothing else.

use holdline_model::SlotId;

/// The slot of `slots` for a call with this Call-ID; `None` if `slots` is empty. The order of
/// `slots` does not matter.
#[must_use]
pub fn slot_of(call_id: &[u8], slots: &[SlotId]) -> Option<SlotId> {
    let key = fnv1a(call_id);
    // Equal weights are possible in theory: the slot's number decides then.
    slots.iter().copied().max_by_key(|slot| (weight(key, *slot), *slot))
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// Mixes key and slot with the finalizer of `SplitMix64`, so that all bits matter.
fn weight(key: u64, slot: SlotId) -> u64 {
    let mut mixed = key ^ (u64::from(slot.0) + 1).wrapping_mul(GOLDEN);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots(range: std::ops::Range<u16>) -> Vec<SlotId> {
        range.map(SlotId).collect()
    }

    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let all = slots(0..64);
        let got = ["", "a84b4c76e66710@pc33.atlanta.example", "1-2345@127.0.0.1", "x"]
            .map(|call_id| slot_of(call_id.as_bytes(), &all));
        assert_eq!(got, PINNED.map(|slot| Some(SlotId(slot))));
    }

    const PINNED: [u16; 4] = [44, 29, 25, 19];

    #[test]
    fn without_slots_there_is_none() {
        assert_eq!(slot_of(b"x", &[]), None);
    }

    #[test]
    fn calls_spread_evenly() {
        let all = slots(0..64);
        let mut counts = [0u32; 64];
        for number in 0..64_000 {
            let slot = slot_of(format!("{number}@192.0.2.1").as_bytes(), &all).unwrap();
            counts[usize::from(slot.0)] += 1;
        }
        // 1000 each on average, standard deviation 31: five of them on either side.
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least > 840 && *most < 1160, "{least} to {most} calls a slot");
    }

    proptest! {
        #[test]
        fn removing_another_slot_changes_nothing(call_id: Vec<u8>, gone in 0u16..64) {
            let all = slots(0..64);
            let before = slot_of(&call_id, &all).unwrap();
            let fewer: Vec<_> = all.into_iter().filter(|slot| slot.0 != gone).collect();
            let after = slot_of(&call_id, &fewer).unwrap();
            prop_assert!(before.0 == gone || before == after);
        }

        #[test]
        fn order_does_not_matter(call_id: Vec<u8>, count in 1u16..64) {
            let forth = slots(0..count);
            let back: Vec<_> = forth.iter().rev().copied().collect();
            prop_assert_eq!(slot_of(&call_id, &forth), slot_of(&call_id, &back));
        }
    }
}
