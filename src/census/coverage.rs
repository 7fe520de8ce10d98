//! [`Coverage`]: how much of the truth was there to be seen.
//!
//! A report that finds no legacy client must say how hard it looked. Connections are counted here
//! by what was missing of them; sources by what could not be read or decoded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Notes;
use crate::clock::Timestamp;
use crate::packet::Skip;
use crate::record::{FlowRecord, Outcome, Sides};
use crate::tls::Transport;

/// Define the counters twice: as atomics that workers add to, and as the numbers of a snapshot.
macro_rules! coverage {
    ($($(#[$meta:meta])* $name:ident: $test:expr,)*) => {
        /// Counters of a census that is still growing.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $($name: AtomicU64,)* }

        impl Counters {
            /// Count a connection.
            pub(super) fn count(&self, record: &FlowRecord) {
                $(
                    let test: fn(&FlowRecord) -> bool = $test;
                    if test(record) {
                        self.$name.fetch_add(1, Ordering::Relaxed);
                    }
                )*
            }

            /// The numbers as they are now.
            pub(super) fn read(&self) -> Coverage {
                Coverage { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        /// How many connections were seen, and of how many something was hidden or missing.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Coverage { $($(#[$meta])* pub $name: u64,)* }

        impl Coverage {
            /// The counters by name, in this order.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Take the larger of each: another state of the same source.
            pub(super) fn join(&mut self, other: &Self) {
                $(self.$name = self.$name.max(other.$name);)*
            }

            /// Take off what is left out. Of what only the whole is known, at most all that is
            /// left counts.
            pub(super) fn take_off(&mut self, other: &Self) {
                let left = self.connections.saturating_sub(other.connections);
                $(self.$name = self.$name.saturating_sub(other.$name).min(left);)*
            }

            /// Set the counter of this name; false if there is none.
            pub(super) fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return false,
                }
                true
            }

            /// Add what another census counted.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

coverage! {
    /// All connections of which a handshake message or an alert was seen.
    connections: |_| true,
    /// Their handshakes were established.
    established: |record| record.outcome == Outcome::Established,
    /// Refused by an alert.
    refused: |record| record.outcome == Outcome::Refused,
    /// Closed or reset before they were done.
    reset: |record| record.outcome == Outcome::Reset,
    /// Not seen to end.
    incomplete: |record| record.outcome == Outcome::Incomplete,
    /// No ClientHello was seen: what the client can do is not known from them.
    without_client_hello: |record| record.client_hello.is_none(),
    /// Only one direction was captured.
    one_sided: |record| record.seen.sides != Sides::Both,
    /// Packets are missing from the handshake.
    with_gaps: |record| record.seen.gaps > 0,
    /// A handshake message was begun and not wholly seen, or was beyond a bound.
    truncated: |record| record.seen.truncated,
    /// An earlier session was resumed: no certificate is sent.
    resumed: |record| record.resumed,
    /// TLS 1.3 encrypts the certificates, where some are sent.
    encrypted_certificates: |record| {
        !record.resumed && record.server_hello.as_ref().is_some_and(|hello| hello.version.is_tls13())
    },
    /// The ClientHello's inner part is encrypted, or pretends to be.
    ech: |record| record.client_hello.as_ref().is_some_and(|hello| hello.offer.ech()),
    /// Over QUIC, which can offer nothing below TLS 1.3.
    quic: |record| record.transport == Transport::Quic,
    /// Connections of which a handshake was seen to begin, and nothing could be read: of QUIC the client's
    /// first packet is not there. They are none of the others, and are counted where reading fails.
    unreadable: |_| false,
    /// What was said of addresses (names, leases) and found no room. No connection says it: it is
    /// counted where it is refused.
    names_refused: |_| false,
    /// Details of hosts and servers that are listed (MAC addresses, hours, attempts, durations) for
    /// which there was no room: counted where they are refused.
    details_refused: |_| false,
}

impl Counters {
    /// A handshake of which nothing can be read.
    pub(super) fn fail_to_read(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// So many names of addresses found no room.
    pub(super) fn refuse_names(&self, names: u64) {
        self.names_refused.fetch_add(names, Ordering::Relaxed);
    }

    /// So many details of what is listed found no room.
    pub(super) fn refuse_details(&self, details: u64) {
        if details > 0 {
            self.details_refused.fetch_add(details, Ordering::Relaxed);
        }
    }
}

/// A source: a file, a stream or an interface, and how its reading went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEntry {
    /// The sensor's name.
    pub sensor: Arc<str>,
    /// What kind of source it is.
    pub kind: SourceKind,
    /// Its name, as in the records.
    pub name: Arc<str>,
    /// What proves two sources to be the same one, whatever they are called.
    pub id: Option<String>,
    /// Time of its earliest packet.
    pub first: Option<Timestamp>,
    /// Time of its latest packet.
    pub last: Option<Timestamp>,
    /// Packets read.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packets that the capture cut (snaplen).
    pub cut: u64,
    /// Packets that the capturing system says it lost.
    pub dropped: u64,
    /// Of an interface: who lost them.
    pub lost: Lost,
    /// Packets that gave neither segment nor datagram, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Flows that were followed.
    pub flows: u64,
    /// Flows in which TLS was seen only in the middle of its application data: not recorded.
    pub midstream: u64,
    /// Flows that were given up because a bound was reached.
    pub evicted: u64,
    /// What else is worth saying of how it was followed.
    pub notes: Notes,
    /// Why it could not be opened, or not be read to its end.
    pub fault: Option<String>,
}

/// What makes two sources the same: sensor, kind and identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey {
    /// The sensor's name.
    pub sensor: Arc<str>,
    /// The kind.
    pub kind: SourceKind,
    /// The identity; the name in its place where a source has none.
    pub id: Arc<str>,
}

/// Packets of an interface that were lost, apart by where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// By the interface or its driver, before they were captured.
    pub interface: u64,
    /// By the kernel, as the ring was full although nothing but the rate of packets kept its reader.
    pub ring: u64,
    /// By the kernel, as the ring was full while its reader waited for the workers.
    pub backlog: u64,
    /// Captured, but not read before the run had to end.
    pub unread: u64,
    /// Packets read, and all of these lost, in seconds in which a handshake was open: only those
    /// can have cost something.
    pub open_read: u64,
    /// See there.
    pub open_lost: u64,
    /// Seconds in which packets were lost.
    pub seconds: u64,
    /// Packets of flows that were over for us of which only the headers were taken: not lost.
    pub lightened: u64,
    /// Packets of such flows that were left out on purpose while the ring was filling, by an
    /// estimate: nobody counts them, and nothing was wanted of them.
    pub left_out: u64,
    /// Seconds in which that was done.
    pub left_out_seconds: u64,
}

impl Lost {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.interface
            .saturating_add(self.ring)
            .saturating_add(self.backlog)
            .saturating_add(self.unread)
    }

    /// The counters by name.
    pub fn counters(&mut self) -> [(&'static str, &mut u64); 10] {
        [
            ("interface", &mut self.interface),
            ("ring", &mut self.ring),
            ("backlog", &mut self.backlog),
            ("unread", &mut self.unread),
            ("open_read", &mut self.open_read),
            ("open_lost", &mut self.open_lost),
            ("seconds", &mut self.seconds),
            ("lightened", &mut self.lightened),
            ("left_out", &mut self.left_out),
            ("left_out_seconds", &mut self.left_out_seconds),
        ]
    }

    /// Add what another source lost.
    pub fn add(&mut self, mut other: Self) {
        for ((_, count), (_, more)) in self.counters().into_iter().zip(other.counters()) {
            *count = count.saturating_add(*more);
        }
    }

    /// Take the larger of each: another state of the same source.
    fn join(&mut self, mut other: Self) {
        for ((_, count), (_, more)) in self.counters().into_iter().zip(other.counters()) {
            *count = (*count).max(*more);
        }
    }

    /// The share of packets that were lost while a handshake was open.
    pub fn open_share(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share that people read")]
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        share(self.open_lost, self.open_read.saturating_add(self.open_lost))
    }
}

/// The kind of a [source](SourceEntry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A capture file.
    File,
    /// Standard input or a pipe.
    Stream,
    /// An interface.
    Live,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::File, Self::Stream, Self::Live];

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Stream => "stream",
            Self::Live => "live",
        }
    }
}

impl SourceEntry {
    /// A source of which nothing was read yet.
    pub fn new(sensor: Arc<str>, kind: SourceKind, name: Arc<str>) -> Self {
        Self {
            sensor,
            kind,
            name,
            id: None,
            first: None,
            last: None,
            packets: 0,
            bytes: 0,
            cut: 0,
            dropped: 0,
            lost: Lost::default(),
            skipped: BTreeMap::new(),
            flows: 0,
            midstream: 0,
            evicted: 0,
            notes: Notes::default(),
            fault: None,
        }
    }

    /// Which source it is: no two entries of a census are of the same.
    pub(super) fn key(&self) -> (Arc<str>, SourceKind, Arc<str>) {
        (Arc::clone(&self.sensor), self.kind, Arc::clone(&self.name))
    }

    /// What makes it the same source as another one, whatever they are called.
    pub fn identity(&self) -> SourceKey {
        let id = self.id.as_deref().unwrap_or(&self.name);
        SourceKey { sensor: Arc::clone(&self.sensor), kind: self.kind, id: id.into() }
    }

    /// Another state of the same source: of counters the larger, of names the smaller.
    pub(super) fn join(&mut self, other: Self) {
        // How its reading went is told by whoever read further.
        let fault = (other.packets, other.fault.is_none(), &other.fault)
            > (self.packets, self.fault.is_none(), &self.fault);
        if fault {
            self.fault = other.fault;
        }
        if other.name < self.name {
            self.name = other.name;
        }
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        for (known, count) in [
            (&mut self.packets, other.packets),
            (&mut self.bytes, other.bytes),
            (&mut self.cut, other.cut),
            (&mut self.dropped, other.dropped),
            (&mut self.flows, other.flows),
            (&mut self.midstream, other.midstream),
            (&mut self.evicted, other.evicted),
        ] {
            *known = (*known).max(count);
        }
        self.lost.join(other.lost);
        self.notes.join(&other.notes);
        for (reason, count) in other.skipped {
            let known = self.skipped.entry(reason).or_default();
            *known = (*known).max(count);
        }
    }
}
