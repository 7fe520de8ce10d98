//! Reports: a snapshot, policies and trust in; the inventory and its pages out.

pub mod scope;
mod text;
