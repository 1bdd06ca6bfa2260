use holdline_model::{DisabledTrunk, Rejection, SetTrunk, State as _, limits};

use super::*;

fn set(cluster: &mut Cluster, trunk: &str, enabled: bool, at: u64) -> Reply {
    let set = SetTrunk { trunk: Name::from(trunk), enabled, at: Millis(at) };
    cluster.run(&Command::SetTrunk(set))
}

fn disabled(cluster: &Cluster) -> Vec<DisabledTrunk> {
    cluster.state.disabled_trunks().expect("maps do not fail").trunks
}

#[test]
fn a_trunk_is_disabled_once_and_enabled_again() {
    let mut cluster = Cluster::new();
    let before = cluster.index;
    assert_eq!(set(&mut cluster, "b", false, 10), Reply::At(before + 1));
    assert_eq!(set(&mut cluster, "a", false, 20), Reply::At(before + 2));
    assert_eq!(set(&mut cluster, "b", false, 30), Reply::At(before + 3));
    let of = |trunk: &str, since| DisabledTrunk { trunk: Name::from(trunk), since: Millis(since) };
    assert_eq!(disabled(&cluster), [of("a", 20), of("b", 10)], "by name, since the first time");
    set(&mut cluster, "b", true, 40);
    set(&mut cluster, "b", true, 50);
    assert_eq!(disabled(&cluster), [of("a", 20)]);
}

#[test]
fn neither_names_nor_their_number_grow_without_bound() {
    let mut cluster = Cluster::new();
    let out_of_bounds =
        |reply: &Reply| matches!(reply, Reply::Rejected(Rejection::OutOfBounds { .. }));
    assert!(out_of_bounds(&set(&mut cluster, "", false, 10)));
    assert!(out_of_bounds(&set(&mut cluster, &"x".repeat(65), false, 10)));
    for n in 0..limits::MAX_DISABLED_TRUNKS {
        assert!(matches!(set(&mut cluster, &n.to_string(), false, 10), Reply::At(_)));
    }
    assert!(out_of_bounds(&set(&mut cluster, "one more", false, 10)));
    assert!(matches!(set(&mut cluster, "7", false, 10), Reply::At(_)), "it is disabled already");
    set(&mut cluster, "7", true, 10);
    assert!(matches!(set(&mut cluster, "one more", false, 10), Reply::At(_)));
}
