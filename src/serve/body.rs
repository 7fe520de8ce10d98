//! Answers that are written as they are sent: a report of a large network is never in memory whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;

/// How long a reader may let a chunk wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// A body that `write` writes, on a thread of its own as it may take a while.
pub(super) fn written(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send + 'static,
) -> Body {
    let (sender, receiver) = mpsc::channel(2);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut out = Chunks { sender, runtime, chunk: Vec::with_capacity(CHUNK) };
        let written = write(&mut out).and_then(|()| out.send());
        if let Err(error) = written {
            // Whoever still reads is told that this was not all.
            let _ = out.sender.try_send(Err(error));
        }
    });
    Body::new(Received(receiver))
}

/// Writes chunks into the body.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
    chunk: Vec<u8>,
}

impl Chunks {
    fn send(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let sent = tokio::time::timeout(PATIENCE, self.sender.send(Ok(chunk.into())));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end.
struct Received(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
