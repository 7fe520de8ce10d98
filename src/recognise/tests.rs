//! Whose software: precision and recall by family, on the collected hellos and on the captures.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::capture::paths;
use crate::census::Census;
use crate::limits::Limits;
use crate::pipeline::{self, Progress, Settings};
use crate::recognise::reference::{self, Entry};
use crate::sink::Sink;
use crate::tls::codepoint::ExtensionType;
use crate::x509::TrustStores;

fn windows(codes: &[u16], extensions: &[u16]) -> Offer {
    Offer {
        legacy_version: ProtocolVersion::TLS1_0,
        cipher_suites: codes.iter().copied().map(CipherSuite::new).collect(),
        extensions: extensions.iter().copied().map(ExtensionType).collect(),
        point_formats: vec![0],
        ..Offer::default()
    }
}

const WINDOWS_7_TLS10: [u16; 14] = [
    0xc014, 0xc013, 0x0039, 0x0033, 0x0035, 0x002f, 0xc00a, 0xc009, 0x0038, 0x0032, 0x000a, 0x0013,
    0x0005, 0x0004,
];

fn names(offer: &Offer) -> Vec<(String, Confidence)> {
    let found = recognise(offer);
    found.into_iter().map(|candidate| (candidate.name.into(), candidate.confidence)).collect()
}

#[test]
fn never_one_name_where_several_share_the_list() {
    let found = names(&windows(&WINDOWS_7_TLS10, &[0, 5, 10, 11, 35, 23, 0xff01]));
    let named =
        |part: &str| found.iter().find(|(name, _)| name.contains(part)).map(|found| found.1);
    assert_eq!(named("Windows 10 1507"), Some(Confidence::Medium));
    assert_eq!(named("Windows 8.1, Windows Server 2012 R2"), Some(Confidence::Medium));
    assert_eq!(named("Windows 7 SP1"), Some(Confidence::Low), "it sends no session ticket");
}

#[test]
fn a_missing_session_ticket_speaks_for_windows_7() {
    let offer = windows(&WINDOWS_7_TLS10, &[0, 5, 10, 11, 23, 0xff01]);
    let first = recognise(&offer).remove(0);
    assert!(first.name.starts_with("Windows 7 SP1"), "{}", first.name);
    assert_eq!(first.confidence, Confidence::Medium);
    let evidence: Vec<_> = first.evidence.iter().map(ToString::to_string).collect();
    assert!(
        evidence[0].starts_with("exactly its documented suites in its order; "),
        "{evidence:?}"
    );
    assert_eq!(evidence[1], "no session_ticket, as before Windows 8");
    let best =
        remediation_for(&[Fix::ClientVersionBelowPolicy], crate::tls::Role::Client, &[first]);
    assert_eq!(best.map(|best| &*best.id), Some("schannel-tls12-client"));
}

#[test]
fn a_net_program_is_a_candidate_beside_its_windows() {
    let offer = windows(&WINDOWS_7_TLS10, &[0, 10, 11, 35, 23, 0xff01]);
    let found = names(&offer);
    assert!(found.iter().any(|(name, _)| name.contains(".NET Framework 4.5")), "{found:?}");
    let offer = windows(&WINDOWS_7_TLS10, &[0, 5, 10, 11, 35, 23, 0xff01]);
    assert!(names(&offer).iter().any(|(name, _)| name.contains("WinHTTP")));
}

#[test]
fn a_list_with_suites_taken_out_is_still_recognised() {
    let mut codes = WINDOWS_7_TLS10.to_vec();
    codes.truncate(12);
    codes.remove(0);
    let found = recognise(&windows(&codes, &[0, 5, 10, 11, 35, 23, 0xff01]));
    assert!(found.iter().all(|candidate| candidate.confidence == Confidence::Low));
    assert!(found[0].evidence[0].to_string().contains("11 of its 12 documented suites"));
}

#[test]
fn nothing_is_said_of_a_cut_hello_or_of_datagrams() {
    let mut offer = windows(&WINDOWS_7_TLS10, &[0, 5, 10, 11, 35, 23, 0xff01]);
    offer.truncated = true;
    assert!(recognise(&offer).is_empty());
    offer.truncated = false;
    offer.legacy_version = ProtocolVersion::DTLS1_0;
    assert!(recognise(&offer).is_empty());
    assert!(recognise(&Offer::default()).is_empty());
}

/// The TLS stack inside the software that the collection names: browsers changed theirs.
fn stack(entry: &Entry) -> Option<Family> {
    let number = |prefix: &str| {
        let rest = entry.id.strip_prefix(prefix)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    Some(match entry.family.as_str() {
        "schannel" => Family::Schannel,
        "nss" => Family::Nss,
        "jsse" => Family::Jsse,
        "openssl" | "libressl" => Family::OpenSsl,
        "go" => Family::Go,
        // Chromium moved from NSS to BoringSSL with version 39; Opera 16 is a Chromium.
        "chromium" => match number("chrome-").or_else(|| number("opera-")) {
            Some(version) if version < 39 => Family::Nss,
            _ => Family::BoringSsl,
        },
        // Android moved from OpenSSL to BoringSSL with version 6.
        "android" => match number("android-") {
            Some(version) if version < 6 => Family::OpenSsl,
            _ => Family::BoringSsl,
        },
        // Apple moved to BoringSSL with Safari 12.1.
        "securetransport" => match number("safari-") {
            Some(version) if version >= 12 => Family::BoringSsl,
            _ => Family::SecureTransport,
        },
        _ => return None,
    })
}

/// What was taken for what: rows are the truth, columns the answer, the last one none at all.
#[derive(Default)]
struct Confusion {
    counts: BTreeMap<(Family, Option<Family>), u32>,
    mistaken: Vec<String>,
}

impl Confusion {
    fn add(&mut self, what: &str, truth: Family, offer: &Offer) {
        let found = recognise(offer).first().map(|candidate| candidate.family);
        *self.counts.entry((truth, found)).or_default() += 1;
        if found != Some(truth) {
            let as_what = found.map_or("nothing", Family::name);
            self.mistaken.push(format!("{what} is {}, taken for {as_what}", truth.name()));
        }
    }

    fn of(&self, fits: impl Fn(Family, Option<Family>) -> bool) -> u32 {
        let fits = |((truth, found), _): &(&(Family, Option<Family>), _)| fits(*truth, *found);
        self.counts.iter().filter(fits).map(|(_, count)| count).sum()
    }

    fn right(&self) -> u32 {
        self.of(|truth, found| found == Some(truth))
    }

    fn print(&self) {
        let met = |family: &&Family| {
            self.of(|truth, found| [Some(truth), found].contains(&Some(**family))) > 0
        };
        let families: Vec<Family> = Family::ALL.iter().filter(met).copied().collect();
        let heads = families
            .iter()
            .fold(String::new(), |line, family| format!("{line} {} |", family.name()));
        println!("\n| is, taken for |{heads} nothing | precision | recall |");
        for row in &families {
            let hellos = self.of(|truth, _| truth == *row);
            let cells =
                families.iter().map(Some).chain([None]).fold(String::new(), |line, column| {
                    let count = self.of(|truth, found| truth == *row && found.as_ref() == column);
                    format!("{line} {count} |")
                });
            let hit = self.of(|truth, found| truth == *row && found == Some(*row));
            let named = self.of(|_, found| found == Some(*row));
            println!("| {} |{cells} {} | {} |", row.name(), share(hit, named), share(hit, hellos));
        }
        println!("{} of {}", self.right(), self.of(|_, _| true));
        for line in &self.mistaken {
            println!("{line}");
        }
    }
}

fn share(part: u32, whole: u32) -> String {
    match whole {
        0 => "—".to_owned(),
        _ => format!("{:.1} %", f64::from(part) * 100.0 / f64::from(whole)),
    }
}

#[test]
fn families_are_recognised_on_the_collected_hellos() {
    let Some(entries) = reference::entries() else { return };
    let mut table = Confusion::default();
    for entry in &entries {
        let mut offer = entry.offer();
        // Not by the hello itself, which is known.
        offer.ja3.clear();
        if let Some(truth) = stack(entry) {
            table.add(&entry.id, truth, &offer);
        }
    }
    table.print();
    let all = table.of(|_, _| true);
    assert!(all >= 265 && table.right() * 100 >= all * 99, "{:#?}", table.mistaken);
}

/// The captures of the repository (one of them a hello of SSL 3.0, which bears no mark) whose client is known by how they were made.
const CAPTURED: [(&str, Family); 23] = [
    ("chromium", Family::BoringSsl),
    ("curl", Family::OpenSsl),
    ("node", Family::OpenSsl),
    ("node-to-gnutls", Family::OpenSsl),
    ("python", Family::OpenSsl),
    ("python-tls10", Family::OpenSsl),
    ("openssl4-post-quantum", Family::OpenSsl),
    ("tls12-ecdhe-rsa", Family::OpenSsl),
    ("tls12-rsa-kx", Family::OpenSsl),
    ("tls10-ecdhe-rsa", Family::OpenSsl),
    ("tls13-only-client", Family::OpenSsl),
    ("gnutls", Family::GnuTls),
    ("gnutls-tls11-camellia", Family::GnuTls),
    ("wget", Family::GnuTls),
    ("nss", Family::Nss),
    ("nss-ssl3", Family::Nss),
    ("java17-default", Family::Jsse),
    ("go", Family::Go),
    ("go-tls12", Family::Go),
    ("go-tls11", Family::Go),
    ("go-tls13-only", Family::Go),
    ("go-tls-rsa", Family::Go),
    ("refused-root-tls13-java", Family::Jsse),
];

#[test]
fn families_are_recognised_in_the_captures() {
    let mut table = Confusion::default();
    for (name, truth) in CAPTURED {
        for offer in captured(name) {
            table.add(name, truth, &offer);
        }
    }
    table.print();
    let all = table.of(|_, _| true);
    assert!(all >= 23 && table.right() * 100 >= all * 90, "{:#?}", table.mistaken);
}

#[test]
fn a_go_program_that_was_told_to_offer_less_is_not_taken_for_an_old_one() {
    for name in ["go-tls12", "go-tls11", "go-tls-rsa"] {
        for offer in captured(name) {
            let names = names(&offer);
            assert_eq!(names, [("a program in Go".to_owned(), Confidence::Low)], "{name}");
        }
    }
}

/// The offers in a capture.
fn captured(name: &str) -> Vec<Arc<Offer>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("captures/{name}.pcap"));
    let limits = Limits::default();
    let census = Census::new(&limits);
    let settings = Settings {
        limits,
        threads: 1,
        sensor: "test".into(),
        policies: Vec::new(),
        trust: Arc::new(TrustStores::load(&[], &[]).unwrap()),
        since: None,
        until: None,
        filter: None,
    };
    let inputs = paths::expand(&[path]).inputs;
    let progress = Arc::new(Progress::default());
    pipeline::read(&inputs, &settings, &census, None::<&mut Nowhere>, &progress);
    census.snapshot().offers.into_values().collect()
}

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn finish(self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Programs of the field data that are known to be written for .NET Framework.
const NET_PROGRAMS: [&str; 8] = [
    "powershell.exe",
    "devenv.exe",
    "VSIXAutoUpdate.exe",
    "ServiceHub.VSDetouredHost.exe",
    "Microsoft.ServiceHub.Controller.exe",
    "Greenshot.exe",
    "Fiddler.exe",
    "Lenovo.Modern.ImController.PluginHost.Device.exe",
];

#[test]
fn net_programs_are_named_among_others() {
    let Some(entries) = reference::entries() else { return };
    let (mut hit, mut named, mut all) = (0, 0, 0);
    for entry in entries.iter().filter(|entry| entry.source == "cisco-joy-2019") {
        let is_net =
            entry.observed_processes.iter().any(|name| NET_PROGRAMS.contains(&name.as_str()));
        let found = recognise(&entry.offer());
        let says = found.iter().any(|candidate| candidate.name.contains(".NET"));
        hit += u32::from(is_net && says);
        named += u32::from(says);
        all += u32::from(is_net);
        if is_net && !says {
            println!("{}: {:?}", entry.id, entry.observed_processes);
        }
    }
    println!(
        ".NET: {all} hellos, precision {}, recall {} (named beside Windows, never alone)",
        share(hit, named),
        share(hit, all)
    );
    assert!(hit * 2 >= all && hit > 0);
}

#[test]
fn windows_ranges_are_recognised_on_the_collected_hellos() {
    let Some(entries) = reference::entries() else { return };
    let (mut right, mut all, mut schannel) = (0, 0, 0);
    // Of each range: its hellos, those named so, and what was named so in all.
    let mut ranges: BTreeMap<String, (u32, u32, u32)> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.source == "cisco-joy-2019") {
        let mut offer = entry.offer();
        // Not by the hello itself, which is known.
        offer.ja3.clear();
        let found = recognise(&offer);
        schannel += u32::from(found.first().is_some_and(|first| first.family == Family::Schannel));
        if entry.matching_platforms.is_empty() {
            continue;
        }
        all += 1;
        let platforms = PROFILES.platforms.iter();
        let expected: Vec<String> = platforms
            .filter(|platform| entry.matching_platforms.iter().any(|id| **id == *platform.id))
            .map(|platform| platform.names.join(", "))
            .collect();
        let exact = |candidate: &&Candidate| {
            matches!(candidate.evidence.first(), Some(Clue::ExactOrder { .. }))
        };
        let named: Vec<String> =
            found.iter().filter(exact).map(|candidate| candidate.name.to_string()).collect();
        let words = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names.join(" / ")
        };
        ranges.entry(words(&expected)).or_default().0 += 1;
        ranges.entry(words(&named)).or_default().2 += 1;
        if expected.iter().all(|name| named.contains(name)) && named.len() == expected.len() {
            ranges.entry(words(&expected)).or_default().1 += 1;
            right += 1;
        } else {
            println!("{}: expected {expected:?}, found {named:?}", entry.id);
        }
    }
    println!("\n| Windows | hellos | precision | recall |");
    for (range, (hellos, hit, named)) in &ranges {
        println!("| {range} | {hellos} | {} | {} |", share(*hit, *named), share(*hit, *hellos));
    }
    println!(
        "{right} of {all} observed hellos name exactly the Windows versions that share their list"
    );
    println!("{schannel} of 150 are taken for Schannel");
    assert!(right * 100 >= all * 95);
}
