//! Replication: one stream of appends to a follower, and its answers, for as long as it leads to
//! something. A call for each append would cost several times as much as the append itself.
//!
//! openraft asks for an append without entries as soon as the commit index moves. One that follows
//! entries is held back for [`COMMIT_HOLD`]: with calls going on, the next append with entries tells
//! the same. Nobody waits for it but the follower's own apply.
//!
//! A follower that no majority waits for (see `spare`) is not sent entries one by one: after each
//! append the stream rests for `spare_hold`, and takes what has come meanwhile together.
//!
//! A follower that could not be reached is left alone for a moment (`reconnect`), here: openraft waits only
//! when it is asked for the first append, and that is asked for only over a connection.
//!
//! Invariant: an answer is passed on only for something that was sent; one that was held back and
//! overtaken has none of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use holdline_model::NodeId;
use openraft::errors::{RPCError, Timeout, Unreachable};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use openraft::{OptionalSend, RPCTypes};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::clock;
use crate::network::client::{Link, failure};
use crate::network::spare::{Followers, Unanswered};
use crate::network::wire::{Append, AppendOutcome};
use crate::types::TypeConfig;

type Request = AppendEntriesRequest<TypeConfig>;
type Outcome = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;
type Outcomes<'s> = BoxStream<'s, Outcome>;

/// How long an append that only tells the commit index waits for one with entries.
const COMMIT_HOLD: Duration = Duration::from_millis(10);

/// A follower that was just sent more entries than this has some catching up to do: no rest for it.
const REST_AFTER: usize = 256;

/// How often a resting stream looks whether a prompt follower is late.
const LOOK_EVERY: Duration = Duration::from_millis(8);

/// Opens the stream. It ends when `input` does, when the follower refuses something, or when it
/// does not answer in time.
pub(super) fn open<'s, S>(
    link: &'s mut Link,
    input: S,
) -> BoxFuture<'s, Result<Outcomes<'s>, RPCError<TypeConfig>>>
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    Box::pin(async move {
        link.rest_after_failure().await;
        let opened = connect(link, input).await;
        link.failed_at = opened.as_ref().err().map(|_| clock::now());
        let (answers, unanswered) = opened?;
        let limit = link.peers.tuning().append_timeout;
        Ok(incoming(link, answers, unanswered, limit))
    })
}

async fn connect<S>(
    link: &Link,
    input: S,
) -> Result<(Streaming<AppendOutcome>, Unanswered), RPCError<TypeConfig>>
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    if link.peers.is_cut(link.target) {
        return Err(RPCError::Unreachable(Unreachable::from_string("the link is cut")));
    }
    let unanswered = Unanswered::default();
    let mut client = link.client();
    let outgoing = outgoing(link, input, unanswered.clone());
    let limit = link.peers.tuning().append_timeout;
    match timeout(limit, client.appends(outgoing)).await {
        Ok(Ok(answer)) => Ok((answer.into_inner(), unanswered)),
        Ok(Err(status)) => Err(failure(&status)),
        Err(_) => Err(late(link, limit)),
    }
}

/// What is sent.
struct Outgoing<S> {
    input: S,
    held: Option<Request>,
    /// Entries were sent on this stream, so that more may be expected.
    had_entries: bool,
    ended: bool,
    /// Until when more entries are waited for, if the follower is spare then.
    rest_until: Option<Instant>,
}

/// What decides when a follower is sent entries.
#[derive(Clone, Debug)]
struct Pace {
    followers: Followers,
    target: NodeId,
    hold: Duration,
}

fn outgoing<S>(
    link: &Link,
    input: S,
    unanswered: Unanswered,
) -> impl Stream<Item = Append> + Send + 'static
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    let (peers, target) = (link.peers.clone(), link.target);
    let hold = peers.tuning().spare_hold;
    let pace = Pace { followers: peers.followers().clone(), target, hold };
    let start = Outgoing::new(input);
    stream::unfold(start, move |mut state| {
        let (peers, pace, unanswered) = (peers.clone(), pace.clone(), unanswered.clone());
        async move {
            state.rest(&pace).await;
            let request = state.next().await?;
            let (now, count) = (clock::now(), request.entries.len());
            unanswered.push(now, count > 0);
            state.rest_until = (1..=REST_AFTER).contains(&count).then(|| now + pace.hold);
            Some((peers.envelope(target, request), state))
        }
    })
}

impl<S> Outgoing<S> {
    const fn new(input: S) -> Self {
        Self { input, held: None, had_entries: false, ended: false, rest_until: None }
    }

    /// Lets entries come together while nobody waits for this follower. What comes meanwhile is read
    /// from the log in one go.
    async fn rest(&mut self, pace: &Pace) {
        let Some(until) = self.rest_until.take() else { return };
        loop {
            let now = clock::now();
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return;
            }
            if !pace.followers.is_spare(pace.target, now) {
                metrics::counter!("holdline_raft_appends_hurried_total").increment(1);
                return;
            }
            // That a prompt follower is late is nothing that happens, so it has to be looked for.
            let _ = timeout(left.min(LOOK_EVERY), pace.followers.hurried()).await;
        }
    }
}

impl<S: Stream<Item = Request> + Unpin> Outgoing<S> {
    async fn next(&mut self) -> Option<Request> {
        while !self.ended {
            let next = match &self.held {
                None => self.input.next().await,
                Some(_) => match timeout(COMMIT_HOLD, self.input.next()).await {
                    Ok(next) => next,
                    Err(_) => return self.held.take(),
                },
            };
            match next {
                Some(request) if request.entries.is_empty() && self.had_entries => {
                    self.held = Some(request);
                }
                Some(request) => {
                    self.held = None;
                    self.had_entries |= !request.entries.is_empty();
                    return Some(request);
                }
                None => self.ended = true,
            }
        }
        self.held.take()
    }
}

fn incoming(
    link: &Link,
    answers: Streaming<AppendOutcome>,
    unanswered: Unanswered,
    limit: Duration,
) -> Outcomes<'_> {
    let open = link.peers.followers().opened(link.target, &unanswered);
    let start = Some((answers, unanswered, open));
    Box::pin(stream::unfold(start, move |state| async move {
        let (mut answers, unanswered, open) = state?;
        let outcome = match answer(link, &mut answers, &unanswered, limit).await {
            Ok(outcome) => Ok(outcome?),
            Err(error) => Err(error),
        };
        let goes_on = matches!(outcome, Ok(Ok(_)));
        Some((outcome, goes_on.then_some((answers, unanswered, open))))
    }))
}

/// The next answer; nothing if the stream has ended in order.
async fn answer(
    link: &Link,
    answers: &mut Streaming<AppendOutcome>,
    unanswered: &Unanswered,
    limit: Duration,
) -> Result<Option<StreamAppendResult<TypeConfig>>, RPCError<TypeConfig>> {
    loop {
        let waited = timeout(limit, answers.message()).await;
        if link.peers.is_cut(link.target) {
            return Err(RPCError::Unreachable(Unreachable::from_string("the link is cut")));
        }
        match waited {
            Ok(Ok(answer)) => {
                link.peers.followers().answered(link.target, unanswered, clock::now());
                return Ok(answer);
            }
            Ok(Err(status)) => return Err(failure(&status)),
            // Nobody waits for an answer, or not for long yet.
            Err(_) => {
                let oldest = unanswered.oldest();
                if oldest.is_some_and(|sent| clock::now().duration_since(sent) >= limit) {
                    return Err(late(link, limit));
                }
            }
        }
    }
}

fn late(link: &Link, limit: Duration) -> RPCError<TypeConfig> {
    RPCError::Timeout(Timeout {
        action: RPCTypes::AppendEntries,
        id: link.peers.node(),
        target: link.target,
        timeout: limit,
    })
}

/// The follower's side: what comes in goes to openraft, its answers go back in order. The first
/// message that is refused ends the stream.
pub(super) fn serve(
    raft: &crate::RaftInstance,
    open: impl Fn(Append) -> Result<Request, Status> + Send + 'static,
    incoming: Streaming<Append>,
) -> BoxStream<'static, Result<AppendOutcome, Status>> {
    let refused = Arc::new(Mutex::new(None));
    let note = Arc::clone(&refused);
    let requests = stream::unfold(Some((incoming, open, note)), |state| async move {
        let (mut incoming, open, note) = state?;
        let refusal = match incoming.message().await {
            Ok(Some(message)) => match open(message) {
                Ok(request) => return Some((request, Some((incoming, open, note)))),
                Err(status) => Some(status),
            },
            Ok(None) | Err(_) => None,
        };
        *note.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
        None
    });
    let outcomes = raft.stream_append(requests).map(|outcome| {
        outcome.map_err(|error| Status::unavailable(format!("the node is stopping: {error}")))
    });
    let refusal = stream::once(async move {
        let refusal = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refusal.map(Err)
    });
    outcomes.chain(refusal.filter_map(std::future::ready)).boxed()
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc;
    use openraft::EntryPayload;
    use openraft::entry::RaftEntry;
    use openraft::impls::leader_id_adv::LeaderId;

    use super::*;
    use crate::types::{Entry, LogId, Vote};

    fn log_id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 1, node_id: NodeId(1) }, index)
    }

    fn request(entries: u64, commit: u64) -> Request {
        let entries = (0..entries).map(|at| Entry::new(log_id(10 + at), EntryPayload::Blank));
        AppendEntriesRequest {
            vote: Vote::new_committed(1, NodeId(1)),
            prev_log_id: None,
            entries: entries.collect(),
            leader_commit: Some(log_id(commit)),
        }
    }

    fn start() -> (mpsc::UnboundedSender<Request>, Outgoing<mpsc::UnboundedReceiver<Request>>) {
        let (to, input) = mpsc::unbounded();
        (to, Outgoing::new(input))
    }

    fn commit(request: &Request) -> u64 {
        request.leader_commit.map_or(0, |id| id.index)
    }

    #[tokio::test]
    async fn a_commit_index_alone_waits_for_entries_that_tell_it_too() {
        let (to, mut outgoing) = start();
        for request in [request(1, 1), request(0, 2), request(1, 3)] {
            to.unbounded_send(request).unwrap();
        }
        assert_eq!(commit(&outgoing.next().await.unwrap()), 1);
        assert_eq!(commit(&outgoing.next().await.unwrap()), 3, "the one in between is dropped");
    }

    #[tokio::test]
    async fn a_commit_index_alone_goes_when_nothing_else_does() {
        let (to, mut outgoing) = start();
        to.unbounded_send(request(1, 1)).unwrap();
        to.unbounded_send(request(0, 2)).unwrap();
        assert_eq!(commit(&outgoing.next().await.unwrap()), 1);
        let at_once = futures::FutureExt::now_or_never(outgoing.next());
        assert!(at_once.is_none());
        assert_eq!(commit(&outgoing.next().await.unwrap()), 2);
        to.unbounded_send(request(0, 3)).unwrap();
        drop(to);
        assert_eq!(commit(&outgoing.next().await.unwrap()), 3, "at the end it goes at once");
        assert!(outgoing.next().await.is_none());
    }

    /// A pace towards node 3 of three, led by node 1, with a stream to node 2 that has been asked
    /// for something `ago`.
    fn pace(ago: Duration) -> (Pace, impl Sized) {
        let followers = Followers::default();
        followers.lead(NodeId(1), &(1..=3).map(NodeId).collect());
        let (prompt, spare) = (Unanswered::default(), Unanswered::default());
        let open = [(2, &prompt), (3, &spare)].map(|(id, it)| followers.opened(NodeId(id), it));
        prompt.push(clock::now().checked_sub(ago).unwrap(), true);
        (Pace { followers, target: NodeId(3), hold: Duration::from_secs(60) }, open)
    }

    #[tokio::test]
    async fn a_stream_to_a_spare_follower_rests_until_somebody_is_late_or_gone() {
        let (_to, mut outgoing) = start();
        let minute = Duration::from_secs(60);
        let (late, _open) = pace(Duration::from_secs(1));
        outgoing.rest_until = Some(clock::now() + minute);
        outgoing.rest(&late).await;
        let (on_time, open) = pace(Duration::ZERO);
        outgoing.rest_until = Some(clock::now() + minute);
        let rest = outgoing.rest(&on_time);
        tokio::pin!(rest);
        assert!(futures::poll!(&mut rest).is_pending());
        drop(open);
        rest.await;
    }

    #[tokio::test]
    async fn a_probe_goes_at_once() {
        let (to, mut outgoing) = start();
        to.unbounded_send(request(0, 7)).unwrap();
        let first = outgoing.next();
        let at_once = futures::FutureExt::now_or_never(first).flatten();
        assert_eq!(at_once.map(|request| commit(&request)), Some(7));
    }
}
