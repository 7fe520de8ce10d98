//! One host's story: what it offers, to whom, what becomes of it, and what to change.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fmt::Write as _;

use super::exceptions::Excepted;
use super::inventory::{Client, Edge, Finding, Inventory, Remedy, Server, Stack};
use super::summary::Style;
use super::summary::page::{Ink, Page};
use super::text::{GLUE, count, explain, listed, named, printable, span};
use super::vendors::described;
use crate::packet::Address;
use crate::policy::{Outcome, Reason};
use crate::recognise::Remediation;
use crate::tls::codepoint::CipherSuite;
use crate::tls::hello::Offer;

/// Items of a list in a screenful.
const LISTED: usize = 12;

impl Inventory {
    /// What is known of a host, as a client and as a server; `None` if nothing is.
    pub fn host(&self, ip: Address, style: Style) -> Option<String> {
        let client = self.clients.iter().find(|client| client.addresses.contains(&ip));
        let servers: Vec<_> = self.servers.iter().filter(|server| server.name.ip == ip).collect();
        if client.is_none() && servers.is_empty() {
            return None;
        }
        let mut page = Page::new(style);
        page.paragraph(Ink::Bold, &ip.to_string());
        // A longer one stands above what it says.
        let policies = self.policies.iter().map(|policy| &*policy.id).filter(|id| id.len() < 20);
        page.align(["fingerprints", "asked for as"].into_iter().chain(policies));
        if let Some(client) = client {
            self.client(&mut page, client, style.verbose);
        }
        for server in servers {
            answers(&mut page, server, style.verbose);
        }
        Some(page.finish())
    }

    fn client(&self, page: &mut Page, client: &Client, verbose: bool) {
        let mut known: Vec<String> = client.names.iter().map(|name| called(client, name)).collect();
        if client.addresses.len() > 1 {
            let addresses: Vec<_> = client.addresses.iter().map(ToString::to_string).collect();
            known.insert(0, format!("addresses {}", listed(&addresses, limit(verbose))));
        }
        let vendor = client.vendor.as_deref();
        let mac = client.mac.map(|mac| format!("MAC {}", printable(&described(mac, vendor))));
        known.extend(mac);
        known.extend(client.owner.iter().map(|owner| format!("owner {}", printable(owner))));
        if !known.is_empty() {
            page.item(Ink::Plain, &known.join(", "));
        }
        page.item(
            Ink::Plain,
            &format!(
                "{} as a client, {}",
                count(client.connections, "connection", "connections"),
                span(client.first_seen, client.last_seen),
            ),
        );
        for verdict in &client.verdicts {
            let words = format!("{}: {}", verdict.policy, verdict.outcome);
            page.item(ink(verdict.outcome), &words);
        }
        if client.maybe_several_hosts {
            page.item(Ink::Dim, "it may be several hosts behind one address");
        }
        for (at, stack) in client.stacks.iter().enumerate() {
            page.heading(&format!("Client stack {} of {}", at + 1, client.stacks.len()));
            self.stack(page, client, stack, verbose);
        }
    }

    fn stack(&self, page: &mut Page, client: &Client, stack: &Stack, verbose: bool) {
        entry(page, "offers", Ink::Plain, &offered(stack));
        if let Some(offer) = &stack.offer {
            entry(page, "suites", Ink::Plain, &suites(offer, verbose));
        }
        let software: Vec<String> = stack
            .software
            .iter()
            .map(|one| format!("{} ({})", printable(&one.name), one.confidence))
            .collect();
        entry(page, "looks like", Ink::Plain, &listed(&software, limit(verbose)));
        let prints = [("JA4", &stack.ja4), ("JA3", &stack.ja3)];
        let prints: Vec<String> = prints
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
            // A hello that was cut, or in the format of SSL 2.0, has none.
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}{GLUE}{value}"))
            .collect();
        entry(page, "fingerprints", Ink::Dim, &prints.join(", "));
        for verdict in &stack.verdicts {
            let mut words = judged(verdict.outcome, &verdict.reasons, &verdict.evidence);
            words.push_str(&excepted(verdict.excepted.as_deref()));
            entry(page, &verdict.policy, ink(verdict.outcome), &words);
        }
        if let Some(earlier) = stack.retry_of() {
            entry(page, "retry", Ink::Dim, &format!("with less, after the offer {earlier} failed"));
        }
        let own = self.edges.iter().filter(|edge| edge.client == client.ip);
        let edges = own.filter(|edge| edge.is_of(stack));
        for (at, edge) in edges.enumerate() {
            if at == LISTED && !verbose {
                page.item(Ink::Dim, "… and more servers (-v shows all)");
                break;
            }
            talked(page, edge);
        }
        findings(page, &stack.findings);
        fixes(page, &stack.remediations, verbose);
    }
}

/// A name, and who said it.
fn called(client: &Client, name: &str) -> String {
    let by: Vec<&str> = client.named_by.get(name).into_iter().flatten().copied().collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    format!("{}{by}", named(name))
}

/// Whom a stack talked to, and what came of it.
fn talked(page: &mut Page, edge: &Edge) {
    let name = edge.sni.as_ref().map(|sni| format!("{} at ", named(sni))).unwrap_or_default();
    let counted = |map: &BTreeMap<String, u64>| {
        map.iter().map(|(word, number)| times(word, *number)).collect::<Vec<_>>().join(", ")
    };
    let outcomes: Vec<String> =
        edge.outcomes.iter().map(|(word, number)| format!("{number} {word}")).collect();
    let server = edge.server.with_application();
    let mut words = format!("{name}{}: {}", printable(&server), outcomes.join(", "));
    for (label, map) in
        [("", &edge.versions), ("", &edge.cipher_suites), ("alerts: ", &edge.alerts)]
    {
        if !map.is_empty() {
            let _ = write!(words, "; {label}{}", counted(map));
        }
    }
    let mut parts = vec![(Ink::Plain, words)];
    for verdict in &*edge.verdicts {
        let mut words = format!("under {}: {}", verdict.policy, verdict.outcome);
        if let Some(version) = verdict.version {
            let _ = write!(words, " to {version}");
        }
        if let Some(suite) = &verdict.cipher_suite {
            let _ = write!(words, " with {}", spelled(suite));
        }
        if !verdict.ends.is_empty() {
            let _ = write!(words, " (the {})", verdict.ends.join(" and the "));
        }
        words.push_str(&because(&verdict.reasons));
        let ink = if verdict.outcome == "breaks" { Ink::Bad } else { Ink::Dim };
        parts.push((ink, words));
    }
    page.entry((Ink::Plain, "talked to"), &parts);
}

/// The host as a server.
fn answers(page: &mut Page, server: &Server, verbose: bool) {
    page.heading(&format!("Server {}", printable(&server.name.with_application())));
    let names: Vec<String> = server.snis.iter().map(|name| named(name)).collect();
    entry(page, "asked for as", Ink::Plain, &listed(&names, limit(verbose)));
    let used = format!(
        "{}, {}, {}",
        count(server.clients, "client host", "client hosts"),
        count(server.connections, "connection", "connections"),
        span(server.first_seen, server.last_seen),
    );
    entry(page, "used by", Ink::Plain, &used);
    for (label, map) in [("versions", &server.versions), ("suites", &server.cipher_suites)] {
        let list: Vec<String> = map.iter().map(|(word, number)| times(word, *number)).collect();
        entry(page, label, Ink::Plain, &listed(&list, limit(verbose)));
    }
    let chain = &server.chain;
    let mut words = chain.status.as_str().replace('_', " ");
    if let Some(root) = &chain.root_subject {
        let _ = write!(words, ", to {}", printable(root));
    }
    if !chain.trusted_by.is_empty() {
        let _ = write!(words, ", trusted by {}", printable(&chain.trusted_by.join(" and ")));
    }
    entry(page, "chain", Ink::Plain, &words);
    for verdict in &server.verdicts {
        let mut words = judged(verdict.outcome, &verdict.reasons, &verdict.evidence);
        words.push_str(&excepted(verdict.excepted.as_deref()));
        entry(page, &verdict.policy, ink(verdict.outcome), &words);
    }
    findings(page, &server.findings);
    fixes(page, &server.remediations, verbose);
}

fn findings(page: &mut Page, findings: &[Finding]) {
    for finding in findings {
        // Where policies tell it in several ways, whose way it is.
        let told = findings.iter().filter(|one| one.id == finding.id).count();
        let under = if told > 1 { told_by(finding) } else { String::new() };
        let mut words =
            format!("{} ({}{under}): {}", finding.id, finding.severity, printable(&finding.text));
        words.push_str(&excepted(finding.excepted.as_deref()));
        entry(page, "finding", Ink::Plain, &words);
    }
}

/// `, under dataverse and rfc8996`; nothing of a finding that is one under any policy.
fn told_by(finding: &Finding) -> String {
    if finding.policies.is_empty() {
        return String::new();
    }
    format!(", under {}", finding.policies.join(" and "))
}

/// What to change: the first remedy with its steps, the others by name.
fn fixes(page: &mut Page, remedies: &[Remedy], verbose: bool) {
    for (at, remedy) in remedies.iter().enumerate() {
        let mut parts = vec![(Ink::Bold, format!("{} {}", remedy.title, explain(remedy.id)))];
        if at == 0 || verbose {
            let steps = Remediation::by_id(remedy.id).map_or(&[][..], |one| &one.steps);
            parts.extend(steps.iter().map(|step| (Ink::Plain, format!("- {step}"))));
        }
        page.entry((Ink::Bold, "fix"), &parts);
    }
}

fn offered(stack: &Stack) -> String {
    let Some(offer) = &stack.offer else {
        return format!("over {}: its ClientHello was not seen", stack.transport.name());
    };
    let versions: Vec<String> = offer.versions().iter().map(ToString::to_string).collect();
    let groups = offer.groups.iter().flatten().map(ToString::to_string);
    let groups: Vec<String> = groups.collect();
    let alpn: Vec<String> =
        offer.alpn.iter().map(|name| named(&String::from_utf8_lossy(name))).collect();
    let mut words = format!("over {}: {}", stack.transport.name(), versions.join(", "));
    for (label, list) in [("groups", groups), ("ALPN", alpn)] {
        if !list.is_empty() {
            let _ = write!(words, "; {label} {}", listed(&list, LISTED));
        }
    }
    words
}

fn suites(offer: &Offer, verbose: bool) -> String {
    let names: Vec<String> = offer
        .cipher_suites
        .iter()
        .filter(|suite| !suite.is_signalling())
        .map(|suite| suite.name().map_or_else(|| suite.to_string(), str::to_owned))
        .collect();
    listed(&names, limit(verbose))
}

/// The name of a suite where there is one; anything else as it is.
fn spelled(word: &str) -> &str {
    let code = word.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
    code.and_then(|code| CipherSuite(code).name()).unwrap_or(word)
}

/// How often, on the line of what it was.
fn times(word: &str, number: u64) -> String {
    format!("{}{GLUE}×{GLUE}{number}", spelled(word))
}

fn judged(outcome: Outcome, reasons: &[Reason], evidence: &str) -> String {
    let mut words = outcome.to_string();
    words.push_str(&because(reasons));
    if !evidence.is_empty() {
        let _ = write!(words, ": {}", printable(evidence));
    }
    words
}

/// Who agreed to leave it so.
fn excepted(excepted: Option<&Excepted>) -> String {
    excepted.map(|one| format!("; {}", printable(&one.to_string()))).unwrap_or_default()
}

fn because<T: Display>(reasons: &[T]) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    format!(" [{}]", words.join(", "))
}

fn entry(page: &mut Page, term: &str, ink: Ink, text: &str) {
    if !text.is_empty() {
        page.entry((Ink::Plain, term), &[(ink, text.to_owned())]);
    }
}

const fn ink(outcome: Outcome) -> Ink {
    match outcome {
        Outcome::Ready => Ink::Good,
        Outcome::AtRisk => Ink::Warn,
        Outcome::Breaks => Ink::Bad,
        Outcome::Unknown => Ink::Plain,
    }
}

const fn limit(verbose: bool) -> usize {
    if verbose { usize::MAX } else { LISTED }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::census::sample::{Sample, legacy};
    use crate::report::sample::{alike, judge, office, snapshot};
    use crate::tls::codepoint::ProtocolVersion;
    use crate::tls::hello::Offer;

    #[test]
    fn a_client_a_server_and_a_stranger() {
        let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
        let style = Style { width: 80, colour: false, verbose: false };
        let story = |last: [u8; 4]| inventory.host(Address::v4(last), style);
        insta::assert_snapshot!("client", story([10, 0, 0, 5]).unwrap());
        insta::assert_snapshot!("server", story([10, 9, 0, 1]).unwrap());
        assert_eq!(story([192, 0, 2, 1]), None);
    }

    #[test]
    fn a_server_is_told_by_what_it_speaks_too() {
        let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
        let style = Style { width: 200, colour: false, verbose: false };
        let story = |host| inventory.host(host, style).unwrap();
        let mail = story(Address::v4([203, 0, 113, 3]));
        assert!(mail.contains("\nServer 203.0.113.3:587 (smtp)\n"), "{mail}");
        let client = story(Address::v4([10, 0, 0, 6]));
        assert!(client.contains("at 203.0.113.3:587 (smtp): 1 established"), "{client}");
    }

    #[test]
    fn where_policies_differ_it_is_said_who_says_what() {
        let inventory = judge(&snapshot(&office()), &["dataverse", "rfc8996"], &[]);
        let style = Style { width: 400, colour: false, verbose: false };
        let story = inventory.host(Address::v4([10, 0, 0, 5]), style).unwrap();
        for policy in ["dataverse", "rfc8996"] {
            let words =
                format!("offer.max_version (high, under {policy}): the client offers at most");
            assert!(story.contains(&words), "{story}");
        }
        assert!(story.contains("version.tls1.0 (high): "), "{story}");
    }

    #[test]
    fn fingerprints_that_there_are_not_are_not_shown() {
        let plain = legacy();
        let cut = Offer { ja3: String::new(), ja4: String::new(), ..(*plain).clone() };
        let style = Style { width: 80, colour: false, verbose: false };
        for (offer, shown) in [(plain, true), (Arc::new(cut), false)] {
            let sample = Sample::new(5, 7).offers(&offer).chooses(ProtocolVersion::TLS1_0, 0xc013);
            let inventory = judge(&snapshot(&[sample.0]), &["dataverse"], &[]);
            let story = inventory.host(Address::v4([10, 0, 0, 5]), style).unwrap();
            assert_eq!(story.contains("fingerprints"), shown, "{story}");
        }
    }

    #[test]
    fn a_stack_is_told_by_its_own_connections_where_another_has_its_ja4() {
        let inventory = judge(&snapshot(&alike()), &["dataverse"], &[]);
        let style = Style { width: 200, colour: false, verbose: false };
        let story = inventory.host(Address::v4([10, 0, 0, 5]), style).unwrap();
        let stacks: Vec<_> = story.split("Client stack ").skip(1).collect();
        assert_eq!(stacks.len(), 2, "{story}");
        for stack in stacks {
            let [own, other] = if stack.contains("dataverse     breaks") {
                ["old.example", "new.example"]
            } else {
                ["new.example", "old.example"]
            };
            assert!(stack.contains(own) && !stack.contains(other), "{story}");
        }
    }
}
