//! `tlscensus` watches TLS handshakes, in capture files or on a SPAN port, and answers one question:
//! **who breaks when a TLS policy is enforced, why, and what do they change so that they don't?**
//!
//! This page is the map of the house. One crate; its folders stand in the order in which data
//! flows, and a module imports only from those before it (`tests/architecture.rs` sees to it).
//!
//! # What a packet meets
//!
//! ```text
//!      capture thread                                          worker threads
//!  ┌────────────────────────────────────────────────────┐  ┌───────────────────────────────────┐
//!  Source ─Frame▶ Decoder ─Segment▶ FlowTable ─bytes▶        message::events ─▶ handshake::read
//!                    │ Skip           │ expiry   │              │ certificates: parsed once
//!                    ▼ (counted)      ▼          ▼              ▼
//!               PacketStats        FlowEnd  Conversation ═Batch═▶ FlowRecord ─▶ Census
//!                                                │ shunt           (facts)   ╰─▶ lines ─▶ Sink
//!  └────────────────────────────────────────────────────┘  └───────────────────────────────────┘
//!             Census::snapshot + policy (judgement) + recognise (software, fix) ─▶ report
//! ```
//!
//! * A [`capture`] source hands out frames that borrow from its one buffer; [`packet`] finds the
//!   innermost TCP segment, UDP datagram or EAP frame in them, again as slices of that buffer.
//! * A [`flow`] table puts the segments of each direction in order and feeds them to a
//!   [`tls::conversation`], which looks for records, keeps the handshake bytes that are in the clear
//!   and counts the rest. As soon as both directions are encrypted, or the stream turns out not to be
//!   TLS, the flow is *shunted*: from then on a packet of it costs one look-up.
//! * What was kept of a finished handshake crosses to a worker in a batch ([`pipeline`]). There it is
//!   read ([`tls::message`], [`tls::handshake`], [`x509`]) and becomes a [`record`]: all facts of
//!   one connection, and nothing but facts.
//! * Records are added up in a [`census`]. A [`policy`] judges facts, of one connection or of all,
//!   at any later time; [`recognise`] says whose software an offer is and which fix fits.
//!   A [`report`] is a pure function of a snapshot of the census and policies.
//!
//! # Who may import whom
//!
//! | layer | module | what it is for |
//! | --- | --- | --- |
//! | 0 | `ascii`, [`bytes`], [`clock`], `cores`, `counters`, [`json`], [`limits`], `memory`, `prefetch` | short text that is put together in place; the one byte cursor; capture time; where threads run; numbers that are added up; JSON text; every bound that a peer could push against; pages of memory; memory that is asked for early |
//! | 1 | [`capture`] | where frames come from |
//! | 2 | [`packet`] | frame → segment or datagram, or the reason why not |
//! | 3 | [`flow`] | segments → ordered byte streams; datagrams → flows |
//! | 3 | [`naming`] | datagrams → what hosts are called |
//! | 4 | [`tls`], [`quic`], [`x509`] | bytes → what was offered, chosen, sent, refused; QUIC's Initial packets → the same; certificates, chains, trust |
//! | 5 | [`record`] | all facts of one connection; the one serialised schema |
//! | 6 | [`census`] | the inventory: facts added up, kept in SQLite, merged |
//! | 7 | [`policy`], [`recognise`] | judgement: pure functions of facts and a policy; software and fixes |
//! | 8 | [`sink`], [`report`] | records and snapshots → files and pages |
//! | 9 | [`pipeline`] | threads, batches, channels; files and streams, or interfaces |
//! | 9 | [`serve`] | the live page and the metrics, over HTTP |
//! | 10 | [`cli`] | arguments → plan → run |
//!
//! # Rules of the house
//!
//! * **Facts are kept apart from judgement.** Nothing below [`policy`] knows a policy.
//! * **What the network does wrong is data**, counted and reported; an `Err` is for our operator:
//!   cannot open, cannot read, bad policy. An unseen thing is never a good thing.
//! * **Capture time only.** Below the pipeline nobody asks what time it is: a file gives the same
//!   report at any speed, with any number of threads.
//! * **Untrusted bytes go through [`bytes::Reader`]**; everything that a peer can make grow has a
//!   bound in [`limits::Limits`], and what a bound refuses is counted.
//!
//! Two decisions differ from what one might expect. A capture thread hands over a handshake *as a
//! whole* when it is over, not message by message: any worker can take any handshake, nothing is
//! shared between workers but caches that change no result, and the order of records does not
//! depend on threads. And a SYN makes no flow: only a small table of fixed size remembers where
//! streams begin, so that a flood of SYNs costs neither memory nor time.

mod ascii;
pub mod bytes;
pub mod capture;
pub mod census;
pub mod cli;
pub mod clock;
mod cores;
mod counters;
pub mod flow;
pub mod json;
pub mod limits;
mod memory;
pub mod naming;
pub mod packet;
pub mod pipeline;
pub mod policy;
mod prefetch;
pub mod quic;
pub mod recognise;
pub mod record;
pub mod report;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sink;
pub mod tls;
pub mod x509;
