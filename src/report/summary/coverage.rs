//! What could not be seen, in words.

use super::page::{Ink, Page};
use crate::report::inventory::{CoverageLine, Inventory, LostLine, PassedOver, SourceLine};
use crate::report::text::{count, grouped, percent, printable, span};

/// Faulty sources that are named without `verbose`.
const FAULTS: usize = 5;

/// The section on blind spots; always there where anything was hidden.
pub(super) fn write(page: &mut Page, inventory: &Inventory, verbose: bool) {
    let mut lines = connections(&inventory.coverage);
    lines.extend(bounds(&inventory.coverage, verbose));
    lines.extend(packets(&inventory.coverage, verbose));
    lines.extend(interfaces(inventory));
    lines.extend(passed_over(&inventory.coverage));
    let faults = faults(inventory, verbose);
    if !(lines.is_empty() && faults.is_empty()) {
        page.heading("What could not be seen");
    }
    for line in lines {
        page.item(Ink::Plain, &line);
    }
    for line in faults {
        page.item(Ink::Warn, &line);
    }
    let watch = &inventory.coverage.watch;
    // A watch of minutes says in its last line how short it was.
    if let Some(sentence) = watch.sentence.as_ref().filter(|_| watch.unseen.is_some()) {
        page.heading("How sure this is");
        page.item(Ink::Plain, sentence);
    }
    if let Some(seen) = seen(inventory) {
        page.gap();
        page.paragraph(Ink::Dim, &seen);
    }
}

/// What the report rests on.
pub(in crate::report) fn seen(inventory: &Inventory) -> Option<String> {
    let coverage = &inventory.coverage;
    Some(format!(
        "Seen: {} in {}, {}.",
        count(coverage.connections.connections, "TLS connection", "TLS connections"),
        count(read(inventory), "source", "sources"),
        span(coverage.first_seen?, coverage.last_seen?),
    ))
}

/// Sources of which anything was read.
fn read(inventory: &Inventory) -> u64 {
    let unread = |source: &&SourceLine| source.error.is_some() && source.packets == 0;
    let sources = inventory.sources.len();
    sources.saturating_sub(inventory.sources.iter().filter(unread).count()) as u64
}

/// Blind spots by the share of connections.
pub(in crate::report) fn connections(coverage: &CoverageLine) -> Vec<String> {
    let seen = &coverage.connections;
    let shares = [
        (
            seen.without_client_hello,
            "have no ClientHello in the capture: what these clients can do is not known",
        ),
        (seen.encrypted_certificates, "hide their certificate (TLS 1.3)"),
        (seen.resumed, "resume an earlier session, in which no certificate is sent"),
        (seen.one_sided, "were captured in one direction only"),
        (seen.with_gaps, "lack packets in the middle of the handshake"),
        (seen.truncated, "have a handshake message that is not whole"),
        (seen.ech, "encrypt the name that they ask for, or pretend to (ECH)"),
        (seen.quic, "run over QUIC, which tells nothing of what the client offers over TCP"),
    ];
    let mut lines: Vec<_> = shares
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, words)| {
            format!("{} of connections {words}", percent(*number, seen.connections))
        })
        .collect();
    if seen.unreadable > 0 {
        lines.push(unreadable(seen.unreadable));
    }
    if coverage.midstream > 0 {
        lines.push(format!(
            "{} began before the capture: no handshake was seen of them",
            count(coverage.midstream, "connection", "connections"),
        ));
    }
    lines
}

/// Handshakes that began, and that nobody can read.
fn unreadable(number: u64) -> String {
    format!(
        "{} began of which nothing can be read: QUIC hides its own from all who do not see the client's \
         first packet",
        count(number, "handshake", "handshakes"),
    )
}

/// What bounds refused, and what a mirror port showed twice. What every network has is left out
/// without `verbose`.
pub(in crate::report) fn bounds(coverage: &CoverageLine, verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let seen = &coverage.connections;
    if verbose && seen.incomplete > 0 {
        lines.push(format!(
            "{} of connections were not seen to the end of their handshake",
            percent(seen.incomplete, seen.connections),
        ));
    }
    if coverage.evicted_flows > 0 {
        lines.push(format!(
            "{} given up because a bound on memory was reached",
            count(coverage.evicted_flows, "flow was", "flows were"),
        ));
    }
    if coverage.chains_not_verified > 0 {
        lines.push(format!(
            "{} not verified: too many signatures to check",
            count(coverage.chains_not_verified, "chain was", "chains were"),
        ));
    }
    if coverage.chains_not_completed > 0 {
        lines.push(format!(
            "{} not completed from what others sent: too many certificates look like their issuers",
            count(coverage.chains_not_completed, "chain was", "chains were"),
        ));
    }
    let unlisted = &coverage.unlisted;
    let unlisted = unlisted.hosts + unlisted.stacks + unlisted.edges + unlisted.evidence;
    if unlisted > 0 {
        lines.push(format!(
            "{} counted, but not listed in full: a bound on memory was reached",
            count(unlisted, "connection is", "connections are"),
        ));
    }
    let lists = &coverage.full_lists;
    let full = lists.macs + lists.names + lists.bins;
    if full > 0 {
        lines.push(format!(
            "{} as long as a bound allows: there may have been more addresses, names or days",
            count(full, "list is", "lists are"),
        ));
    }
    if verbose && lists.attempts > 0 {
        lines.push(format!(
            "{} more often than is kept one by one: only the first attempts can be told for retries",
            count(lists.attempts, "stack tried a server", "stacks tried a server"),
        ));
    }
    for (name, number) in coverage.notes.counters() {
        let (one, many, words, ordinary) = note(name);
        if number > 0 && (verbose || !ordinary) {
            lines.push(format!("{} {words}", count(number, one, many)));
        }
    }
    if seen.names_refused > 0 {
        lines.push(format!(
            "{} of addresses passed that found no room: a bound on memory was reached",
            count(seen.names_refused, "name", "names"),
        ));
    }
    if seen.details_refused > 0 {
        lines.push(format!(
            "{} of listed hosts and servers (hours, attempts, durations, MAC addresses) found no \
             room: a bound on memory was reached",
            count(seen.details_refused, "detail", "details"),
        ));
    }
    lines
}

/// One of what a note counts, many of it, what of it, and whether every network has it.
fn note(name: &str) -> (&'static str, &'static str, &'static str, bool) {
    match name {
        "cleartexts_lost" => (
            "flow",
            "flows",
            "given up before TLS began: if it does, its protocol is not known",
            false,
        ),
        "preambles_cut" => (
            "connection",
            "connections",
            "said more before TLS than is kept to name the protocol",
            true,
        ),
        "searched_in_vain" => (
            "flow",
            "flows",
            "without TLS in the first bytes: given up, unless a hello comes",
            true,
        ),
        "guessed_starts" => (
            "direction of a flow",
            "directions of flows",
            "whose beginning was not captured: taken from the earliest byte there is",
            true,
        ),
        "names_unanswered" => {
            ("DHCP request", "DHCP requests", "too many at once: a name may be missing", false)
        }
        "flows_in_two_vlans" => {
            ("flow", "flows", "seen under two VLAN tags, and taken as one", true)
        }
        _ => ("datagram", "datagrams", "seen more than once, and counted once", true),
    }
}

/// Blind spots by packets.
pub(in crate::report) fn packets(coverage: &CoverageLine, verbose: bool) -> Vec<String> {
    let packets = &coverage.packets;
    let mut lines = Vec::new();
    if packets.dropped > 0 {
        let all = packets.dropped.saturating_add(packets.read);
        lines.push(format!(
            "{} lost while capturing ({})",
            count(packets.dropped, "packet was", "packets were"),
            percent(packets.dropped, all),
        ));
    }
    if packets.cut > 0 {
        lines.push(format!(
            "{} of packets were cut by the snap length: capture with -s 0",
            percent(packets.cut, packets.read),
        ));
    }
    for (reason, number) in &packets.skipped {
        let (words, ordinary) = skipped(reason);
        if verbose || !ordinary {
            lines.push(format!("{} {words}", count(*number, "packet", "packets")));
        }
    }
    lines
}

/// What was found in directories and not read.
pub(in crate::report) fn passed_over(coverage: &CoverageLine) -> Option<String> {
    let PassedOver { files, links } = coverage.passed_over?;
    let files = count(
        files,
        "file that is no capture was skipped",
        "files that are no captures were skipped",
    );
    let links = count(links, "link was not followed", "links were not followed");
    let parts = match coverage.passed_over? {
        PassedOver { links: 0, .. } => files,
        PassedOver { files: 0, .. } => links,
        PassedOver { .. } => format!("{files}, and {links}"),
    };
    Some(format!("In directories, {parts}"))
}

/// What each interface lost, and whether that can have cost handshakes.
pub(in crate::report) fn interfaces(inventory: &Inventory) -> Vec<String> {
    inventory.sources.iter().filter_map(|source| lost(source, source.lost.as_ref()?)).collect()
}

/// Who lost the packets of an interface.
fn lost(source: &SourceLine, lost: &LostLine) -> Option<String> {
    let kinds = [
        (lost.interface, "by the interface or its driver"),
        (lost.ring, "as the ring was full (a larger --buffer, --capture-threads or --filter help)"),
        (lost.backlog, "as the workers were behind (more --threads help)"),
        (lost.unread, "unread at the end"),
    ];
    let kinds: Vec<_> = kinds
        .iter()
        .filter(|(packets, _)| *packets > 0)
        .map(|(packets, words)| format!("{} {words}", grouped(*packets)))
        .collect();
    let mut parts = Vec::new();
    if !kinds.is_empty() {
        parts.push(format!(
            "lost {}; in {}; {} of the packets that came while a handshake was open",
            kinds.join(", "),
            count(lost.seconds, "second", "seconds"),
            lost.open_share(),
        ));
    }
    if lost.left_out > 0 {
        parts.push(format!(
            "about {} of encrypted bulk left out on purpose as the ring was filling, in {}",
            count(lost.left_out, "packet", "packets"),
            count(lost.left_out_seconds, "second", "seconds"),
        ));
    }
    if source.evicted_flows > 0 {
        let flows = count(source.evicted_flows, "flow", "flows");
        parts.push(format!("{flows} given up at a bound"));
    }
    (!parts.is_empty()).then(|| format!("{}: {}", printable(&source.name), parts.join("; ")))
}

/// Words for a reason to skip packets, and whether every network has such packets.
fn skipped(reason: &str) -> (&'static str, bool) {
    match reason {
        "link_type" => ("not decoded: the link type is not known", false),
        "not_ip" => ("not looked at: they carry no IP", true),
        "not_tcp_or_udp" => ("not looked at: they carry neither TCP nor UDP", true),
        "fragment_held" => ("held: fragments that were put together", true),
        "fragment_lost" => ("not decoded: fragments of datagrams that stayed incomplete", false),
        "too_deep" => ("not decoded: too many tags and tunnels", false),
        "unknown_interface" => {
            ("not decoded: the file does not describe the interface that they are of", false)
        }
        _ if reason.starts_with("truncated") => {
            ("not decoded: the capture cut them within a header", false)
        }
        _ => ("not decoded: a header contradicts itself", false),
    }
}

fn faults(inventory: &Inventory, verbose: bool) -> Vec<String> {
    let errors: Vec<_> = inventory.sources.iter().filter_map(|one| one.error.as_deref()).collect();
    let shown = if verbose { errors.len() } else { FAULTS };
    let mut lines: Vec<_> =
        errors.iter().take(shown).map(|error| printable(error).into_owned()).collect();
    if errors.len() > shown {
        lines.push(format!("… and {} more files with errors", errors.len() - shown));
    }
    lines
}

/// The page of a run that saw no TLS at all: what was read, and why that may be.
pub(super) fn nothing(page: &mut Page, inventory: &Inventory) {
    let coverage = &inventory.coverage;
    let packets = &coverage.packets;
    page.paragraph(
        Ink::Bold,
        &format!(
            "No TLS handshake was seen in {} ({}, {}).",
            count(read(inventory), "source", "sources"),
            count(packets.read, "packet", "packets"),
            count(coverage.flows, "flow", "flows"),
        ),
    );
    let narrowed = inventory.narrowed;
    if packets.read == 0 && narrowed.filter {
        page.paragraph(
            Ink::Plain,
            "No packet matches the filter. One with a VLAN tag matches only an expression that asks for \
             it, as `vlan and tcp port 443`.",
        );
    } else if packets.read == 0 && !(narrowed.window && inventory.sources.is_empty()) {
        page.paragraph(
            Ink::Plain,
            "There is no packet in it: was the capture running, and on the right interface?",
        );
    } else if packets.read > 0 && coverage.flows == 0 {
        let worst = packets.skipped.iter().max_by_key(|(_, number)| **number);
        let why = worst.map_or_else(
            || "None of them belongs to a TCP or UDP conversation.".to_owned(),
            |(reason, number)| mostly(packets.read, *number, skipped(reason).0),
        );
        page.paragraph(Ink::Plain, &why);
    } else if coverage.connections.unreadable > 0 {
        let words = unreadable(coverage.connections.unreadable);
        page.paragraph(Ink::Plain, &format!("{words}. Does the capture hold both directions?"));
    } else if narrowed.window {
        page.paragraph(Ink::Plain, &outside(inventory));
    } else if coverage.midstream > 0 {
        page.paragraph(
            Ink::Plain,
            &format!(
                "{} carry TLS that began before the capture. Let it run for longer: a handshake \
                 is seen only when a client connects anew.",
                count(coverage.midstream, "connection", "connections"),
            ),
        );
    } else {
        page.paragraph(
            Ink::Plain,
            "Packets were followed, but none of them begins TLS. Does the mirror port carry the \
             VLAN of the clients, and does a capture filter let their ports through?",
        );
    }
}

/// Nothing in the time that was asked for, and of which time the packets are.
fn outside(inventory: &Inventory) -> String {
    let words = "No handshake began in the time that was asked for (--since, --until)";
    let first = inventory.sources.iter().filter_map(|source| source.first_seen).min();
    let last = inventory.sources.iter().filter_map(|source| source.last_seen).max();
    match first.zip(last) {
        Some((first, last)) => format!("{words}: the packets are of {}.", span(first, last)),
        None => format!("{words}."),
    }
}

/// What became of most packets, of a capture that shows nothing else.
fn mostly(read: u64, number: u64, why: &str) -> String {
    match (read, number) {
        (1, _) => format!("It was {}.", why.replace("they carry", "it carries")),
        (_, 1) => format!("One of them was {}.", why.replace("they carry", "it carries")),
        _ => format!("Most of them, {}, were {why}.", grouped(number)),
    }
}
