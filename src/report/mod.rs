//! Reports: a snapshot, policies and trust in; the inventory and its pages out.
//!
//! [`Inventory::judge`] puts facts and policies together; everything else writes that value down:
//! [JSON](Inventory::write_json), [CSV](Inventory::write_csv), the [summary](Inventory::summary) on
//! the terminal.

pub mod anonymize;
mod csv;
pub mod diff;
pub mod exceptions;
mod format;
mod host;
mod html;
pub mod inventory;
mod markdown;
mod mended;
pub mod names;
#[cfg(test)]
pub(crate) mod sample;
pub mod schema;
pub mod scope;
pub mod summary;
mod text;
mod vendors;

pub use diff::Diff;
pub use exceptions::Exceptions;
pub use format::Format;
pub use html::{Pack, Peers, Rows};
pub use inventory::{Inventory, Question};
pub use names::Names;
pub use summary::Style;
pub(crate) use text::{printable, wrap};
pub use vendors::Vendors;
