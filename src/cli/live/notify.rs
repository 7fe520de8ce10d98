//! [`Notify`]: words to the service manager that started this program, if one did (`sd_notify(3)`).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// The line to the service manager. Its socket is opened while sockets may be.
#[derive(Debug)]
pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that all is well.
    interval: Option<Duration>,
    said: Option<Instant>,
    beats: u64,
}

#[allow(clippy::disallowed_methods, reason = "a watchdog goes by the clock on the wall")]
impl Notify {
    /// As the environment says.
    pub(super) fn new() -> Self {
        let interval = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        // Twice as often as it must.
        let interval = interval.map(|wanted: u64| Duration::from_micros(wanted / 2));
        Self { socket: connect(), interval, said: None, beats: 0 }
    }

    /// The rings are open: packets are captured from now on.
    pub(super) fn ready(&self) {
        self.say("READY=1");
    }

    /// The run is ending.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// All is well if the capture threads have been round since the last time.
    pub(super) fn alive(&mut self, beats: u64) {
        let Some(interval) = self.interval else { return };
        if beats != self.beats && self.said.is_none_or(|said| said.elapsed() >= interval) {
            self.say("WATCHDOG=1");
            self.said = Some(Instant::now());
            self.beats = beats;
        }
    }

    fn say(&self, word: &str) {
        if let Some(socket) = &self.socket {
            // A service manager that does not listen is no reason to stop.
            let _ = socket.send(word.as_bytes());
        }
    }
}

fn connect() -> Option<UnixDatagram> {
    let path = std::env::var("NOTIFY_SOCKET").ok()?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}
