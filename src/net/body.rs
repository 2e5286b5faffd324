//! Request bodies: bounded in size and in how long they may take.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// So many bytes must come in so much time, which is 1 KiB a second, beside the time the body may lag at
/// its beginning. What came before does not count: who was quick may not keep us waiting by being slow.
const STEP: u64 = 60 << 10;
const STEP_TIME: Duration = Duration::from_secs(60);
/// How long a body may take at the longest.
const TOTAL: Duration = Duration::from_secs(2 * 3600);

/// Why a request body was not had whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    /// It is larger than allowed: 413.
    TooLarge,
    /// It came too slowly: 408.
    TooSlow,
    /// The connection broke, or its chunks are malformed: 400, if anyone is there to read it.
    Broken,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the request body is too large",
            Self::TooSlow => "the request body came too slowly",
            Self::Broken => "the request body broke off",
        })
    }
}

impl std::error::Error for BodyError {}

/// Reads a request body of at most `most` bytes.
pub async fn read_body(mut body: Body, most: u64) -> Result<Bytes, BodyError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(cause)?.into_data() else { continue };
        let have = first.as_ref().map_or(0, Bytes::len).saturating_add(rest.len());
        if have.saturating_add(data.len()) > most {
            return Err(BodyError::TooLarge);
        }
        // Most bodies are one frame: those are passed on as they are.
        match &first {
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.extend_from_slice(head);
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}

/// What stopped a body, out of axum's box around it.
fn cause(e: axum::Error) -> BodyError {
    e.into_inner().downcast_ref::<BodyError>().copied().unwrap_or(BodyError::Broken)
}

/// A body from the network that ends with an error when it grows too large or comes too slowly.
pub(super) struct Bounded {
    body: Incoming,
    left: u64,
    /// Bytes since the latest step was complete, and when that was.
    received: u64,
    stepped: Instant,
    began: Instant,
    lag: Duration,
    /// Made when the body first keeps us waiting; most come with their header.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Bounded {
    /// Bounds `body` to `most` bytes and to `lag` behind the pace.
    pub(super) fn new(body: Incoming, most: u64, lag: Duration) -> Self {
        let began = Instant::now();
        Self { body, left: most, received: 0, stepped: began, began, lag, timer: None }
    }

    /// When the next step must be complete, or the body.
    fn deadline(&self) -> Instant {
        let first = self.stepped == self.began;
        let step = if first { self.began + self.lag } else { self.stepped + STEP_TIME.max(self.lag) };
        step.min(self.began + TOTAL)
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let deadline = self.deadline();
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        };
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Some(Err(BodyError::Broken))),
        };
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.received = self.received.saturating_add(size);
        if self.received >= STEP {
            (self.received, self.stepped) = (0, Instant::now());
        }
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(Some(Err(BodyError::TooLarge))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
