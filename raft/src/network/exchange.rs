//! Questions and answers over a stream that stays open, one at a time: for what is asked so often
//! that a call each time (its headers, its task, its trailers) would cost more than the answer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::channel::mpsc;
use futures::stream::{self, BoxStream};
use tonic::{Response, Status, Streaming};

/// What is to be sent on a stream.
pub(crate) type Questions<Q> = mpsc::Receiver<Q>;

/// One stream, opened when it is needed, and again after it failed.
struct Exchange<Q, A> {
    open: Option<Open<Q, A>>,
}

struct Open<Q, A> {
    questions: mpsc::Sender<Q>,
    answers: Streaming<A>,
}

impl<Q, A> Exchange<Q, A> {
    const fn new() -> Self {
        Self { open: None }
    }

    /// Asks, and waits for the answer. A future that is dropped before takes the stream with it, so
    /// that its answer is not taken for the next one's.
    async fn ask<F>(
        &mut self,
        question: Q,
        open: impl FnOnce(Questions<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<Streaming<A>>, Status>>,
    {
        let mut stream = match self.send(question) {
            Ok(stream) => stream,
            Err(question) => {
                let (mut questions, asked) = mpsc::channel(1);
                questions.try_send(question).map_err(|_| ended())?;
                Open { questions, answers: open(asked).await?.into_inner() }
            }
        };
        let answer = stream.answers.message().await?.ok_or_else(ended)?;
        self.open = Some(stream);
        Ok(answer)
    }

    /// Takes the open stream and sends on it; the question comes back if there is none.
    fn send(&mut self, question: Q) -> Result<Open<Q, A>, Q> {
        match self.open.take() {
            Some(mut stream) => match stream.questions.try_send(question) {
                Ok(()) => Ok(stream),
                Err(refused) => Err(refused.into_inner()),
            },
            None => Err(question),
        }
    }
}

/// The other side: answers each question in turn, until the stream ends or a question is refused.
pub(super) fn answers<Q, A, F>(
    questions: Streaming<Q>,
    answer: impl Fn(Q) -> F + Send + 'static,
) -> BoxStream<'static, Result<A, Status>>
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Future<Output = Result<A, Status>> + Send,
{
    stream::unfold(Some((questions, answer)), |state| async move {
        let (mut questions, answer) = state?;
        let answered = match questions.message().await {
            Ok(question) => answer(question?).await,
            Err(status) => Err(status),
        };
        let goes_on = answered.is_ok();
        Some((answered, goes_on.then_some((questions, answer))))
    })
    .boxed()
}

fn ended() -> Status {
    Status::unavailable("the stream has ended")
}

/// Exchanges with one node, as many as are used at the same time. Clones share them.
pub(crate) struct Pool<Q, A> {
    idle: Arc<Mutex<Vec<Exchange<Q, A>>>>,
}

impl<Q, A> Pool<Q, A> {
    pub(crate) fn new() -> Self {
        Self { idle: Arc::default() }
    }

    /// Asks on a stream that nobody else uses now.
    pub(crate) async fn ask<F>(
        &self,
        question: Q,
        open: impl FnOnce(Questions<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<Streaming<A>>, Status>>,
    {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut exchange = idle.unwrap_or_else(Exchange::new);
        let answer = exchange.ask(question, open).await;
        if answer.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
        }
        answer
    }
}

impl<Q, A> Clone for Pool<Q, A> {
    fn clone(&self) -> Self {
        Self { idle: Arc::clone(&self.idle) }
    }
}

impl<Q, A> fmt::Debug for Pool<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
