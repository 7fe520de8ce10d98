//! The summary on the terminal, word for word.

use super::*;
use crate::census::sample::{Sample, legacy, modern};
use crate::packet::Mac;
use crate::report::Diff;
use crate::report::sample::{crowd, judge, office, snapshot};

const PLAIN: Style = Style { width: 80, colour: false, verbose: false };

#[test]
fn an_office() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
    insta::assert_snapshot!(inventory.summary(PLAIN), @r#"
    2 of 8 client hosts break when dataverse is enforced.
    5 go on working, 1 could not be judged.
    Under dataverse-2024-12, which took its place, it is the same hosts.

    Clients that break
      10.0.0.5  offers at most TLS 1.0; dataverse needs TLS 1.2
                loses crm.contoso.example and login.contoso.example (5 connections,
                last on 2026-03-01 08:04 UTC)
                looks like Windows 7 SP1 / Windows Server 2008 R2 SP1, Windows 8.1 /
                Windows Server 2012 R2 or 5 others
                fix: Switch on TLS 1.2 for Schannel clients
                (tlscensus explain schannel-tls12-client)
      10.0.0.6  offers TLS 1.2, but none of the 8 suites that dataverse accepts (3
                others)
                loses "evil\u{1b}[2j\u{202e}=cmd|' /c calc'!a0":587 (smtp) and
                crm.contoso.example (2 connections, last on 2026-03-01 08:01 UTC)
                fix: Client: enable a suite of the policy
                (tlscensus explain client-enable-ecdhe)

    Clients that could not be judged
      10.0.0.20: its ClientHello was not seen

    Servers of ours that break
      10.9.0.1:443  chose TLS 1.0 although the client offered TLS 1.2
                    used by 2 client hosts (2 connections) as
                    intranet.contoso.example
                    fix: Switch on TLS 1.2 for Schannel servers
                    (tlscensus explain schannel-tls12-server)

    Findings
      version.tls1.0      high: 2 client hosts, 2 servers
      offer.max_version   high: 1 client host
      offer.no_suite      high: 1 client host
      server.max_version  high: 1 server
      suite.tls_rsa       medium: 1 client host, 2 servers
      cert.name_mismatch  medium: 1 server
      cert.unverifiable   medium: 1 server
      … and 2 more (-v shows all); tlscensus explain ID says what one means

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
    assert!(text.lines().count() < 24, "{text}");
    insta::assert_snapshot!(text, @"
    All 40 client hosts break when dataverse is enforced.
    Under dataverse-2024-12, which took its place, it is the same hosts.

    Clients that break
      40 hosts   10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6,
                 10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10, 10.0.0.11 and 29 more
                 offers at most TLS 1.1; dataverse needs TLS 1.2
                 they lose crm.contoso.example (120 connections, last on
                 2026-03-01 08:00 UTC)
                 fix: Switch on TLS 1.2 for Schannel clients
                 (tlscensus explain schannel-tls12-client)
      -v shows every host, --report inventory.csv has them

    Findings
      offer.max_version  high: 40 client hosts
      version.tls1.1     high: 40 client hosts
      tlscensus explain ID says what one means

    Seen: 120 TLS connections in 1 source, 2026-03-01 08:00 UTC.
    ");
    let all = inventory.summary(Style { verbose: true, ..PLAIN });
    for host in 1..=40 {
        assert!(all.contains(&format!("  10.0.0.{host} ")), "{all}");
    }
}

#[test]
fn a_narrow_terminal_with_everything() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &["*.contoso.example"]);
    let text = inventory.summary(Style { width: 50, colour: false, verbose: true });
    insta::assert_snapshot!(text, @"
    2 of 6 client hosts that talk to
    `*.contoso.example` break when dataverse is
    enforced.
    4 go on working.
    Under dataverse-2024-12, which took its place, it
    is the same hosts.

    Clients that break
      10.0.0.5
        02:00:00:00:00:05
        offers at most TLS 1.0; dataverse needs
        TLS 1.2
        loses crm.contoso.example and
        login.contoso.example (5 connections, last on
        2026-03-01 08:04 UTC)
        looks like Windows 7 SP1 / Windows Server 2008
        R2 SP1, Windows 8.1 / Windows Server 2012 R2,
        Windows 10 1507, .NET Framework 4.5 / 4.5.1 /
        4.5.2, .NET Framework 2.0 - 3.5.1, .NET
        Framework 4.0 or Windows PowerShell 3.0 - 5.1
        fix: Switch on TLS 1.2 for Schannel clients
        (tlscensus explain schannel-tls12-client)
        fix: WinHTTP: default secure protocols
        (tlscensus explain winhttp-default-secure-prot
        ocols)
        fix: .NET Framework: use the system
        TLS versions and strong crypto
        (tlscensus explain dotnet-strong-crypto)
      10.0.0.6
        02:00:00:00:00:06
        offers TLS 1.2, but none of the 8 suites that
        dataverse accepts (3 others)
        loses crm.contoso.example (1 connection, on
        2026-03-01 08:01 UTC)
        fix: Client: enable a suite of the policy
        (tlscensus explain client-enable-ecdhe)
        fix: Windows Server 2012 R2 and older: GCM
        with ECDHE
        (tlscensus explain windows-2012r2-gcm)
        fix: Java: upgrade
        (tlscensus explain java-upgrade)

    Servers of ours that break
      10.9.0.1:443
        chose TLS 1.0 although the client offered
        TLS 1.2
        used by 2 client hosts (2 connections) as
        intranet.contoso.example
        fix: Switch on TLS 1.2 for Schannel servers
        (tlscensus explain schannel-tls12-server)
        fix: nginx: protocol versions
        (tlscensus explain nginx-ssl-protocols)
        fix: Apache httpd: protocol versions
        (tlscensus explain apache-ssl-protocol)

    Findings
      version.tls1.0
        high: 1 client host, 1 server
      offer.max_version
        high: 1 client host
      offer.no_suite
        high: 1 client host
      server.max_version
        high: 1 server
      suite.tls_rsa
        medium: 1 client host, 1 server
      cert.name_mismatch
        medium: 1 server
      cert.unverifiable
        medium: 1 server
      offer.one_certificate_type
        low: 5 client hosts
      handshake.refused
        low: 1 client host, 1 server
      tlscensus explain ID says what one means

    Certificate chains
      not known of 2 servers: 2 not seen

    What could not be seen
      6 % of connections have no ClientHello in the
      capture: what these clients can do is not known
      6 % of connections hide their certificate
      (TLS 1.3)
      6 % of connections were captured in one
      direction only
      6 % of connections run over QUIC, which tells
      nothing of what the client offers over TCP
      6 % of connections were not seen to the end of
      their handshake
      12 packets not looked at: they carry no IP

    Seen: 17 TLS connections in 1 source, 2026-03-01
    08:00 to 08:04 UTC.
    ");
}

#[test]
fn colour_says_nothing_that_words_do_not() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
    let colour = inventory.summary(Style { colour: true, ..PLAIN });
    let mut plain = String::new();
    let mut parts = colour.split('\u{1b}');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    assert_eq!(plain, inventory.summary(PLAIN));
}

#[test]
fn no_handshake_at_all() {
    let inventory = judge(&snapshot(&[]), &["dataverse"], &[]);
    insta::assert_snapshot!(inventory.summary(PLAIN), @r#"
        No TLS handshake was seen in 1 source (4,120 packets, 31 flows).
        Packets were followed, but none of them begins TLS. Does the mirror port carry
        the VLAN of the clients, and does a capture filter let their ports through?
        "#);
}

#[test]
fn nobody_in_scope() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &["*.nowhere.example"]);
    insta::assert_snapshot!(inventory.summary(PLAIN).lines().take(3).collect::<Vec<_>>().join("\n"), @r#"
        Nobody was seen to talk to `*.nowhere.example`; 8 client hosts talked to 5 other
        servers.
        "#);
}

#[test]
fn all_is_well() {
    let records = &office()[7..10];
    let inventory = judge(&snapshot(records), &["dataverse-2024-12"], &[]);
    insta::assert_snapshot!(inventory.summary(PLAIN), @"
    None of 3 client hosts breaks when dataverse-2024-12 is enforced.

    Findings
      cert.name_mismatch  medium: 1 server
      cert.unverifiable   medium: 1 server
      tlscensus explain ID says what one means

    Seen: 3 TLS connections in 1 source, 2026-03-01 08:00 UTC.
    ");
}

#[test]
fn a_file_that_ends_too_soon_is_named() {
    let mut facts = snapshot(&office()[7..8]);
    facts.sources[0].fault = Some("`a\u{1b}.pcap` is cut short at byte 7".to_owned());
    facts.sources[0].dropped = 41;
    let text = judge(&facts, &["dataverse-2024-12"], &[]).summary(PLAIN);
    insta::assert_snapshot!(text, @r"
    The one client host goes on working when dataverse-2024-12 is enforced.

    Findings
      cert.name_mismatch  medium: 1 server
      cert.unverifiable   medium: 1 server
      tlscensus explain ID says what one means

    What could not be seen
      41 packets were lost while capturing (1 %)
      `a\u{1b}.pcap` is cut short at byte 7

    Seen: 1 TLS connection in 1 source, 2026-03-01 08:00 UTC.
    ");
}

#[test]
fn what_an_interface_lost_is_told_by_who_lost_it() {
    let mut facts = snapshot(&office()[7..8]);
    let source = &mut facts.sources[0];
    source.kind = crate::census::SourceKind::Live;
    (source.name, source.evicted) = ("eth1".into(), 5);
    (source.packets, source.dropped) = (9_959, 41);
    source.lost = crate::census::Lost {
        ring: 30,
        backlog: 11,
        open_read: 960,
        open_lost: 40,
        seconds: 3,
        ..crate::census::Lost::default()
    };
    let inventory = judge(&facts, &["dataverse-2024-12"], &[]);
    let text = inventory.summary(PLAIN);
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains(
            "41 packets were lost while capturing (under 1 %) eth1: lost 30 as the ring was full \
             (a larger --buffer, --capture-threads or --filter help), 11 as the workers were behind \
             (more --threads help); in 3 seconds; 4 % of the packets that came while a handshake was \
             open; 5 flows given up at a bound"
        ),
        "{words}"
    );
    // Every report has them, interface by interface.
    let written = |format| {
        let mut out = Vec::new();
        inventory.write(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let row = "| eth1 | 9959 | 0 | 30 | 11 | 0 | 4 % | 5 |";
    let markdown = written(crate::report::Format::Markdown);
    assert!(markdown.contains(row), "{markdown}");
    let cells = [
        ("by the interface", "0"),
        ("ring full", "30"),
        ("workers behind", "11"),
        ("unread", "0"),
        ("while a handshake was open", "4\u{a0}%"),
        ("flows at a bound", "5"),
    ]
    .map(|(kind, count)| format!("<td class=\"number\" data-label=\"{kind}\">{count}</td>"))
    .concat();
    assert!(written(crate::report::Format::Html).contains(&cells));
    let json: serde_json::Value =
        serde_json::from_str(&written(crate::report::Format::Json)).unwrap();
    let source = &json["sources"][0];
    assert_eq!((&source["lost"]["ring"], &source["lost"]["backlog"]), (&30.into(), &11.into()));
    assert_eq!(source["evicted_flows"], 5);
}

#[test]
fn a_policy_that_names_its_servers_gives_a_hint() {
    let mut inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
    inventory.policies[0].scope = vec!["*.dynamics.com".into(), "*.contoso.example".into()];
    let text = inventory.summary(PLAIN);
    assert!(text.ends_with(
        "\nhint: add --scope '*.contoso.example' to count only the hosts that talk to it\n"
    ));
    inventory.scope = vec!["10.0.0.0/8".to_owned()];
    assert!(!inventory.summary(PLAIN).contains("hint:"));
}

#[test]
fn a_capture_without_tls_says_what_most_of_its_packets_were() {
    let mut inventory = judge(&snapshot(&[]), &["dataverse"], &[]);
    inventory.coverage.flows = 0;
    let mut said = |read, skipped| {
        inventory.coverage.packets.read = read;
        inventory.coverage.packets.skipped = [("not_ip", skipped)].into();
        inventory.summary(PLAIN).lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(said(1, 1), "It was not looked at: it carries no IP.");
    assert_eq!(said(2, 1), "One of them was not looked at: it carries no IP.");
    assert_eq!(said(2, 2), "Most of them, 2, were not looked at: they carry no IP.");
}

/// Who changes one of them must know the others: some routers show their own MAC address for all.
#[test]
fn a_host_of_several_addresses_is_named_by_all_of_them() {
    let joined = |client, offer| {
        // One after the other, as of a host that changes its address.
        let sample = Sample::new(client, 7).offers(&offer).at(u64::from(client) * 1_000);
        sample.with(|record| record.client.mac = Some(Mac([2, 0, 0, 0, 0, 9]))).0
    };
    let records = [joined(2, modern()), joined(3, modern()), joined(4, legacy())];
    let inventory = judge(&snapshot(&records), &["dataverse"], &[]);
    let words = "also at 10.0.0.3 and 10.0.0.4";
    let text = inventory.summary(PLAIN);
    assert!(text.contains(words), "{text}");
    let nobody = judge(&snapshot(&[]), &["dataverse"], &[]);
    let diff = Diff::new(&nobody, &inventory).text(PLAIN);
    assert!(diff.contains(words), "{diff}");
    let mut markdown = Vec::new();
    inventory.write_markdown(&mut markdown).unwrap();
    let markdown = String::from_utf8(markdown).unwrap();
    assert!(markdown.contains("| 10.0.0.2<br>10.0.0.3<br>10.0.0.4 |"), "{markdown}");
}
