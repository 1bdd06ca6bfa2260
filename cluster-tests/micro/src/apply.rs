//! Applying commands, as every replica does: each is decoded and applied to a batch, and the batch
//! is written. Sixty-four commands a batch, as under load; `alone` is a call whose four commands
//! come one by one, as on an idle cluster.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdline_apply::{Action, Position, apply};
use holdline_model::{
    CallId, ClusterId, Command, FormCluster, GroupId, Incarnation, Millis, NodeId, NodeUp, Reply,
    SetLimits, SlotId, State as _, Sweep,
};
use holdline_storage::snapshot::SnapshotStore;
use holdline_storage::{Engine, MemoryEngine, RocksEngine, RocksOptions, StateStore, codec};

use crate::calibrate;
use crate::codec::encoded;
use crate::meter::{Group, Meter, Pace, Stopwatch};
use crate::samples::switch;
use crate::script::{CALLS, START, Script};

const MEMORY: Group = Group { name: "apply-memory", pace: Pace::Processor };
const ROCKS: Group = Group { name: "apply-rocks", pace: Pace::Processor };

pub(crate) fn run_on_memory(meter: &mut dyn Meter) {
    if meter.wants(&MEMORY) {
        let folder = crate::scratch::folder();
        run(meter, &MEMORY, Arc::new(MemoryEngine::new()), folder.path());
    }
}

pub(crate) fn run_on_rocks(meter: &mut dyn Meter) {
    if meter.wants(&ROCKS) {
        let folder = crate::scratch::folder();
        let engine = RocksEngine::open(&folder.path().join("db"), &RocksOptions::default());
        run(meter, &ROCKS, Arc::new(engine.expect("the folder is ours")), folder.path());
    }
}

fn run(meter: &mut dyn Meter, group: &Group, engine: Arc<dyn Engine>, folder: &Path) {
    calibrate::run(meter, group);
    let script = Script::record();
    let steps: Vec<(&str, Vec<Bytes>)> = script
        .steps
        .iter()
        .filter(|step| !step.proposed.is_empty())
        .map(|step| (step.name, encoded(&in_order_of_calls(&step.proposed))))
        .collect();
    let mut replica = Replica::formed(Arc::clone(&engine), folder);
    for (measured, _) in &steps {
        meter.case(group, measured, CALLS, &mut |stopwatch| {
            for (name, commands) in &steps {
                replica.batch(commands, (name == measured).then_some(&mut *stopwatch));
            }
            replica.sweep(None);
        });
    }
    meter.case(group, "sweep", CALLS, &mut |stopwatch| {
        for (_, commands) in &steps {
            replica.batch(commands, None);
        }
        replica.sweep(Some(stopwatch));
    });
    meter.case(group, "alone", CALLS, &mut |stopwatch| {
        for call in 0..CALLS as usize {
            for (_, commands) in &steps {
                replica.batch(&commands[call..=call], Some(&mut *stopwatch));
            }
        }
        replica.sweep(None);
    });
    due(meter, group, &mut replica, engine, folder);
    if group.name == MEMORY.name {
        limited(meter, group, folder, &steps);
    }
}

/// The commands of a step so that each call has the same place in every step. Acknowledgements are noted
/// some time after they came, in an order of their own.
fn in_order_of_calls(proposed: &[Command]) -> Vec<Command> {
    let mut commands = proposed.to_vec();
    commands.sort_by_key(|command| match command {
        Command::Call(command) => Some(command.call),
        _ => None,
    });
    commands
}

/// The admissions once more, with limits in a tree of five levels: what that adds is what they cost.
fn limited(meter: &mut dyn Meter, group: &Group, folder: &Path, steps: &[(&str, Vec<Bytes>)]) {
    let Some((first, _)) = steps.first() else { return };
    let mut replica = Replica::formed(Arc::new(MemoryEngine::new()), &folder.join("limited"));
    let config = crate::limit::five_levels(60_000);
    let set = SetLimits { expected: 0, config, at: START };
    replica.batch(&encoded(&[Command::SetLimits(Box::new(set))]), None);
    meter.case(group, &format!("{first}_limited"), CALLS, &mut |stopwatch| {
        for (name, commands) in steps {
            replica.batch(commands, (name == first).then_some(&mut *stopwatch));
        }
        replica.sweep(None);
    });
}

/// Whether any tombstone is due, asked once a second, after many were swept: what is removed stays
/// in RocksDB's memory as a mark until it is flushed and compacted.
fn due(
    meter: &mut dyn Meter,
    group: &Group,
    replica: &mut Replica,
    engine: Arc<dyn Engine>,
    folder: &Path,
) {
    let calls = || (0..SWEPT).map(|nonce| CallId { slot: SlotId(1), nonce });
    for part in calls().collect::<Vec<_>>().chunks(512) {
        let mut batch = replica.state.batch();
        for call in part {
            batch.put_expiry(START.plus_ms(call.nonce), *call).expect("it is kept in memory");
        }
        batch.commit(b"due").expect("the disk works");
    }
    while replica.state.reader().has_expired(END).expect("the disk works") {
        replica.sweep(None);
    }
    let mut look = |name: &str, replica: &Replica| {
        let reader = replica.state.reader();
        meter.case(group, name, 1, &mut |stopwatch| {
            stopwatch.time(&mut || assert!(matches!(reader.has_expired(END), Ok(false))));
        });
    };
    look("due", replica);
    // As after a restart: nothing is known of where the notes begin.
    look("due_after_restart", &Replica::over(engine, folder));
}

/// So many calls end in half a minute at 300 calls/s.
const SWEPT: u64 = 9_000;
/// When the last of them is due.
const END: Millis = START.plus_ms(SWEPT);

/// The state of one group, and where in the log it is.
struct Replica {
    state: StateStore,
    index: u64,
}

impl Replica {
    /// Whatever the engine holds.
    fn over(engine: Arc<dyn Engine>, folder: &Path) -> Self {
        let snapshots = SnapshotStore::open(folder).expect("the folder is ours");
        let state = StateStore::open(engine, GroupId(1), &snapshots).expect("the disk works");
        Self { state, index: 0 }
    }

    /// Three nodes, 64 slots.
    fn formed(engine: Arc<dyn Engine>, folder: &Path) -> Self {
        let mut replica = Self::over(engine, folder);
        let members = [NodeId(1), NodeId(2), NodeId(3)];
        let mut commands: Vec<Command> = members.iter().copied().map(node_up).collect();
        let (cluster, members) = (ClusterId(1), members.to_vec());
        commands.push(Command::FormCluster(FormCluster { cluster, slots: 64, members, at: START }));
        replica.batch(&encoded(&commands), None);
        replica
    }

    /// One entry of the log.
    fn batch(&mut self, commands: &[Bytes], stopwatch: Option<&mut dyn Stopwatch>) {
        self.index += 1;
        let index = self.index;
        let state = &self.state;
        let mut part = || {
            let mut batch = state.batch();
            let mut actions: Vec<Action> = Vec::new();
            for (position, command) in (0..).zip(commands) {
                let command = codec::decode::<Command>(command).expect("encoded above");
                let position = Position { index, position };
                let reply = apply(&mut batch, position, &command, &mut actions);
                let reply = reply.expect("the disk works");
                assert!(!matches!(reply, Reply::Rejected(_)), "{command:?}: {reply:?}");
            }
            batch.commit(&index.to_be_bytes()).expect("the disk works");
        };
        match stopwatch {
            Some(stopwatch) => stopwatch.time(&mut part),
            None => part(),
        }
    }

    /// Removes the tombstones of all calls.
    fn sweep(&mut self, stopwatch: Option<&mut dyn Stopwatch>) {
        let sweep = Command::Sweep(Sweep { up_to: START.plus_ms(3_600_000) });
        self.batch(&encoded(&[sweep]), stopwatch);
    }
}

fn node_up(node: NodeId) -> Command {
    Command::NodeUp(Box::new(NodeUp {
        node,
        incarnation: Incarnation(1),
        pop: "pop-a".into(),
        sip: vec![switch()],
        rpc: switch(),
        admin: switch(),
        version: "0.1.0".to_owned(),
        at: START,
        listeners: Vec::new(),
        gossip: switch(),
        role: holdline_model::NodeRole::Full,
    }))
}
