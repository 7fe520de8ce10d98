//! Chains of every kind.
