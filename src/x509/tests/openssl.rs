//! The same chains put before `openssl verify`: a difference must be one that is explained.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::slice;

use super::cases::CASES;
use super::*;

/// What OpenSSL's error numbers (`x509_vfy.h`) are here.
fn meaning(code: u32) -> &'static [ChainStatus] {
    match code {
        7 => &[ChainStatus::BadSignature],
        9 => &[ChainStatus::NotYetValid],
        10 => &[ChainStatus::Expired],
        18 => &[ChainStatus::SelfSigned],
        // Without an issuer; with an issuer of its own that is not trusted. OpenSSL does not tell
        // a missing intermediate from a missing root.
        2 | 19 | 20 | 21 => &[ChainStatus::UnknownRoot, ChainStatus::Incomplete],
        // Not a CA, path too long, key usage, critical extension, name constraints.
        24 | 25 | 32 | 34 | 47 | 79 => &[ChainStatus::Unverifiable],
        _ => &[],
    }
}

/// The errors that it finds; none if the chain is good.
fn ask(dir: &Path, sent: &[Vec<u8>], trust: &[Vec<u8>], at: u64) -> Option<Vec<u32>> {
    let (leaf, others) = sent.split_first()?;
    let write = |file: &str, ders: &[Vec<u8>]| {
        let text: String = ders.iter().map(|der| pem(der)).collect();
        fs::write(dir.join(file), text).unwrap();
    };
    write("trust.pem", trust);
    write("others.pem", others);
    write("leaf.pem", slice::from_ref(leaf));
    let mut command = Command::new("openssl");
    command.current_dir(dir).args(["verify", "-auth_level", "0", "-no-CApath", "-no-CAstore"]);
    command.args(["-CAfile", "trust.pem", "-attime", &at.to_string()]);
    if !others.is_empty() {
        command.args(["-untrusted", "others.pem"]);
    }
    let output = command.arg("leaf.pem").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let mut codes: Vec<u32> = said
        .lines()
        .filter_map(|line| line.strip_prefix("error ")?.split(' ').next()?.parse().ok())
        .collect();
    if codes.is_empty() && !output.status.success() {
        codes.push(0); // it could not even begin
    }
    Some(codes)
}

#[test]
fn openssl_agrees_or_the_difference_is_explained() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: there is no openssl command");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = String::new();
    let mut equal = 0;
    let (mut table, mut explained) = (BTreeMap::<(String, String), u32>::new(), Vec::new());
    for case in CASES {
        let ders = |names: &[&str]| names.iter().map(|name| der(name)).collect::<Vec<_>>();
        let (sent, trust) = (ders(case.sent), ders(case.trust));
        let Some(codes) = ask(dir.path(), &sent, &trust, case.at) else { continue };
        let agrees = if codes.is_empty() {
            case.status == ChainStatus::PrivateRoot
        } else {
            codes.iter().any(|code| meaning(*code).contains(&case.status))
        };
        equal += u32::from(agrees);
        let theirs = codes.first().map_or_else(|| "ok".to_owned(), |code| format!("error {code}"));
        *table.entry((case.status.to_string(), theirs)).or_default() += 1;
        if let Some(why) = case.differs {
            explained.push(format!("{} here, OpenSSL {codes:?}: {why}", case.status));
        }
        if agrees == case.differs.is_some() {
            let (sent, trust) = (case.sent, case.trust);
            let _ = writeln!(wrong, "{sent:?} under {trust:?}: {} here, {codes:?}", case.status);
        }
    }
    assert!(wrong.is_empty(), "not explained, or explained and equal:\n{wrong}");
    println!("\n| status | openssl verify | chains |\n| --- | --- | --- |");
    for ((ours, theirs), count) in &table {
        println!("| {ours} | {theirs} | {count} |");
    }
    for line in &explained {
        println!("{line}");
    }
    println!("openssl verify agrees on {equal} of {} chains", CASES.len());
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let number = (0..3).fold(0, |n, at| n << 8 | usize::from(*group.get(at).unwrap_or(&0)));
            for digit in 0..4_usize {
                let value = (number >> (18 - 6 * digit)) & 63;
                let padded = digit > group.len();
                text.push(if padded { '=' } else { char::from(DIGITS[value]) });
            }
        }
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}
