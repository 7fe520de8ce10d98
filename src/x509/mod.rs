//! Certificates, chains and named trust stores.
