//! Switches with a known bug, by which the harness is proved: each must be found out, by the checker
//! meant for it. The bugs are in the feature `mutants` of the switch, in the binary
//! `holdline-mutant` alone; `HOLDLINE_MUTANT` names the one in force (`holdline_model::mutant`).

/// A known bug.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with it.
    pub about: &'static str,
    /// What brings it to light: arguments of `jepsen run`.
    pub run: &'static str,
    /// The checker that must find it.
    pub checker: &'static str,
}

const fn mutant(
    name: &'static str,
    about: &'static str,
    run: &'static str,
    checker: &'static str,
) -> Mutant {
    Mutant { name, about, run, checker }
}

/// All of them.
pub const ALL: [Mutant; 10] = [
    mutant(
        "ack-before-sync",
        "the log is acknowledged before it is synced",
        "--fault power-cut-all,power-cut-all",
        "ledgers",
    ),
    mutant(
        "answer-before-commit",
        "the 100 leaves before the admission is committed",
        "--fault majority-gone",
        "rule-one",
    ),
    mutant(
        "no-epoch-check",
        "commands of a former epoch take effect",
        "--fault drain,drain,drain,drain --rate 80",
        "ledgers",
    ),
    mutant("no-lease", "a lease never ends", "--fault cut-leader-minority", "acting"),
    mutant(
        "cdr-on-the-owner-only",
        "only the owner of a call keeps its record",
        "--fault kill-follower",
        "cdr-once",
    ),
    mutant(
        "no-gratuitous-arp",
        "nobody is told that an address has moved",
        "--fault kill-long",
        "ledgers",
    ),
    mutant(
        "timer-without-commit",
        "a call that has lasted too long is hung up before that is committed",
        "--fault majority-gone-timer",
        "rule-one",
    ),
    mutant(
        "no-tombstone",
        "a call that has ended is forgotten at once",
        "--fault mute-kill,mute-kill",
        "no-481",
    ),
    mutant(
        "snapshot-without-tombstones",
        "calls that have ended are not in snapshots",
        "--fault kill-long --rate 20",
        "converge",
    ),
    mutant(
        "bucket-refilled-on-takeover",
        "the buckets of the limits are full again when a node takes slots over",
        "--workload limits --fault kill-follower",
        "limits",
    ),
];
