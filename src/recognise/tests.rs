use std::collections::BTreeMap;

use super::*;
use crate::recognise::reference::{self, Entry};
use crate::tls::codepoint::ExtensionType;

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

#[test]
fn families_are_recognised_on_the_collected_hellos() {
    let Some(entries) = reference::entries() else { return };
    // Of each family: recognised as such, recognised as another one, named where it is another.
    let mut table: BTreeMap<Family, (u32, u32, u32)> = BTreeMap::new();
    let mut confused = Vec::new();
    for entry in entries.iter().filter(|entry| entry.source == "ssllabs-testssl") {
        let Some(truth) = stack(entry) else { continue };
        let found = recognise(&entry.offer()).first().map(|candidate| candidate.family);
        if found == Some(truth) {
            table.entry(truth).or_default().0 += 1;
        } else {
            table.entry(truth).or_default().1 += 1;
            if let Some(found) = found {
                table.entry(found).or_default().2 += 1;
            }
            let as_what = found.map_or("nothing", Family::name);
            confused.push(format!("{} is {} and is taken for {as_what}", entry.id, truth.name()));
        }
    }
    println!("{:<16} {:>6} {:>9} {:>9}", "family", "hellos", "precision", "recall");
    let percent = |part: u32, whole: u32| f64::from(part) * 100.0 / f64::from(whole.max(1));
    let (mut right, mut all) = (0, 0);
    for (family, (hit, missed, wrong)) in &table {
        println!(
            "{:<16} {:>6} {:>8.1}% {:>8.1}%",
            family.name(),
            hit + missed,
            percent(*hit, hit + wrong),
            percent(*hit, hit + missed)
        );
        right += hit;
        all += hit + missed;
    }
    println!("{right} of {all}");
    for line in &confused {
        println!("{line}");
    }
    assert!(percent(right, all) >= 95.0, "{confused:#?}");
}

#[test]
fn windows_ranges_are_recognised_on_the_collected_hellos() {
    let Some(entries) = reference::entries() else { return };
    let (mut right, mut all, mut schannel) = (0, 0, 0);
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
        if expected.iter().all(|name| named.contains(name)) && named.len() == expected.len() {
            right += 1;
        } else {
            println!("{}: expected {expected:?}, found {named:?}", entry.id);
        }
    }
    println!(
        "{right} of {all} observed hellos name exactly the Windows versions that share their list"
    );
    println!("{schannel} of 150 are taken for Schannel");
    assert!(right * 100 >= all * 95);
}
