//! What other programs make of the same bytes: captures as libpcap and pcap-parser read them, and
//! ClientHellos as tls-parser and OpenSSL do. Where two accept the same input they have to say the
//! same; a difference is explained here, or it fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may fail")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]
#![allow(
    clippy::pedantic,
    clippy::precedence,
    clippy::redundant_clone,
    clippy::or_fun_call,
    clippy::use_self,
    reason = "numbers of a test are its own, and lists of what there is are long"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test: its modules are its documentation")]

#[allow(dead_code, clippy::cast_possible_truncation)]
#[path = "../conversations/code.rs"]
mod code;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, clippy::too_many_lines)]
#[path = "../conversations/hello.rs"]
mod hello;
mod hellos;
#[allow(dead_code, clippy::cast_possible_truncation)]
#[path = "../conversations/random.rs"]
mod random;
#[cfg(feature = "live")]
mod readers;
