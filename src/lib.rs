//! tlscensus: a passive auditor of TLS.

pub mod bytes;
pub mod capture;
pub mod census;
pub mod clock;
pub mod limits;
pub mod packet;
pub mod policy;
pub mod recognise;
pub mod record;
pub mod report;
pub mod tls;
pub mod x509;
