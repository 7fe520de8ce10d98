//! [`Inventory::anonymize`]: a report that may leave the house.
//!
//! Addresses, MAC addresses, the names of hosts, servers, certificates, owners, sites, sensors and
//! files are replaced by keyed hashes (HMAC-SHA-256), the same by the same in every report that is
//! made with the same key, so that reports can be compared. All names are replaced, those of
//! well-known public services too: which ones a house uses is its own affair. Software, policies,
//! findings, remedies, times and numbers stay. Addresses become ones that are reserved for
//! documentation (RFC 3849: `2001:db8:4::/48` stands for IPv4, `2001:db8:6::/48` for IPv6), MAC
//! addresses locally administered ones; nothing of a network's structure is kept.
//!
//! The inventory itself is changed, before any format sees it. Sentences in which names stand give
//! way to the title of their finding.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::hmac;
use thiserror::Error;

use super::exceptions::{Excepted, ExceptionLine};
use super::inventory::{
    ChainTotals, Client, Edge, Finding, Inventory, NamedBy, Server, ServerName, SourceLine,
    TrustLine,
};
use crate::limits;
use crate::packet::{Address, Mac};
use crate::policy::finding::FindingId;
use crate::x509::Fingerprint;
use crate::x509::chain::ChainReport;

/// A shorter key can be guessed.
const LEAST_KEY: usize = 16;

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Its file cannot be read.
    #[error("cannot read the key `{}`: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is too short.
    #[error("the key `{}` is too short: {LEAST_KEY} bytes at least", path.display())]
    Short {
        /// The file.
        path: PathBuf,
    },
}

/// What names are replaced under.
#[derive(Debug)]
pub struct Key(hmac::Key);

/// What is replaced: one text of two kinds gives two hashes.
#[derive(Clone, Copy)]
enum Kind {
    Address,
    Mac,
    Name,
    Certificate,
    Owner,
    Store,
    Source,
}

impl Key {
    /// The key in a file; spaces and line ends after it do not count.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let bytes = limits::read_named(path)
            .map_err(|cause| KeyError::Read { path: path.to_owned(), cause })?;
        let key = bytes.trim_ascii_end();
        if key.len() < LEAST_KEY {
            return Err(KeyError::Short { path: path.to_owned() });
        }
        Ok(Self::new(key))
    }

    /// A key of these bytes.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn hash<const N: usize>(&self, kind: Kind, value: &[u8]) -> [u8; N] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[kind as u8]);
        context.update(value);
        let mut hash = [0; N];
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        hash
    }

    /// `name-` and 16 hex digits.
    fn word(&self, kind: Kind, value: &str) -> String {
        let word = match kind {
            Kind::Owner => "owner",
            Kind::Store => "store",
            Kind::Source => "source",
            _ => "name",
        };
        format!("{word}-{:016x}", u64::from_be_bytes(self.hash(kind, value.as_bytes())))
    }

    /// A name as people and programs write it: case and a dot at the end make no difference; an
    /// address is replaced as one.
    fn name(&self, name: &str) -> String {
        if let Ok(ip) = name.parse::<std::net::IpAddr>() {
            return self.address(ip.into()).to_string();
        }
        let plain = name.strip_suffix('.').unwrap_or(name).to_lowercase();
        self.word(Kind::Name, &plain)
    }

    fn address(&self, address: Address) -> Address {
        let family = if address.to_ip().is_ipv4() { 4 } else { 6 };
        let hash: [u8; 10] = self.hash(Kind::Address, &address.octets());
        let mut octets = [0x20, 0x01, 0x0d, 0xb8, 0, family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        octets.iter_mut().skip(6).zip(hash).for_each(|(to, from)| *to = from);
        Address::v6(octets)
    }

    fn mac(&self, Mac(mac): Mac) -> Mac {
        let [_, rest @ ..]: [u8; 6] = self.hash(Kind::Mac, &mac);
        let mut mac = [0x02; 6];
        mac.iter_mut().skip(1).zip(rest).for_each(|(to, from)| *to = from);
        Mac(mac)
    }

    fn fingerprint(&self, Fingerprint(hash): Fingerprint) -> Fingerprint {
        Fingerprint(self.hash(Kind::Certificate, &hash))
    }

    fn names(&self, names: &mut [String]) {
        for name in names.iter_mut() {
            *name = self.name(name);
        }
        names.sort_unstable();
    }

    fn named_by(&self, named_by: &mut NamedBy) {
        let named = std::mem::take(named_by);
        *named_by = named.into_iter().map(|(name, by)| (self.name(&name), by)).collect();
    }

    fn snis(&self, snis: &mut [Arc<str>]) {
        for sni in snis.iter_mut() {
            *sni = self.name(sni).into();
        }
        snis.sort_unstable();
    }

    fn option(&self, kind: Kind, value: &mut Option<String>) {
        if let Some(value) = value {
            *value = self.word(kind, value);
        }
    }

    /// A store of the organisation's own; those that everybody has keep their names.
    fn store(&self, name: &str) -> String {
        match name {
            "mozilla" | "system" => name.to_owned(),
            name => self.word(Kind::Store, name),
        }
    }

    fn server(&self, server: &ServerName) -> ServerName {
        let target = server.target.as_deref().map(|target| {
            let (host, port) = match target.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    (host.trim_start_matches('[').trim_end_matches(']'), Some(port))
                }
                _ => (target, None),
            };
            let host = self.name(host);
            match port {
                Some(port) if host.contains(':') => format!("[{host}]:{port}").into(),
                Some(port) => format!("{host}:{port}").into(),
                None => host.into(),
            }
        });
        ServerName { ip: self.address(server.ip), target, ..server.clone() }
    }

    fn servers(&self, servers: &mut [Arc<ServerName>]) {
        for server in servers.iter_mut() {
            *server = Arc::new(self.server(server));
        }
        servers.sort_unstable();
    }

    /// Sentences about certificates name them: what they say in general has to do.
    fn findings(&self, findings: &mut [Finding]) {
        for finding in findings {
            let names = finding.id.starts_with("cert.") || finding.id.starts_with("client.rejects");
            if names && let Some(id) = FindingId::from_name(finding.id) {
                finding.text = id.title().into();
            }
            self.excepted(&mut finding.excepted);
        }
    }

    fn excepted(&self, excepted: &mut Option<Arc<Excepted>>) {
        if let Some(agreed) = excepted {
            *agreed = self.agreed(agreed);
        }
    }

    fn agreed(&self, agreed: &Excepted) -> Arc<Excepted> {
        Arc::new(Excepted {
            owner: self.word(Kind::Owner, &agreed.owner).into(),
            reason: "not told".into(),
            ..agreed.clone()
        })
    }

    fn chain(&self, chain: &mut ChainReport) {
        chain.why = None;
        for store in &mut chain.trusted_by {
            *store = self.store(store);
        }
        for name in [&mut chain.root_subject, &mut chain.issuer] {
            self.option(Kind::Name, name);
        }
        chain.root_sha1 = chain.root_sha1.map(|sha1| self.hash(Kind::Certificate, &sha1));
        chain.root_fingerprint = chain.root_fingerprint.map(|print| self.fingerprint(print));
        for print in &mut chain.path {
            *print = self.fingerprint(*print);
        }
    }

    fn chains(&self, totals: &mut ChainTotals) {
        let trusted = std::mem::take(&mut totals.trusted_by);
        totals.trusted_by = trusted.into_iter().map(|(name, n)| (self.store(&name), n)).collect();
        for root in &mut totals.roots {
            root.subject = self.word(Kind::Name, &root.subject);
            root.sha1 = self.hash(Kind::Certificate, &root.sha1);
            for store in &mut root.trusted_by {
                *store = self.store(store);
            }
        }
        for unknown in &mut totals.unknown {
            unknown.issuer = self.word(Kind::Name, &unknown.issuer);
            self.servers(&mut unknown.servers);
        }
    }
}

impl Inventory {
    /// Replace every address and name.
    pub fn anonymize(&mut self, key: &Key) {
        self.anonymized = true;
        for source in &mut self.sources {
            source.anonymize(key);
        }
        for store in &mut self.trust {
            store.anonymize(key);
        }
        for pattern in &mut self.scope {
            *pattern = key.word(Kind::Name, pattern);
        }
        for line in &mut self.exceptions {
            line.anonymize(key);
        }
        for client in &mut self.clients {
            client.anonymize(key);
        }
        for server in &mut self.servers {
            server.anonymize(key);
        }
        for edge in &mut self.edges {
            edge.anonymize(key);
        }
        for line in &mut self.certificates {
            line.certificate = Arc::new(line.certificate.renamed(
                |name| key.word(Kind::Name, name),
                |name| key.name(name),
                |print| key.hash(Kind::Certificate, print),
            ));
            key.servers(&mut line.servers);
        }
        key.chains(&mut self.summary.chains);
        if let Some(successor) = &mut self.summary.successor {
            for list in [&mut successor.more, &mut successor.fewer] {
                for address in list.iter_mut() {
                    *address = key.address(*address);
                }
                list.sort_unstable();
            }
        }
        // In the order of what is told: another order would tell of the old one.
        self.clients.sort_by_key(|client| client.ip);
        self.servers.sort_by(|a, b| a.name.cmp(&b.name));
        self.edges.sort_by(|a, b| place(a).cmp(&place(b)));
        self.certificates.sort_by_key(|line| line.certificate.fingerprint());
    }
}

/// What edges are ordered by.
fn place(edge: &Edge) -> impl Ord + '_ {
    (edge.client, edge.transport.name(), &edge.ja4, &edge.server, &edge.sni)
}

impl SourceLine {
    fn anonymize(&mut self, key: &Key) {
        self.sensor = key.word(Kind::Source, &self.sensor);
        self.name = key.word(Kind::Source, &self.name);
        key.option(Kind::Source, &mut self.id);
        if self.error.is_some() {
            self.error = Some("a source could not be read to its end".to_owned());
        }
    }
}

impl TrustLine {
    fn anonymize(&mut self, key: &Key) {
        self.name = key.store(&self.name);
        // Whatever it is called, its path is the house's.
        if self.private {
            self.origin = key.word(Kind::Store, &self.origin);
        }
    }
}

impl ExceptionLine {
    fn anonymize(&mut self, key: &Key) {
        self.agreed = key.agreed(&self.agreed);
        self.matches = key.word(Kind::Name, &self.matches);
    }
}

impl Client {
    fn anonymize(&mut self, key: &Key) {
        self.ip = key.address(self.ip);
        for address in &mut self.addresses {
            *address = key.address(*address);
        }
        self.addresses.sort_unstable();
        self.mac = self.mac.map(|mac| key.mac(mac));
        self.vendor = None;
        key.names(&mut self.names);
        key.named_by(&mut self.named_by);
        key.option(Kind::Owner, &mut self.owner);
        key.option(Kind::Owner, &mut self.site);
        for verdict in &mut self.verdicts {
            key.excepted(&mut verdict.excepted);
        }
        for stack in &mut self.stacks {
            key.servers(&mut stack.servers);
            key.snis(&mut stack.snis);
            key.findings(&mut stack.findings);
            stack.verdicts.iter_mut().for_each(|verdict| key.excepted(&mut verdict.excepted));
        }
    }
}

impl Server {
    fn anonymize(&mut self, key: &Key) {
        self.name = Arc::new(key.server(&self.name));
        key.names(&mut self.names);
        key.named_by(&mut self.named_by);
        self.mac = self.mac.map(|mac| key.mac(mac));
        self.vendor = None;
        key.option(Kind::Owner, &mut self.owner);
        key.option(Kind::Owner, &mut self.site);
        key.snis(&mut self.snis);
        key.chain(&mut self.chain);
        for print in &mut self.certificates {
            *print = key.fingerprint(*print);
        }
        for verdict in &mut self.verdicts {
            for sni in verdict.snis.iter_mut().chain(&mut verdict.ready).flatten() {
                *sni = key.name(sni);
            }
            verdict.snis.sort_unstable();
            key.excepted(&mut verdict.excepted);
        }
        key.findings(&mut self.findings);
    }
}

impl Edge {
    fn anonymize(&mut self, key: &Key) {
        self.client = key.address(self.client);
        self.server = Arc::new(key.server(&self.server));
        self.sni = self.sni.as_deref().map(|sni| key.name(sni).into());
    }
}

#[cfg(test)]
mod tests;
