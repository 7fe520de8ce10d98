//! tlscensus: a passive auditor of TLS.

pub mod bytes;
pub mod capture;
pub mod clock;
pub mod flow;
pub mod limits;
pub mod packet;
pub mod quic;
pub mod record;
pub mod tls;
pub mod x509;
