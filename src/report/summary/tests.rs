use super::*;
use crate::report::sample::{crowd, judge, office, snapshot};

const PLAIN: Style = Style { width: 80, colour: false, verbose: false };

#[test]
fn an_office() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
    insta::assert_snapshot!(inventory.summary(PLAIN), @r#"
        2 of 8 client hosts break when dataverse is enforced.
        5 go on working, 1 could not be judged.
        Under dataverse-2024-12, which took the place of dataverse, the same hosts
        break.

        Clients that break
          10.0.0.5        offers at most TLS 1.0; dataverse needs TLS 1.2
                          loses crm.contoso.example and login.contoso.example
                          (5 connections, last on 2026-03-01 08:04 UTC)
          10.0.0.6        offers TLS 1.2, but none of the 8 suites that dataverse
                          accepts (3 others)
                          loses "evil\u{1b}[2j\u{202e}=cmd|' /c calc'!a0":587 (smtp) and
                          crm.contoso.example (2 connections, last on
                          2026-03-01 08:01 UTC)

        Clients that could not be judged
          10.0.0.20: its ClientHello was not seen

        Servers of ours that break
          10.9.0.1:443    chose TLS 1.0 although the client offered TLS 1.2
                          used by 2 client hosts (2 connections) as
                          intranet.contoso.example

        What could not be seen
          6 % of connections have no ClientHello in the capture: what these clients can
          do is not known
          6 % of connections hide their certificate (TLS 1.3)
          6 % of connections were captured in one direction only
          6 % of connections run over QUIC, which tells nothing of what the client
          offers over TCP

        Seen: 17 TLS connections in 1 source, 2026-03-01 08:00 to 08:04 UTC.
        "#);
}

#[test]
fn a_crowd_fits_a_screen() {
    let inventory = judge(&snapshot(&crowd(40)), &["dataverse"], &[]);
    let text = inventory.summary(PLAIN);
    println!("{text}");
}

#[test]
fn narrow() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &["*.contoso.example"]);
    let text = inventory.summary(Style { width: 50, colour: true, verbose: true });
    println!("{text}");
}

#[test]
fn nothing() {
    let inventory = judge(&snapshot(&[]), &["dataverse"], &[]);
    println!("{}", inventory.summary(PLAIN));
    let inventory = judge(&snapshot(&office()), &["dataverse"], &["*.nowhere.example"]);
    println!("{}", inventory.summary(PLAIN));
}
