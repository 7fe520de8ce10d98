//! Network interfaces: a [`LiveSource`] reads the ring that the kernel fills.
//!
//! ```text
//!   wire ─▶ kernel: filter ─▶ fanout by flow hash ─┬▶ ring ─▶ LiveSource ─▶ one capture thread
//!                                                  ╰▶ ring ─▶ LiveSource ─▶ another
//! ```
//!
//! Frames are lent from the ring (TPACKET_V3, through libpcap), which is given back block by block.
//! A source never waits for longer than a moment and says [`Poll::Idle`] when there was
//! nothing, so that its thread can let time pass and hear that it should stop. When a reader is too
//! slow the ring fills, the kernel drops what has no room, and counts it: see
//! [`CaptureStats::dropped`].
//!
//! An interface that goes down, or away, is no error: the source is [idle](Condition) until it is
//! back, and looks for it less and less often. It refuses an interface that does not exist or is
//! down *when it is opened*, and names what is missing where it may not be opened.

mod counters;
mod interfaces;
mod lighten;
mod socket;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use pcap::{Active, Capture, Precision};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netdevice::name_to_index;
use rustix::thread::CapabilitySet;

use super::{CaptureStats, Error, Frame, LinkType, Poll, Source};
use crate::clock::Timestamp;

use counters::Counter;

pub use interfaces::{Interface, interfaces};
pub use lighten::{Bulk, MOST_FLOWS, THINNED, Way};

use lighten::Step;

/// How long a source waits for frames before it says that there are none.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// When the kernel hands over a block that is not full, in milliseconds.
const BLOCK_TIMEOUT: i32 = 100;

/// Largest frame: what segmentation offload puts together is not longer.
const SNAPLEN: i32 = 65_535;

/// Frames that are delivered in one call at most: a ring that fills as fast as it is read must not
/// keep its reader from everything else.
const FRAMES: usize = 8_192;

/// The smallest ring that is still tried where the kernel has no memory for the wanted one.
const SMALLEST_RING: usize = 4 << 20;

/// How an interface is to be opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only frames that match this BPF expression.
    pub filter: Option<String>,
    /// Bytes of all rings of the interface together.
    pub ring_bytes: usize,
    /// Threads that share the interface, each with a ring of its own.
    pub members: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: None, ring_bytes: 128 << 20, members: 1 }
    }
}

/// Whether an interface can be captured on at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It can.
    #[default]
    Up,
    /// It is there, but was taken down.
    Down,
    /// It is not there.
    Gone,
}

/// One ring of one interface.
pub struct LiveSource {
    name: Arc<str>,
    options: Options,
    capture: Capture<Active>,
    link: LinkType,
    /// The kernel's number of the interface, and of its hardware type.
    index: u32,
    hardware: Option<String>,
    condition: Condition,
    absence: Absence,
    received: Counter,
    dropped: Counter,
    interface_dropped: Counter,
    stats: CaptureStats,
    /// The user's filter as the kernel runs it.
    filter: Vec<Step>,
    /// How many flows a filter may name, as far as the kernel has memory for it.
    most_flows: usize,
    /// Frames may be shorter than they were because they were to be.
    lightened: bool,
}

/// How long to wait before an interface is looked for again, in polls.
#[derive(Clone, Copy, Debug, Default)]
struct Absence {
    until_next: u32,
    wait: u32,
}

impl Absence {
    /// About six seconds.
    const LONGEST: u32 = 64;

    /// One poll later: whether to look again.
    const fn is_over(&mut self) -> bool {
        if self.until_next > 0 {
            self.until_next = self.until_next.saturating_sub(1);
            return false;
        }
        self.wait = self.wait.saturating_mul(2);
        if self.wait == 0 {
            self.wait = 1;
        } else if self.wait > Self::LONGEST {
            self.wait = Self::LONGEST;
        }
        self.until_next = self.wait;
        true
    }
}

impl LiveSource {
    /// Open an interface, once for each [member](Options::members).
    pub fn open(name: &str, options: &Options) -> Result<Vec<Self>, Error> {
        let mut group = None;
        let mut members = Vec::new();
        for _ in 0..options.members.max(1) {
            let member = Self::open_one(name, options)?;
            if options.members > 1 {
                // After the ring is there: a group takes only sockets that run.
                let joined = socket::join_fanout(&member.capture, group);
                group = Some(joined.map_err(|cause| Error::Interface {
                    name: name.to_owned(),
                    reason: format!("threads cannot share it: {cause}"),
                })?);
            }
            members.push(member);
        }
        Ok(members)
    }

    fn open_one(name: &str, options: &Options) -> Result<Self, Error> {
        let capture = activate(name, options)?;
        let link = LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX));
        Ok(Self {
            name: name.into(),
            options: options.clone(),
            // `any` is all interfaces and has no number.
            index: name_to_index(&capture, name).unwrap_or_default(),
            hardware: interfaces::attribute(name, "type"),
            link,
            condition: Condition::Up,
            absence: Absence::default(),
            received: Counter::default(),
            dropped: Counter::default(),
            interface_dropped: Counter::default(),
            stats: CaptureStats::default(),
            filter: compiled(&capture, options),
            most_flows: MOST_FLOWS,
            lightened: false,
            capture,
        })
    }

    /// The interface's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What the first byte of its frames belongs to.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Whether it can be captured on at the moment.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Ask the kernel what was lost. Its counters wrap: this is to be called every second or so.
    pub fn refresh(&mut self) {
        // A handle whose interface is gone may have nothing to say.
        if let Ok(stats) = self.capture.stats() {
            self.received.follow(stats.received);
            self.dropped.follow(stats.dropped);
            self.interface_dropped.follow_or_restart(stats.if_dropped);
        }
        self.stats.dropped = self.dropped.total();
        self.stats.interface_dropped = self.interface_dropped.total();
    }

    /// Frames that the kernel put into the ring and that were not delivered.
    ///
    /// On `lo` that is one of every two: a frame passes there twice and is delivered once.
    pub fn unread(&self) -> u64 {
        let lost = self.dropped.total();
        self.received.total().saturating_sub(lost).saturating_sub(self.stats.frames)
    }

    /// Of these flows, heaviest first, nothing more is wanted than what `bulk` says: let the kernel
    /// leave out the rest. Returns of how many it does: none where frames are not of Ethernet.
    pub fn lighten(&mut self, flows: &[Way], bulk: Bulk) -> usize {
        if self.link != LinkType::ETHERNET || (flows.is_empty() && !self.lightened) {
            return 0;
        }
        loop {
            let flows = flows.get(..self.most_flows).unwrap_or(flows);
            let program = lighten::program(&self.filter, flows, bulk);
            let attached =
                program.is_some_and(|program| socket::attach(&self.capture, &program).is_ok());
            if attached {
                self.lightened = true;
                return flows.len();
            }
            // A kernel may have less room for programs, and the user's takes some.
            self.most_flows = flows.len() / 2;
            if flows.is_empty() {
                return 0;
            }
        }
    }

    /// How many bytes the ring has room for.
    pub fn ring_bytes(&self) -> usize {
        let members = usize::from(self.options.members.max(1));
        self.options.ring_bytes.checked_div(members).unwrap_or_default()
    }

    /// Let nothing more into the ring: poll until it is [idle](Poll::Idle), and all is read that
    /// was captured before.
    pub fn close_ring(&self) -> Result<(), Error> {
        socket::reject_all(&self.capture).map_err(|cause| self.fault(&cause.to_string()))
    }

    /// Deliver what is in the ring.
    fn dispatch(&mut self, sink: &mut impl FnMut(Frame<'_>)) -> Result<usize, pcap::Error> {
        let (link, stats, lightened) = (self.link, &mut self.stats, self.lightened);
        self.capture.dispatch(Some(FRAMES), |packet| {
            let header = packet.header;
            let seconds = u64::try_from(header.ts.tv_sec).unwrap_or_default();
            // Nanoseconds, in the field that is named after microseconds.
            let nanoseconds = u32::try_from(header.ts.tv_usec).unwrap_or_default();
            let length = packet.data.len();
            stats.frames = stats.frames.saturating_add(1);
            let cut = header.caplen < header.len;
            let wanted = cut && lightened && header.caplen < SNAPLEN.cast_unsigned();
            let bytes = if wanted { u64::from(header.len) } else { length as u64 };
            stats.frame_bytes = stats.frame_bytes.saturating_add(bytes);
            stats.cut_frames = stats.cut_frames.saturating_add(u64::from(cut && !wanted));
            stats.lightened = stats.lightened.saturating_add(u64::from(wanted));
            sink(Frame {
                timestamp: Timestamp::new(seconds, nanoseconds),
                link,
                wire_len: header.len,
                bytes: packet.data,
            });
        })
    }

    /// Wait for frames, for a moment. Whether there is something to read or to be told.
    fn wait(&self) -> PollFlags {
        let socket = self.capture.as_fd();
        let mut ready = [PollFd::new(&socket, PollFlags::IN)];
        match poll(&mut ready, Some(&PATIENCE)) {
            Ok(0) | Err(_) => PollFlags::empty(),
            Ok(_) => ready.iter().fold(PollFlags::empty(), |all, one| all | one.revents()),
        }
    }

    /// The socket says that something is wrong: find out what, without haste.
    fn lost(&mut self) -> Poll {
        pause();
        // Asking takes the error off the socket.
        let _ = rustix::net::sockopt::socket_error(&self.capture);
        self.absence = Absence::default();
        self.condition = match name_to_index(&self.capture, &self.name) {
            Ok(index) if index == self.index && self.is_up() => Condition::Up,
            Ok(index) if index == self.index => Condition::Down,
            _ => Condition::Gone,
        };
        Poll::Idle
    }

    /// Whether the interface is switched on.
    fn is_up(&self) -> bool {
        interfaces::is_up(&self.name)
    }

    /// An interface of that name is there again, but it is another one to the kernel: go on with it.
    ///
    /// The socket is bound anew, as a process that has given up its rights cannot open another.
    fn come_back(&mut self) -> Result<(), Error> {
        let Ok(index) = name_to_index(&self.capture, &self.name) else { return Ok(()) };
        if !self.is_up() {
            return Ok(());
        }
        if interfaces::attribute(&self.name, "type") != self.hardware {
            return Err(self.fault("it came back as another kind of interface: start again"));
        }
        if socket::bind(&self.capture, index).is_ok() {
            let _ = socket::be_promiscuous(&self.capture, index);
        } else {
            // A member of a group stays bound to what is gone.
            self.capture = self.reopen()?;
            self.filter = compiled(&self.capture, &self.options);
            self.received.restart();
            self.dropped.restart();
            self.interface_dropped.restart();
        }
        self.index = index;
        self.condition = Condition::Up;
        Ok(())
    }

    fn reopen(&self) -> Result<Capture<Active>, Error> {
        if self.options.members > 1 {
            return Err(self.fault(
                "it went away while several threads shared it, which cannot be mended: start again",
            ));
        }
        match activate(&self.name, &self.options) {
            Err(Error::Permission { .. }) => Err(self.fault(
                "it went away and is back, but the right to open it was given up: start again",
            )),
            result => result,
        }
    }

    fn fault(&self, reason: &str) -> Error {
        Error::Interface { name: self.name.to_string(), reason: reason.to_owned() }
    }
}

impl Source for LiveSource {
    fn poll(&mut self, sink: &mut impl FnMut(Frame<'_>)) -> Result<Poll, Error> {
        if self.condition == Condition::Gone {
            pause();
            if self.absence.is_over() {
                self.come_back()?;
            }
            return Ok(Poll::Idle);
        }
        for waited in [false, true] {
            match self.dispatch(sink) {
                Ok(0) => {}
                Ok(frames) => {
                    self.condition = Condition::Up;
                    return Ok(Poll::Frames(frames));
                }
                Err(_) => return Ok(self.lost()),
            }
            if !waited {
                let said = self.wait();
                if said.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
                    return Ok(self.lost());
                }
                if said.is_empty() {
                    break;
                }
            }
        }
        if self.condition == Condition::Down {
            return Ok(self.lost());
        }
        Ok(Poll::Idle)
    }

    fn stats(&self) -> CaptureStats {
        self.stats
    }
}

/// Let a moment pass.
fn pause() {
    let _ = poll(&mut [], Some(&PATIENCE));
}

/// Open an interface as well as it allows: with a smaller ring where there is no memory, and as it
/// is where it cannot be promiscuous.
fn activate(name: &str, options: &Options) -> Result<Capture<Active>, Error> {
    let members = usize::from(options.members.max(1));
    let mut ring = options.ring_bytes.checked_div(members).unwrap_or_default().max(SMALLEST_RING);
    let mut promiscuous = true;
    let refused = loop {
        match try_activate(name, ring, promiscuous) {
            Ok(capture) => return prepare(name, capture, options),
            // libpcap's warnings are errors here: a warning that it cannot be promiscuous is one.
            Err(_) if promiscuous => promiscuous = false,
            Err(error) if ring <= SMALLEST_RING || !is_memory(&error) => break error,
            Err(_) => ring = ring.checked_div(2).unwrap_or_default(),
        }
    };
    Err(refusal(name, &refused))
}

fn try_activate(
    name: &str,
    ring_bytes: usize,
    promiscuous: bool,
) -> Result<Capture<Active>, pcap::Error> {
    // Never in immediate mode: it would do without blocks (TPACKET_V2).
    Capture::from_device(name)?
        .snaplen(SNAPLEN)
        .buffer_size(i32::try_from(ring_bytes).unwrap_or(i32::MAX))
        .timeout(BLOCK_TIMEOUT)
        .promisc(promiscuous)
        .precision(Precision::Nano)
        .open()
}

/// Filter, and never block: on a quiet interface libpcap would do so for ever.
fn prepare(
    name: &str,
    mut capture: Capture<Active>,
    options: &Options,
) -> Result<Capture<Active>, Error> {
    if let Some(expression) = &options.filter {
        capture.filter(expression, true).map_err(|error| Error::Filter {
            expression: expression.clone(),
            reason: words(&error),
        })?;
    }
    capture
        .setnonblock()
        .map_err(|error| Error::Interface { name: name.to_owned(), reason: words(&error) })
}

/// The user's filter, to be a part of ours. The kernel accepted it a moment ago.
fn compiled(capture: &Capture<Active>, options: &Options) -> Vec<Step> {
    let Some(expression) = &options.filter else { return Vec::new() };
    let Ok(program) = capture.compile(expression, true) else { return Vec::new() };
    let step = |text: String| {
        // It tells its parts as text only.
        let mut parts = text.split(' ').map(str::parse::<u32>);
        let mut part = || parts.next()?.ok();
        Some(Step {
            code: u16::try_from(part()?).ok()?,
            jt: u8::try_from(part()?).ok()?,
            jf: u8::try_from(part()?).ok()?,
            k: part()?,
        })
    };
    program.get_instructions().iter().filter_map(|one| step(one.to_string())).collect()
}

/// Why an interface cannot be opened, in our words where we know better.
fn refusal(name: &str, error: &pcap::Error) -> Error {
    let name = name.to_owned();
    if name != "any" && fs::exists(interfaces::folder(&name)).is_ok_and(|exists| !exists) {
        return Error::NoInterface { name };
    }
    if !may_capture() {
        return Error::Permission { name };
    }
    let reason = if name != "any" && !interfaces::is_up(&name) {
        "it is down".to_owned()
    } else {
        words(error)
    };
    Error::Interface { name, reason }
}

/// Whether this process may open packet sockets.
fn may_capture() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_RAW))
}

fn is_memory(error: &pcap::Error) -> bool {
    let nothing = io::Error::from_raw_os_error(libc::ENOMEM).to_string();
    let nothing = nothing.split(" (").next().unwrap_or_default();
    words(error).contains(nothing)
}

/// What libpcap says, without the name of the function that failed.
fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}
