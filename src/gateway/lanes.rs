//! Threads that each serve a part of the connections, on a runtime of their own.
//!
//! A request, its upstream connection and its stream stay on one thread from the first byte to the
//! last. On a runtime that shares its work, each of the dozen wake-ups of a request may wake another
//! thread first, which costs more than all that the request needs to be decided.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The threads. Dropped, they end, and with them whatever still runs on them.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<(Handle, oneshot::Sender<()>)>,
    next: AtomicUsize,
}

impl Lanes {
    /// As many as the machine has processors for.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn start() -> io::Result<Lanes> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..count).map(lane).collect::<io::Result<_>>()?;
        Ok(Lanes { lanes, next: AtomicUsize::new(0) })
    }

    /// The thread for the next connection; they take turns.
    pub fn next(&self) -> &Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        &self.lanes[turn].0
    }
}

fn lane(number: usize) -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    std::thread::Builder::new().name(format!("lane-{number}")).spawn(move || {
        // An error means that the sender is gone, which is the end as well.
        let _ = runtime.block_on(stopped);
    })?;
    Ok((handle, stop))
}
