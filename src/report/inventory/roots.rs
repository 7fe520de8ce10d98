//! Certificate chains counted: what they are worth, which store trusts them, and under whose name
//! the unknown ones stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::facts::Facts;
use super::{Server, ServerName};
use crate::policy::{Root, fated};
use crate::x509::chain::{ChainReport, ChainStatus};

/// What the chains of servers are worth.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChainTotals {
    /// Servers, by the status of their newest chain.
    pub servers: BTreeMap<&'static str, u64>,
    /// Connections, by the status of their chain: hidden, resumed and unseen ones among them.
    pub connections: BTreeMap<&'static str, u64>,
    /// How many servers each store trusts, in the order of their names; none as well.
    pub trusted_by: BTreeMap<String, u64>,
    /// The roots at which chains end that lead to an anchor, the most used first.
    pub roots: Vec<RootLine>,
    /// The issuers that no store knows, the most used first.
    pub unknown: Vec<UnknownRoot>,
}

impl ChainTotals {
    /// What a root is called: its name, with the beginning of its SHA-1 where another one is called the same.
    pub fn name_of(&self, root: &RootLine) -> String {
        let same = self.roots.iter().filter(|other| other.subject == root.subject).count();
        match root.sha1.first_chunk::<4>() {
            Some(sha1) if same > 1 => format!("{} (SHA-1 {}…)", root.subject, thumbprint(sha1)),
            _ => root.subject.clone(),
        }
    }
}

/// A root, and the servers whose chains end there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootLine {
    /// Its name.
    pub subject: String,
    /// Its SHA-1: the thumbprint that Windows shows.
    #[serde(serialize_with = "in_hex")]
    pub sha1: [u8; 20],
    /// The stores that trust these chains. None: a root that only a policy names, or they trust no
    /// chain to it because of dates or gaps.
    pub trusted_by: Vec<String>,
    /// How many servers.
    pub servers: u64,
    /// What became of it, if it has expired or was dropped.
    pub fate: Option<String>,
}

/// An issuer that is in no trust store, and the servers under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownRoot {
    /// The name of the issuer at which the chains end.
    pub issuer: String,
    /// The servers.
    pub servers: Vec<Arc<ServerName>>,
    /// Connections to them.
    pub connections: u64,
    /// What became of it, if it is a root that has expired or was dropped.
    pub fate: Option<String>,
}

/// Bytes in hex.
fn thumbprint(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn in_hex<S: Serializer>(bytes: &[u8; 20], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&thumbprint(bytes))
}

/// Count the chains of the servers in scope.
pub(super) fn totals(facts: &Facts<'_>, servers: &[Server]) -> ChainTotals {
    let mut totals = ChainTotals::default();
    for edge in &facts.edges {
        for (evidence, tally) in edge.edge.evidence.iter() {
            let status = facts.chains.report(evidence).status.as_str();
            *totals.connections.entry(status).or_default() += tally.connections;
        }
    }
    for store in facts.question.trust.describe() {
        totals.trusted_by.entry(store.name.clone()).or_default();
    }
    let mut roots: BTreeMap<(&String, [u8; 20]), Vec<&ChainReport>> = BTreeMap::new();
    let mut unknown: BTreeMap<&str, Vec<&Server>> = BTreeMap::new();
    for server in servers {
        let chain = &server.chain;
        *totals.servers.entry(chain.status.as_str()).or_default() += 1;
        for store in &chain.trusted_by {
            *totals.trusted_by.entry(store.clone()).or_default() += 1;
        }
        match (chain.status, &chain.root_subject, chain.root_sha1) {
            (ChainStatus::UnknownRoot, subject, _) => {
                let issuer = chain.issuer.as_ref().or(subject.as_ref());
                unknown.entry(issuer.map_or("", String::as_str)).or_default().push(server);
            }
            // Of these it is not known that they end there.
            (ChainStatus::BadSignature | ChainStatus::SelfSigned, ..) => {}
            (_, Some(subject), Some(sha1)) => {
                roots.entry((subject, sha1)).or_default().push(chain);
            }
            _ => {}
        }
    }
    totals.roots = roots
        .into_iter()
        .map(|((subject, sha1), chains)| {
            let stores: BTreeSet<_> = chains.iter().flat_map(|chain| &chain.trusted_by).collect();
            RootLine {
                subject: subject.clone(),
                sha1,
                trusted_by: stores.into_iter().cloned().collect(),
                servers: chains.len() as u64,
                fate: chains.iter().find_map(|chain| fated(chain)).and_then(Root::fate),
            }
        })
        .collect();
    totals.roots.sort_by_key(|root| std::cmp::Reverse(root.servers));
    totals.unknown = unknown
        .into_iter()
        .map(|(issuer, servers)| UnknownRoot {
            issuer: issuer.to_owned(),
            connections: servers.iter().map(|server| server.connections).sum(),
            fate: servers.iter().find_map(|server| fated(&server.chain)).and_then(Root::fate),
            servers: servers.into_iter().map(|server| Arc::clone(&server.name)).collect(),
        })
        .collect();
    totals.unknown.sort_by_key(|unknown| std::cmp::Reverse(unknown.servers.len()));
    totals
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::census::sample::{Sample, modern};
    use crate::limits::Limits;
    use crate::policy::Policy;
    use crate::report::inventory::{Inventory, Question};
    use crate::report::sample::snapshot;
    use crate::report::scope::{Networks, Scope};
    use crate::report::{Exceptions, Names};
    use crate::tls::codepoint::ProtocolVersion;
    use crate::x509::{Certificate, TrustStores};

    /// A root, and certificates that it issued.
    fn authority(name: &str) -> (String, impl Fn(&str) -> Arc<Certificate>) {
        let named = |name: &str| {
            let mut params = CertificateParams::new([]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            // The sample's connections are of 2026.
            params.not_before = rcgen::date_time_ymd(2025, 1, 1);
            params.not_after = rcgen::date_time_ymd(2030, 1, 1);
            params
        };
        let mut params = named(name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let issue = move |name: &str| {
            let leaf = named(name).signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
            Arc::new(Certificate::parse(leaf.der()))
        };
        (pem, issue)
    }

    #[test]
    fn chains_are_counted_by_worth_store_root_and_unknown_issuer() {
        let folder = tempfile::tempdir().unwrap();
        let (pem, issue) = authority("Corp Root");
        let (_, issue_other) = authority("Other Root");
        let path = folder.path().join("corp.pem");
        std::fs::write(&path, pem).unwrap();
        let v12 = ProtocolVersion::TLS1_2;
        let sends = |server: u8, leaf: Arc<Certificate>| {
            Sample::new(1, server).offers(&modern()).chooses(v12, 0xc02f).sends(&[leaf]).0
        };
        let records = [
            sends(1, issue("a")),
            sends(2, issue("b")),
            sends(3, issue_other("c")),
            sends(4, issue_other("d")),
            sends(5, issue_other("e")),
            Sample::new(1, 6).offers(&modern()).chooses(ProtocolVersion::TLS1_3, 0x1301).0,
            Sample::new(1, 6).offers(&modern()).chooses(ProtocolVersion::TLS1_3, 0x1301).at(9).0,
            Sample::new(1, 7).offers(&modern()).chooses(v12, 0xc02f).0,
        ];
        let specs = ["mozilla", "corp", "again"].map(|name| match name {
            "mozilla" => name.parse().unwrap(),
            name => format!("{name}={}", path.display()).parse().unwrap(),
        });
        let inventory = Inventory::judge(
            &snapshot(&records),
            &Question {
                policies: &[Policy::by_id("dataverse").unwrap()],
                trust: &TrustStores::load(&specs, &[]).unwrap(),
                scope: &Scope::default(),
                internal: &Networks::default(),
                names: &Names::new(),
                exceptions: &Exceptions::default(),
                limits: &Limits::default(),
            },
        );
        let totals = &inventory.summary.chains;
        let of = |map: &BTreeMap<&'static str, u64>| {
            map.iter()
                .map(|(word, number)| format!("{word} {number}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        assert_eq!(of(&totals.servers), "hidden 1, not_seen 1, private_root 2, unknown_root 3");
        assert_eq!(of(&totals.connections), "hidden 2, not_seen 1, private_root 2, unknown_root 3");
        let stores: Vec<_> =
            totals.trusted_by.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(stores, [("again", 2), ("corp", 2), ("mozilla", 0)]);
        let [root] = &totals.roots[..] else { panic!("{:?}", totals.roots) };
        assert_eq!((root.subject.as_str(), root.servers), ("CN=Corp Root", 2));
        assert_eq!(root.trusted_by, ["again", "corp"]);
        let [unknown] = &totals.unknown[..] else { panic!("{:?}", totals.unknown) };
        assert_eq!((unknown.issuer.as_str(), unknown.servers.len()), ("CN=Other Root", 3));
        assert_eq!((unknown.connections, &unknown.fate), (3, &None));
        // Each chain says which stores trust it.
        let first = inventory.servers.iter().find(|server| !server.chain.trusted_by.is_empty());
        assert_eq!(first.unwrap().chain.trusted_by, ["corp", "again"]);
    }
}
