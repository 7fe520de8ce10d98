//! Certificate chains: which store trusts them, which issuers nobody knows, and which roots are over.

use super::page::{Ink, Page};
use crate::report::inventory::{ChainTotals, Inventory, RootLine};
use crate::report::text::{count, listed, printable};

/// Roots and issuers in a screenful.
const ISSUERS: usize = 5;
/// Servers that are named of one.
const SERVERS: usize = 3;

/// The section on chains, where there is more to say than that all is well.
pub(super) fn write(page: &mut Page, inventory: &Inventory, verbose: bool) {
    let chains = &inventory.summary.chains;
    let fated = chains.roots.iter().any(|root| root.fate.is_some());
    let several = inventory.trust.len() > 1 && chains.trusted_by.values().any(|number| *number > 0);
    if chains.unknown.is_empty() && !fated && !several && !verbose {
        return;
    }
    let mut entries = unknown(chains, verbose);
    entries.extend(roots(chains, verbose, several));
    let unseen = unseen(chains);
    if entries.is_empty() && unseen.is_none() {
        return;
    }
    page.heading("Certificate chains");
    page.align(entries.iter().map(|(term, _)| term));
    for (term, parts) in &entries {
        page.entry((Ink::Bold, term), parts);
    }
    if let Some(unseen) = unseen {
        page.item(Ink::Dim, &unseen);
    }
}

type Entry = (String, Vec<(Ink, String)>);

/// The issuers that no store knows.
fn unknown(chains: &ChainTotals, verbose: bool) -> Vec<Entry> {
    let shown = if verbose { usize::MAX } else { ISSUERS };
    let mut entries: Vec<Entry> = Vec::new();
    for unknown in chains.unknown.iter().take(shown) {
        let term = count(unknown.servers.len() as u64, "server", "servers");
        let issuer = match &*unknown.issuer {
            "" => "an issuer without a name".to_owned(),
            issuer => printable(issuer).into_owned(),
        };
        let mut parts = vec![match &unknown.fate {
            Some(fate) => (Ink::Bad, format!("under {issuer}, {fate}")),
            None => (Ink::Warn, format!("under {issuer}, which no trust store given knows")),
        }];
        let names: Vec<String> =
            unknown.servers.iter().map(|server| server.with_application()).collect();
        let names = names.iter().map(|name| printable(name).into_owned()).collect::<Vec<_>>();
        parts.push((Ink::Plain, listed(&names, if verbose { usize::MAX } else { SERVERS })));
        if unknown.fate.is_none() {
            let cure = "if it is yours: install it on the clients, and name it here with \
                        --trust NAME=FILE";
            parts.push((Ink::Dim, cure.to_owned()));
        }
        entries.push((term, parts));
    }
    let more = chains.unknown.len().saturating_sub(shown);
    if more > 0 {
        let words = format!("under {} (-v shows all)", count(more as u64, "other", "others"));
        entries.push(("…".to_owned(), vec![(Ink::Dim, words)]));
    }
    entries
}

/// The roots: those that are over always, the others where it matters which store trusts them.
fn roots(chains: &ChainTotals, verbose: bool, several: bool) -> Vec<Entry> {
    let shown = if verbose { usize::MAX } else { ISSUERS };
    let told: Vec<&RootLine> =
        chains.roots.iter().filter(|root| root.fate.is_some() || several || verbose).collect();
    let mut entries = Vec::new();
    for root in told.iter().take(shown) {
        let name = chains.name_of(root);
        let name = printable(&name);
        let stores = match &root.trusted_by[..] {
            [] => "trusted by no store given".to_owned(),
            stores => format!("trusted by {}", printable(&stores.join(" and "))),
        };
        let mut parts = vec![(Ink::Plain, format!("end at {name}: {stores}"))];
        parts.extend(root.fate.iter().map(|fate| (Ink::Bad, format!("a root {fate}"))));
        entries.push((count(root.servers, "server", "servers"), parts));
    }
    let more = told.len().saturating_sub(shown);
    if more > 0 {
        let words = format!("end at {} (-v shows all)", count(more as u64, "other", "others"));
        entries.push(("…".to_owned(), vec![(Ink::Dim, words)]));
    }
    entries
}

/// Servers of which no chain was seen: hidden, resumed and unseen ones are never called fine.
fn unseen(chains: &ChainTotals) -> Option<String> {
    let of = |status| chains.servers.get(status).copied().unwrap_or_default();
    let kinds = [
        (of("hidden"), "hidden by TLS 1.3"),
        (of("resumed"), "not sent in resumed sessions"),
        (of("not_seen"), "not seen"),
    ];
    let unseen: u64 = kinds.iter().map(|(number, _)| number).sum();
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| format!("{number} {words}"))
        .collect();
    (unseen > 0).then(|| {
        let servers = count(unseen, "server", "servers");
        format!("not known of {servers}: {}", listed(&kinds, usize::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inventory::{ServerName, TrustLine, UnknownRoot};
    use crate::report::sample::{judge, office, snapshot};
    use crate::report::summary::Style;

    fn text(chains: ChainTotals, stores: &[&str], verbose: bool) -> String {
        let mut inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
        inventory.trust = stores
            .iter()
            .map(|name| TrustLine {
                name: (*name).into(),
                origin: String::new(),
                private: true,
                roots: 1,
            })
            .collect();
        inventory.summary.chains = chains;
        let mut page = Page::new(Style { width: 80, colour: false, verbose });
        write(&mut page, &inventory, verbose);
        page.finish()
    }

    fn root(subject: &str, stores: &[&str], fate: Option<&str>) -> RootLine {
        RootLine {
            subject: subject.into(),
            sha1: [0; 20],
            trusted_by: stores.iter().map(ToString::to_string).collect(),
            servers: 2,
            fate: fate.map(str::to_owned),
        }
    }

    #[test]
    fn issuers_that_nobody_knows_stand_together() {
        let server = |last: u8| ServerName {
            ip: crate::packet::Address::v4([10, 0, 0, last]),
            port: 443,
            target: None,
            application: None,
        };
        let unknown = |issuer: &str, servers: u8, fate: Option<&str>| UnknownRoot {
            issuer: issuer.into(),
            servers: (0..servers).map(server).map(Into::into).collect(),
            connections: 1,
            fate: fate.map(str::to_owned),
        };
        let chains = ChainTotals {
            servers: [("hidden", 4), ("resumed", 1), ("not_seen", 2), ("unknown_root", 16)].into(),
            unknown: vec![
                unknown("CN=Corp Issuing CA 2", 14, None),
                unknown("CN=DigiCert Global Root CA", 1, Some("which Mozilla dropped")),
                unknown("CN=evil\u{1b}[2J", 1, None),
            ],
            ..ChainTotals::default()
        };
        insta::assert_snapshot!(text(chains, &["mozilla"], false), @r"
        Certificate chains
          14 servers  under CN=Corp Issuing CA 2, which no trust store given knows
                      10.0.0.0:443, 10.0.0.1:443 and 12 more
                      if it is yours: install it on the clients, and name it here with
                      --trust NAME=FILE
          1 server    under CN=DigiCert Global Root CA, which Mozilla dropped
                      10.0.0.0:443
          1 server    under CN=evil\u{1b}[2J, which no trust store given knows
                      10.0.0.0:443
                      if it is yours: install it on the clients, and name it here with
                      --trust NAME=FILE
          not known of 7 servers: 4 hidden by TLS 1.3, 1 not sent in resumed sessions
          and 2 not seen
        ");
    }

    #[test]
    fn roots_are_told_where_it_matters_whose_they_are_or_what_became_of_them() {
        let well = ChainTotals {
            servers: [("public_root", 2)].into(),
            trusted_by: [("mozilla".to_owned(), 2)].into(),
            roots: vec![root("CN=Public Root", &["mozilla"], None)],
            ..ChainTotals::default()
        };
        assert_eq!(text(well.clone(), &["mozilla"], false), "", "all is well");
        assert!(
            text(well.clone(), &["mozilla"], true).contains("CN=Public Root: trusted by mozilla")
        );
        let mut two = well.clone();
        two.roots.push(root("CN=Corp Root", &["corp", "mozilla"], None));
        let words = text(two, &["mozilla", "corp"], false);
        assert!(words.contains("CN=Corp Root: trusted by corp and mozilla"), "{words}");
        let mut over = well;
        over.roots =
            vec![root("CN=Baltimore CyberTrust Root", &[], Some("which expired on 2025-05-12"))];
        let words = text(over, &["mozilla"], false);
        assert!(words.contains("trusted by no store given"), "{words}");
        assert!(words.contains("a root which expired on 2025-05-12"), "{words}");
    }

    #[test]
    fn roots_of_one_name_are_told_apart_and_none_is_left_out_unsaid() {
        let mut roots: Vec<RootLine> =
            (0..7).map(|n| root(&format!("CN=Root {n}"), &["corp"], None)).collect();
        roots[1] = root("CN=Root 0", &["corp"], None);
        roots[0].sha1[..4].copy_from_slice(&[0x0a, 0x1b, 0x2c, 0x3d]);
        roots[1].sha1[..4].copy_from_slice(&[0xff, 0xee, 0xdd, 0xcc]);
        let chains = ChainTotals {
            servers: [("private_root", 14)].into(),
            trusted_by: [("corp".to_owned(), 14)].into(),
            roots,
            ..ChainTotals::default()
        };
        let words = text(chains, &["mozilla", "corp"], false);
        assert!(words.contains("end at CN=Root 0 (SHA-1 0a1b2c3d…): trusted by corp"), "{words}");
        assert!(words.contains("end at CN=Root 0 (SHA-1 ffeeddcc…): trusted by corp"), "{words}");
        assert!(words.contains("end at CN=Root 2: trusted by corp"), "{words}");
        assert!(words.contains("end at 2 others (-v shows all)"), "{words}");
    }
}
