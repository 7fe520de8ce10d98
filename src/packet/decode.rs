//! Frame decoding.
