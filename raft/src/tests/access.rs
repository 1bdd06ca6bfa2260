//! Who may talk to a node.

use tonic::Code;

use super::calls;
use super::cluster::{Cluster, Kind, patient};
use crate::door::Gate;
use crate::lease::Longest;
use crate::network::peers::{Lane, Peers};
use crate::network::server::open;
use crate::network::token::Spoken;
use holdline_model::{Certified, ClusterId, NodeId};
use holdline_storage::Kept;

fn noted(options: &crate::Options) -> Longest {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path(), "LEASE");
    Longest::open(options.tuning.lease, kept, crate::clock::now()).unwrap()
}

/// What a stranger with these options is told when it probes node 1.
async fn probed(cluster: &Cluster, change: impl FnOnce(&mut crate::Options), to: NodeId) -> Code {
    let mut options = cluster.options(NodeId(2));
    change(&mut options);
    let peers = Peers::new(&options, Spoken::Oldest, noted(&options));
    let mut client = peers.client(cluster.members[&NodeId(1)].rpc, Lane::Pulse);
    match client.probe(peers.envelope(to, ())).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_answers_only_its_own_cluster_with_the_right_token() {
    let cluster = Cluster::formed(Kind::Memory, 1, patient()).await;
    let me = NodeId(1);
    assert_eq!(probed(&cluster, |_| {}, me).await, Code::Ok);
    let other = "ff".repeat(16).parse().unwrap();
    assert_eq!(probed(&cluster, |options| options.token = other, me).await, Code::Unauthenticated);
    let strange = ClusterId(calls::CLUSTER.0 + 1);
    let code = probed(&cluster, |options| options.cluster = strange, me).await;
    assert_eq!(code, Code::FailedPrecondition);
    let code = probed(&cluster, |options| options.group.0 += 1, me).await;
    assert_eq!(code, Code::FailedPrecondition);
    assert_eq!(probed(&cluster, |_| {}, NodeId(3)).await, Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_speaks_only_as_its_certificate_names_it() {
    let cluster = Cluster::formed(Kind::Memory, 1, patient()).await;
    let [me, other] = [1, 2].map(|id| {
        let options = cluster.options(NodeId(id));
        Peers::new(&options, Spoken::Oldest, noted(&options))
    });
    let gate = Gate::default();
    gate.open();
    let told = |shown| open(&me, &gate, shown, other.envelope(NodeId(1), ()));
    assert!(told(None).is_ok(), "without certificates the token decides");
    assert!(told(Some(Certified(NodeId(2)))).is_ok());
    let refused = told(Some(Certified(NodeId(3)))).unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let said = "the message says it is node 2's, its certificate is node 3's";
    assert_eq!(refused.message(), said);
}
