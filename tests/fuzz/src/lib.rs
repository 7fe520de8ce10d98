//! What the fuzz targets hold to be true, whatever comes in.
//!
//! A target (`targets/*.rs`) hands its bytes to the `check` of the module of its name, which feeds a
//! part of the program and asserts more than that nothing panics: bounds are kept, what is split
//! differently is read the same, what is written is read back the same, nothing is lost uncounted,
//! and memory stays within a bound that is linear in the input. `tests/fuzz_corpora.rs` includes
//! this very file and replays the corpora, so that every input that once told something is told to
//! every later version.
//!
//! ```sh
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz deframe -- -max_total_time=300
//! RUSTC_BOOTSTRAP=1 cargo fuzz cmin --fuzz-dir tests/fuzz deframe
//! ```
//!
//! AddressSanitizer is on. A find lies in `artifacts/`: it becomes a file of the corpus and a test
//! beside the code that it was found in.

#![allow(missing_docs, unreachable_pub, reason = "a test: its modules are its documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]

pub mod capture;
pub mod census;
pub mod certificate;
pub mod chain;
pub mod client_hello;
pub mod deframe;
pub mod dtls;
pub mod exceptions;
pub mod flow;
pub mod heap;
pub mod input;
pub mod json;
pub mod names;
pub mod office;
pub mod packet;
pub mod pipeline;
pub mod policy;
pub mod quic;
pub mod radius;
pub mod seal;
pub mod seeds;
pub mod server_hello;
pub mod sslv2;
pub mod starttls;
pub mod stream;
pub mod summary;
