//! Whose software an offer is, and which fix fits.
