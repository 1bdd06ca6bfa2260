//! The tables: the same in the terminal and on the page.

use clap::ValueEnum;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::super::export::Export;
use super::super::figures::{Quantiles, Spread, Times, short};
use super::super::join::Join;
use super::super::load::{AddedByReplication, Load};
use super::super::overload::{Overload, Step};
use super::super::ramp::Ramp;
use super::super::run::Run;
use super::super::system::Kind;
use super::super::transports::OverTransport;
use super::super::up::Up;
use super::Report;

const MIB: f64 = 1_048_576.0;

/// A table with a title above it and words below it.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    pub(super) title: String,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

impl Report {
    /// The machine, as pairs of words.
    pub(super) fn circumstances(&self) -> Vec<(&'static str, String)> {
        let machine = &self.machine;
        let sync = machine.sync_ms.map_or("–".into(), short);
        vec![
            ("machine", format!("{} × {}", machine.processors, machine.processor)),
            ("memory", format!("{} MiB", machine.memory_mib)),
            ("kernel", format!("Linux {}", machine.kernel)),
            ("disk", format!("{}; writing and syncing 4 KiB takes {sync} ms", machine.disk)),
            ("commit", format!("{}, profile {}", machine.commit, machine.profile)),
            ("beside it", machine.peers.join("; ")),
            ("load before", format!("{} (mean of the last minute)", machine.load_before)),
            ("repeat", machine.command.clone()),
            ("systems", Self::legend().join("; ")),
            ("shared", "all servers, callers and callees share this one machine".into()),
        ]
    }

    /// All tables that have something to say.
    pub(super) fn grids(&self) -> Vec<Grid> {
        let all = [
            self.cost(),
            self.latency(),
            self.highest(),
            self.by_rate(),
            self.over_transports(),
            self.exports(),
            self.calls_up(),
            self.takeover_of_all(),
            self.long_ways(),
            self.overloads(),
            self.kills(),
            self.joins(),
        ];
        all.into_iter().filter(|grid| !grid.rows.is_empty()).collect()
    }

    /// What the short names of the tables mean.
    fn legend() -> Vec<String> {
        Kind::value_variants()
            .iter()
            .map(|kind| format!("{}: {}", kind.short(), kind.name()))
            .collect()
    }

    fn cost(&self) -> Grid {
        let (rate, runs) = self.load.first().map_or((0, 0), |load| (load.rate, load.runs.len()));
        let largest = |run: &Run| run.memory_mib.iter().copied().reduce(f64::max);
        let row = |load: &Load| {
            vec![
                load.system.short().to_owned(),
                format!("{} / {}", load.calls, load.failed),
                load.cpu_s.to_string(),
                short(load.cpu_user_s.median),
                short(load.cpu_system_s.median),
                median(load.idle_cpu),
                median(load.spread(|run| run.aftermath_cpu_s)),
                median(load.spread(largest)),
                median(load.spread(|run| Some(run.disk_bytes))),
                median(load.spread(|run| Some(run.wire_bytes))),
                median(load.spread(|run| run.node_bytes)),
                median(load.spread(|run| Some(run.others_cpu))),
            ]
        };
        Grid {
            title: format!(
                "Cost at {rate} calls/s: median (least–most) of {runs} interleaved runs"
            ),
            head: vec![
                "system",
                "calls /\nfailed",
                "CPU s\nper 1,000 calls",
                "of it\nuser",
                "of it\nsystem",
                "idle\nCPU s/s",
                "later CPU\ns/1,000",
                "MiB",
                "disk\nB/call",
                "wire\nB/call",
                "node\nB/call",
                "others",
            ],
            rows: self.load.iter().map(row).collect(),
            notes: NOTES_ON_COST.map(str::to_owned).into(),
        }
    }

    fn latency(&self) -> Grid {
        let row = |load: &Load| {
            let mut row = vec![load.system.short().to_owned()];
            row.push(load.invite.map_or("0".into(), |times| times.count.to_string()));
            row.extend(percentiles(load.invite));
            row.extend(percentiles(load.bye));
            row.push(median(load.spread(|run| run.commit.map(|q| q.p50_ms))));
            row.push(median(load.spread(|run| run.commit.map(|q| q.p99_ms))));
            row.push(median(load.spread(|run| run.sync.map(|q| q.p50_ms))));
            row.push(median(load.spread(|run| run.sync.map(|q| q.p99_ms))));
            row.push(median(load.spread(|run| run.commands_per_sync)));
            row
        };
        let mut notes: Vec<String> = NOTES_ON_LATENCY.map(str::to_owned).into();
        notes.extend(self.added_by_replication.map(|added| {
            let AddedByReplication { invite_p50_ms, invite_p99_ms, bye_p50_ms, bye_p99_ms } = added;
            format!(
                "Added by replication (three nodes minus one): INVITE→200 p50 {} ms, p99 {} ms; \
                 BYE→200 p50 {} ms, p99 {} ms.",
                short(invite_p50_ms),
                short(invite_p99_ms),
                short(bye_p50_ms),
                short(bye_p99_ms)
            )
        }));
        Grid {
            title: "Latency in ms at that rate, all runs together".into(),
            head: vec![
                "system",
                "probes",
                "INVITE→200\np50",
                "p95",
                "p99",
                "max",
                "BYE→200\np50",
                "p95",
                "p99",
                "max",
                "commit\np50",
                "p99",
                "sync\np50",
                "p99",
                "cmds/\nsync",
            ],
            rows: self.load.iter().map(row).collect(),
            notes,
        }
    }

    fn highest(&self) -> Grid {
        let row = |ramp: &Ramp| {
            let at = ramp.runs.iter().rev().find(|run| Some(run.rate) == ramp.highest);
            let cost = |number: fn(&Run) -> f64| at.map_or("–".into(), |run| short(number(run)));
            vec![
                ramp.system.short().to_owned(),
                ramp.highest.map_or("none".into(), |rate| rate.to_string()),
                ramp.failed_at.map_or("–".into(), |rate| rate.to_string()),
                cost(|run| run.cpu_s),
                cost(|run| run.cpu_user_s),
                cost(|run| run.cpu_system_s),
                at.and_then(|run| run.invite).map_or("–".into(), |times| short(times.p99_ms)),
                at.and_then(|run| run.commands_per_sync).map_or("–".into(), short),
            ]
        };
        Grid {
            title: "Highest rate without failures, calls/s".into(),
            head: vec![
                "system",
                "held",
                "not held",
                "CPU s/1,000\nthere",
                "user",
                "system",
                "INVITE→200\np99 ms",
                "cmds/\nsync",
            ],
            rows: self.ramp.iter().map(row).collect(),
            notes: vec![
                "Held: at most 0.1 % of the calls failed and SIPp placed at least 93 % of the rate, at the \
                 first or second try. not held –: it held every rate that was tried."
                    .into(),
            ],
        }
    }

    fn by_rate(&self) -> Grid {
        let row = |ramp: &Ramp, run: &Run| {
            vec![
                ramp.system.short().to_owned(),
                run.rate.to_string(),
                short(run.rate_reached),
                run.calls.to_string(),
                run.failed.to_string(),
                run.retransmissions.to_string(),
                short(run.cpu_s),
                run.invite.map_or("–".into(), |times| short(times.p50_ms)),
                run.invite.map_or("–".into(), |times| short(times.p99_ms)),
                short(run.sipp_cpu_s),
            ]
        };
        Grid {
            title: "Every run of the ramp".into(),
            head: vec![
                "system",
                "calls/s",
                "reached",
                "calls",
                "failed",
                "sent again",
                "CPU s/1,000",
                "INVITE→200\np50 ms",
                "p99",
                "SIPp's CPU\ns/1,000",
            ],
            rows: self
                .ramp
                .iter()
                .flat_map(|r| r.runs.iter().map(move |run| row(r, run)))
                .collect(),
            notes: Vec::new(),
        }
    }

    fn overloads(&self) -> Grid {
        let row = |step: &Step| {
            vec![
                step.rate.to_string(),
                short(step.offered_per_s),
                short(step.served_per_s),
                short(step.refused_per_s),
                step.failed.to_string(),
                step.invite.map_or("–".into(), |times| short(times.p50_ms)),
                step.invite.map_or("–".into(), |times| short(times.p99_ms)),
                format!("{} of {}", step.held_lost, step.held),
            ]
        };
        let word = |all: &Overload| {
            let peak = short(all.peak_per_s);
            let served = all.at_twice.map_or_else(
                || format!("At most {peak} calls/s were served; the nodes were never saturated."),
                |share| {
                    let per_cent = (share * 100.0).round();
                    format!("At twice the peak of {peak} calls/s, {per_cent} % of it are served.")
                },
            );
            match (&all.shares.nodes, &all.shares.callers) {
                (Some(nodes), Some(callers)) => format!(
                    "{served} Nodes on processors {nodes}, callers and callees on {callers}."
                ),
                _ => format!("{served} Nodes, callers and callees share one processor."),
            }
        };
        Grid {
            title: "More calls than three nodes can serve, all to one of them".into(),
            head: vec![
                "calls/s",
                "offered\nper s",
                "served\nper s",
                "refused\nper s",
                "failed",
                "INVITE→200\np50 ms",
                "p99",
                "calls up\nlost",
            ],
            rows: self.overload.iter().flat_map(|all| &all.steps).map(row).collect(),
            notes: self.overload.iter().map(word).collect(),
        }
    }

    fn over_transports(&self) -> Grid {
        let row = |over: &OverTransport| {
            let mut row = vec![
                over.transport.to_owned(),
                format!("{} / {}", over.calls, over.failed),
                over.cpu_s.to_string(),
                short(over.cpu_user_s.median),
                short(over.cpu_system_s.median),
            ];
            row.extend(percentiles(over.invite));
            row.extend(percentiles(over.bye));
            row
        };
        let rate = self.transports.first().map_or(0, |over| over.rate);
        Grid {
            title: format!("Three nodes at {rate} calls/s over each transport"),
            head: [
                &["transport", "calls /\nfailed", "CPU s\nper 1,000 calls", "user", "system"][..],
                &LATENCIES,
            ]
            .concat(),
            rows: self.transports.iter().map(row).collect(),
            notes: vec![
                "The same transport on both sides, one connection each; callers and callees are agents \
                 of our own, so compare these rows with each other."
                    .into(),
            ],
        }
    }

    fn exports(&self) -> Grid {
        let row = |export: &Export| {
            let run = &export.run;
            let mut row = vec![
                export.asked_mib_per_s.to_string(),
                short(export.reached_mib_per_s),
                format!("{} / {}", run.calls, run.failed),
                short(run.cpu_s),
            ];
            row.extend(percentiles(run.invite));
            row.extend(percentiles(run.bye));
            row
        };
        Grid {
            title: "Call detail records exported by the called node, beside the base rate".into(),
            head: [
                &["MiB/s", "reached", "calls /\nfailed", "CPU s\nper 1,000 calls"][..],
                &LATENCIES,
            ]
            .concat(),
            rows: self.export.iter().map(row).collect(),
            notes: vec!["CPU: that of the export included. 0 MiB/s: without one.".into()],
        }
    }

    fn joins(&self) -> Grid {
        let row = |join: &Join| {
            let times = |it: Option<Quantiles>| match it {
                Some(it) => format!("{} / {}", short(it.p50_ms), short(it.p99_ms)),
                None => "–".into(),
            };
            vec![
                join.records.to_string(),
                join.calls.to_string(),
                join.rate.to_string(),
                short(join.join_s),
                short(join.snapshot_bytes as f64 / MIB),
                times(join.before),
                times(join.during),
                format!("{} / {}", join.placed, join.failed),
            ]
        };
        Grid {
            title: "A node without anything joins".into(),
            head: vec![
                "records", "calls up", "calls/s", "safe after\ns", "snapshot\nMiB", "commits before\np50 / p99 ms",
                "meanwhile\np50 / p99 ms", "calls /\nfailed",
            ],
            rows: self.joins.iter().map(row).collect(),
            notes: vec![
                "Safe: it has a vote, and calls may fail over to it. Commits: at the three other nodes.".into(),
            ],
        }
    }

    fn calls_up(&self) -> Grid {
        let row = |up: &Up| {
            vec![
                up.calls.to_string(),
                short(up.set_up_s),
                short(up.empty_mib),
                short(up.owner_mib),
                short(up.replica_mib),
                short(up.idle_cpu),
                format!("{} / {}", up.run.calls, up.run.failed),
                short(up.run.cpu_s),
                up.run.invite.map_or("–".into(), |times| short(times.p50_ms)),
                up.run.invite.map_or("–".into(), |times| short(times.p99_ms)),
            ]
        };
        Grid {
            title: "Calls up on one node of three".into(),
            head: vec![
                "calls up",
                "set up in s",
                "MiB before",
                "MiB owner",
                "MiB replica",
                "idle\nCPU s/s",
                "new calls\n/ failed",
                "their CPU\ns/1,000",
                "INVITE→200\np50 ms",
                "p99",
            ],
            rows: self.up.iter().map(row).collect(),
            notes: self.up.first().zip(self.up.last()).map_or_else(Vec::new, |(few, many)| {
                if few.calls == many.calls {
                    return Vec::new();
                }
                vec![format!(
                    "A new call at {} calls up costs {} times that at {}.",
                    many.calls,
                    short(many.run.cpu_s / few.run.cpu_s),
                    few.calls
                )]
            }),
        }
    }

    fn takeover_of_all(&self) -> Grid {
        let time = |time: Option<f64>| time.map_or("–".into(), short);
        let row = |up: &Up| {
            let takeover = &up.takeover;
            vec![
                up.calls.to_string(),
                short(takeover.recovered),
                time(takeover.first_answer_ms),
                time(takeover.last_recovered_ms),
                time(takeover.last_delayed_answer_ms),
                time(takeover.wait.map(|wait| wait.p50_ms)),
                time(takeover.wait.map(|wait| wait.p99_ms)),
                time(takeover.wait.map(|wait| wait.max_ms)),
                format!("{} of {}", takeover.sampled_lost, takeover.sampled),
                short(takeover.ordinary_per_s),
                short(takeover.burst_per_s),
                short(takeover.burst_per_s / takeover.ordinary_per_s),
                short(up.restart_ms),
            ]
        };
        Grid {
            title: "Takeover of all of them: the owner is killed under load, ms from the kill".into(),
            head: vec![
                "calls up",
                "rebuilt",
                "first answer",
                "last rebuilt",
                "last late\nanswer",
                "BYE→200\np50",
                "p99",
                "max",
                "samples lost",
                "messages/s\nbefore",
                "most\nafter",
                "ratio",
                "ready\nagain",
            ],
            rows: self.up.iter().map(row).collect(),
            notes: vec![
                "ready again: from the start of the killed node's process, with the calls in its data folder, until \
                 it says that it is ready."
                    .into(),
                "rebuilt: calls and the tombstones of calls that ended in the last 32 s, by the survivor's own \
                 count, seen every 50 ms. Samples: calls of our own, one hung up every 5 ms from the kill on."
                    .into(),
                "last late answer: to a BYE that had to be repeated (0.5, 1.5, 3.5, 7.5 s after the first), from the \
                 kill. BYE→200: each sample's own wait. most after: SIP messages \
                 sent by the survivors, as a rate over 200 ms."
                    .into(),
            ],
        }
    }

    fn long_ways(&self) -> Grid {
        let trips = |trips: Option<f64>| trips.map_or("–".into(), short);
        let row = |pop: &super::super::pops::Pops| {
            vec![
                pop.round_trip_ms.to_string(),
                short(pop.measured_ms),
                pop.highest.map_or("none".into(), |rate| rate.to_string()),
                pop.failed_at.map_or("–".into(), |rate| rate.to_string()),
                trips(pop.leader_ring_round_trips),
                trips(pop.leader_answer_round_trips),
                trips(pop.ring_round_trips),
                trips(pop.answer_round_trips),
            ]
        };
        Grid {
            title: "Three sites: round trips between any two nodes".into(),
            head: vec![
                "ms",
                "measured",
                "calls/s held",
                "not held",
                "at leader,\n→180, trips",
                "at leader,\n→200, trips",
                "at follower,\n→180, trips",
                "at follower,\n→200, trips",
            ],
            rows: self.pops.iter().map(row).collect(),
            notes: vec![
                "Medians in round trips as measured, at the lowest rate; rates are held by a follower. Post-dial \
                 delay is INVITE→180: one commit; INVITE→200: two. A commit takes one round trip from the leader, two \
                 from a follower. The relay is in this program: ordered, no loss, no TCP handshake or congestion window."
                    .into(),
            ],
        }
    }

    fn kills(&self) -> Grid {
        let row = |takeover: &super::super::takeover::Takeover| {
            vec![
                takeover.victim.clone(),
                takeover.first_answer_ms.len().to_string(),
                takeover.p50_ms.to_string(),
                takeover.p99_ms.to_string(),
                takeover.max_ms.to_string(),
                takeover.resolution_ms.to_string(),
                takeover.calls.to_string(),
                takeover.lost.to_string(),
            ]
        };
        Grid {
            title: "Takeover after SIGKILL: kill to first correct answer to a BYE, ms".into(),
            head: vec!["victim", "kills", "p50", "p99", "max", "±", "calls up", "calls lost"],
            rows: self.takeovers.iter().map(row).collect(),
            notes: Vec::new(),
        }
    }

    /// Everything, to be read in a terminal.
    pub(crate) fn text(&self) -> String {
        let mut lines =
            vec![String::new(), format!("Holdline benchmark, {}", self.machine.started)];
        lines.extend(self.circumstances().iter().map(|(what, is)| format!("  {what:<12}{is}")));
        for grid in self.grids() {
            let mut table = Table::new();
            table.load_preset(UTF8_FULL_CONDENSED).set_header(grid.head).add_rows(grid.rows);
            for column in table.column_iter_mut().skip(1) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            lines.extend([String::new(), grid.title, table.to_string()]);
            lines.extend(grid.notes);
        }
        if !self.broken.is_empty() {
            lines.extend([String::new(), "Broke off".into()]);
            lines.extend(self.broken.iter().map(|line| format!("  {line}")));
        }
        lines.extend([String::new(), "Not measured".into()]);
        lines.extend(self.left_out.iter().map(|line| format!("  {line}")));
        lines.join("\n")
    }
}

/// The columns of both [`percentiles`].
const LATENCIES: [&str; 8] =
    ["INVITE→200\np50 ms", "p95", "p99", "max", "BYE→200\np50 ms", "p95", "p99", "max"];

fn percentiles(times: Option<Times>) -> [String; 4] {
    times.map_or(["–"; 4].map(str::to_owned), |times| {
        [times.p50_ms, times.p95_ms, times.p99_ms, times.max_ms].map(short)
    })
}

fn median(spread: Option<Spread>) -> String {
    spread.map_or("–".into(), |spread| short(spread.median))
}

const NOTES_ON_COST: [&str; 5] = [
    "CPU: of all server processes, from the first INVITE to the last BYE, the idle cost included. Callers call one node, \
     which does not lead unless the name says so.",
    "later CPU: what finished calls cost in the 36 s after the load, beyond the idle cost (first round only).",
    "MiB: the largest node at the end of the load, shared memory counted once. disk: write_bytes of the processes.",
    "wire: bytes over the loopback interface with IP headers, SIP of both legs and what nodes say to one another; node: \
     TCP payload between nodes (ss).",
    "others: CPU seconds per second that neither servers nor SIPp used; this program is among them. Much more than 0.1: \
     the machine was not quiet.",
];

const NOTES_ON_LATENCY: [&str; 2] = [
    "INVITE→200, BYE→200: by a probe of our own beside SIPp, with a clock of microseconds, its callee included.",
    "commit: from submission to reply; sync: write and sync of the log; both from the buckets of the nodes' histograms, medians \
     of the runs.",
];
