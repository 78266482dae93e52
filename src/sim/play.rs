//! Plays a script: the only place where time passes in a body.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::time::Instant;

use super::script::Step;
use super::stats::Ticket;

/// What is written at once of a [`Step::Fill`].
const BLOCK: Bytes = Bytes::from_static(&[b'x'; 16 * 1024]);

/// A body that writes these steps. The ticket is finished with the last of them; a client that
/// hangs up drops the body before, and the ticket with it.
pub(super) fn body(steps: Vec<Step>, ticket: Ticket) -> Body {
    if let [Step::Write(bytes)] = steps.as_slice() {
        // Nothing to wait for: one buffer with its length in the header.
        let bytes = bytes.clone();
        ticket.finish();
        return Body::from(bytes);
    }
    Body::from_stream(play(steps, ticket))
}

struct Player {
    steps: std::vec::IntoIter<Step>,
    /// Of a `Fill` in progress.
    left: u64,
    /// When the next write is due. Waits add up, so that short ones are not each rounded up to
    /// the timer's millisecond.
    due: Instant,
    ticket: Option<Ticket>,
}

fn play(steps: Vec<Step>, ticket: Ticket) -> impl Stream<Item = io::Result<Bytes>> {
    let player =
        Player { steps: steps.into_iter(), left: 0, due: Instant::now(), ticket: Some(ticket) };
    stream::unfold(player, |mut player| async move {
        let next = player.next().await;
        if next.as_ref().is_none_or(Result::is_err) {
            player.ticket.take()?.finish();
        }
        next.map(|item| (item, player))
    })
}

impl Player {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.ticket.as_ref()?;
        loop {
            if self.left > 0 {
                let size = BLOCK.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= size as u64;
                return Some(Ok(BLOCK.slice(..size)));
            }
            match self.steps.next()? {
                Step::Wait(time) => {
                    let now = Instant::now();
                    // A reader that was slow is not caught up with in a burst.
                    self.due = self.due.max(now.checked_sub(SLACK).unwrap_or(now)) + time;
                    if self.due > now {
                        tokio::time::sleep_until(self.due).await;
                    }
                }
                Step::Write(bytes) => return Some(Ok(bytes)),
                Step::Fill(count) => self.left = count,
                Step::Flush => tokio::task::yield_now().await,
                Step::Stall => {
                    let never: Infallible = std::future::pending().await;
                    match never {}
                }
                Step::Drop => {
                    // What was written has to leave first: hyper flushes while the body waits.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    return Some(Err(io::Error::other("cut, as asked for")));
                }
            }
        }
    }
}

/// How far behind its schedule a body may be and still catch up.
const SLACK: Duration = Duration::from_millis(20);
