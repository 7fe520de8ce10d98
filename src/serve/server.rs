//! [`Listener`]: the socket, the connections, and how much of the machine they may take.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use super::gate::Gate;
use super::routes;
use super::state::Pulse;
use super::token::Token;
use super::view::{Feed, Views};

/// Connections at once. Where there are more, they wait in the kernel's queue.
const CONNECTIONS: usize = 64;

/// Threads that judge and write reports.
const WRITERS: usize = 4;

/// How long a request may take to arrive, and a connection to stay idle.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a connection may last, whatever it does.
const LONGEST: Duration = Duration::from_secs(600);

/// Bytes of a request's head.
const HEAD: usize = 16 << 10;

/// How often the counters are looked at.
const BEAT: Duration = Duration::from_secs(1);

/// How often it hears that it is to end.
const TICK: Duration = Duration::from_millis(100);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// It cannot be had.
    #[error("cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// Others can reach it, and nothing keeps them out.
    #[error("{address} can be reached from other machines, and no token keeps them out")]
    Open {
        /// The address.
        address: SocketAddr,
    },
}

/// A socket that is listened on. It is opened while rights are there to do so.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    token: Option<Token>,
}

impl Listener {
    /// Listen on an address; on one that is not this machine's own only with a token.
    pub fn bind(address: SocketAddr, token: Option<Token>) -> Result<Self, ListenError> {
        if token.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(ListenError::Open { address });
        }
        let bind = || {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        bind()
            .map(|socket| Self { socket, token })
            .map_err(|cause| ListenError::Bind { address, cause })
    }

    /// Where it listens: the port is known here even if any was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answer until `stop` is set.
    pub fn serve(self, feed: Arc<dyn Feed>, stop: &AtomicBool) -> io::Result<()> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(WRITERS)
            .thread_name("serve-writer")
            .build()?;
        let served = runtime.block_on(self.accept(feed, stop));
        // What is still being written is of no use to anybody.
        runtime.shutdown_background();
        served
    }

    async fn accept(self, feed: Arc<dyn Feed>, stop: &AtomicBool) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(self.socket)?;
        let views = Arc::new(Views::new(feed));
        let pulse = Arc::new(Pulse::new());
        let router = routes::router(Arc::clone(&views), Arc::clone(&pulse), Gate::new(self.token));
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut beat = tokio::time::interval(BEAT);
        let mut tick = tokio::time::interval(TICK);
        while !stop.load(Ordering::Relaxed) {
            let place = Arc::clone(&places).acquire_owned();
            let accepted = async {
                // Never closed.
                let place = place.await.ok();
                (place, socket.accept().await)
            };
            let (place, accepted) = tokio::select! {
                accepted = accepted => accepted,
                _ = beat.tick() => {
                    pulse.beat(&**views.feed());
                    continue;
                }
                _ = tick.tick() => continue,
            };
            let Ok((stream, _)) = accepted else {
                // Too many open files, as a rule: others may close theirs.
                tokio::time::sleep(TICK).await;
                continue;
            };
            let service = TowerToHyperService::new(router.clone());
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD);
            tokio::spawn(async move {
                let connection = http.serve_connection(TokioIo::new(stream), service);
                let _ = tokio::time::timeout(LONGEST, connection).await;
                drop(place);
            });
        }
        Ok(())
    }
}
