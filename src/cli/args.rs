//! What may be typed. Help, man page and completions are all made from here.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::words::Color;

/// Passive TLS auditor: who breaks when a TLS policy is enforced, why, and what do they change?
#[derive(Debug, Parser)]
#[command(
    name = "tlscensus",
    version,
    about,
    max_term_width = 100,
    after_help = "Example: tlscensus read --policy dataverse --report inventory.csv monday.pcap"
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) global: Global,
}

/// Options of every command.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Global {
    /// Use colours.
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub(super) color: Color,
    /// Print no progress, warnings or summary beside what was asked for.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Print everything, not only a screenful.
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Audit capture files, directories of them, or standard input.
    #[command(after_help = "\
Examples:
  tlscensus read monday.pcap
  tlscensus read --policy entra-connect --report inventory.csv captures/
  tcpdump -i eth0 -w - | tlscensus read --flows flows.ndjson -")]
    Read(Box<Read>),
    /// Report what is in census files, merged, under any policy.
    #[command(after_help = "\
Examples:
  tlscensus report --policy entra-connect census.db
  tlscensus report --since 2026-03-01 --report week.csv paris.db berlin.db
  tlscensus report --schema > inventory.schema.json")]
    Report(Box<Report>),
    /// Compare two censuses: what was fixed, what still breaks, what is new.
    #[command(after_help = "Example: tlscensus diff --fail-on breaks last-week.db this-week.db")]
    Diff(Box<Diff>),
    /// Tell one host's story: what it offers, to whom, what becomes of it, and what to change.
    #[command(after_help = "Example: tlscensus host 10.0.0.5 census.db")]
    Host(Box<Host>),
    /// Show the report of census files as a page, and again when they change.
    #[cfg(feature = "serve")]
    #[command(after_help = "\
Examples:
  tlscensus serve office.db
  tlscensus serve --listen 127.0.0.1:8000 --policy entra-connect paris.db berlin.db")]
    Serve(Box<Serve>),
    /// Watch one or more network interfaces until it is stopped.
    #[cfg(feature = "live")]
    #[command(after_help = "\
Examples:
  tlscensus live -i eth1 --census office.db
  tlscensus live -i eth1 -i eth2 --flows /var/lib/tlscensus/flows.ndjson --rotate 1h
  tlscensus live -i eth1 --filter 'tcp port 443 or tcp port 1433' --report inventory.json

Signals: INT and TERM end it and write reports (a second one ends it at once), USR1 writes the
reports now, HUP opens the file of records anew.
Without root: sudo setcap cap_net_raw+ep $(command -v tlscensus)")]
    Live(Box<Live>),
    /// List the network interfaces, and whether they can be watched.
    #[cfg(feature = "live")]
    #[command(after_help = "Example: tlscensus interfaces")]
    Interfaces,
    /// List the policies, show one, or check a file of your own.
    #[command(after_help = "Example: tlscensus policy show dataverse")]
    Policy(Policy),
    /// Explain a finding, a reason, an outcome or a remediation (steps, registry values, what else
    /// it affects, sources).
    #[command(after_help = "Example: tlscensus explain schannel-tls12-client")]
    Explain {
        /// The id, as the summary and reports give it.
        id: String,
    },
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example: tlscensus completions bash > /etc/bash_completion.d/tlscensus"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(after_help = "Example: tlscensus man | man -l -")]
    Man,
}

/// `tlscensus read`.
#[derive(Debug, ClapArgs)]
pub(super) struct Read {
    /// Captures (pcap, pcapng; also .gz .zst .xz .lz4), directories of them, or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only packets that match this BPF expression (tagged ones need `vlan and ...`, as in tcpdump).
    #[arg(long, value_name = "EXPR")]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) judgement: Judgement,
    #[command(flatten)]
    pub(super) failing: Failing,
    #[command(flatten)]
    pub(super) window: Window,
    /// Write one JSON object per TLS connection to FILE, or to standard output (-).
    #[arg(long, value_name = "FILE|-")]
    pub(super) flows: Option<PathBuf>,
    /// Add what is seen to the census FILE; reports and summary then tell all that is in it.
    #[arg(long, value_name = "FILE")]
    pub(super) census: Option<PathBuf>,
    /// Write the inventory of hosts to FILE (.html, .json, .csv or .md). May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Vec<PathBuf>,
    /// Use N worker threads [default: the cores there are].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,
    /// Record this name with every flow [default: the host name].
    #[arg(long, value_name = "NAME")]
    pub(super) sensor: Option<String>,
}

/// `tlscensus report`.
#[derive(Debug, ClapArgs)]
pub(super) struct Report {
    /// Census files, as `tlscensus read --census` writes them.
    #[arg(required_unless_present = "schema", value_name = "CENSUS")]
    pub(super) censuses: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) judgement: Judgement,
    #[command(flatten)]
    pub(super) failing: Failing,
    #[command(flatten)]
    pub(super) window: Window,
    /// Write the inventory of hosts to FILE (.html, .json, .csv or .md). May be repeated.
    #[arg(long = "report", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Replace addresses and names by hashes under the key in KEYFILE: the report may leave the house.
    #[arg(long, value_name = "KEYFILE")]
    pub(super) anonymize: Option<PathBuf>,
    /// Print the JSON Schema of the .json report, and nothing else.
    #[arg(long)]
    pub(super) schema: bool,
}

/// `tlscensus diff`.
#[derive(Debug, ClapArgs)]
pub(super) struct Diff {
    /// The earlier census.
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,
    /// The later one.
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
    #[command(flatten)]
    pub(super) judgement: Judgement,
    /// Exit with 3 where NEW has what OLD had not, and it is not excepted: a host in scope that breaks
    /// under the first policy, or a finding of severity medium or worse.
    #[arg(long, value_enum, value_name = "breaks|findings", hide_possible_values = true)]
    pub(super) fail_on: Option<FailOn>,
}

/// `tlscensus host`.
#[derive(Debug, ClapArgs)]
pub(super) struct Host {
    /// The host's address.
    #[arg(value_name = "IP")]
    pub(super) ip: std::net::IpAddr,
    /// Census files or captures.
    #[arg(required = true, value_name = "CENSUS|CAPTURE")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) judgement: Judgement,
    #[command(flatten)]
    pub(super) window: Window,
}

/// `tlscensus live`.
#[cfg(feature = "live")]
#[derive(Debug, ClapArgs)]
pub(super) struct Live {
    /// Watch this interface. May be repeated.
    #[arg(short, long, required = true, value_name = "IFACE",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) interface: Vec<String>,
    /// Only packets that match this BPF expression.
    #[arg(long, value_name = "EXPR")]
    pub(super) filter: Option<String>,
    #[command(flatten)]
    pub(super) judgement: Judgement,
    #[command(flatten)]
    pub(super) failing: Failing,
    /// Add one JSON object per TLS connection to FILE, or write it to standard output (-).
    #[arg(long, value_name = "FILE|-")]
    pub(super) flows: Option<PathBuf>,
    /// Set the file of records aside, compressed, after this time or at this size.
    #[arg(long, value_name = "1h|1GB", requires = "flows")]
    pub(super) rotate: Option<String>,
    /// Add what is seen to the census FILE; reports and summary then tell all that is in it.
    #[arg(long, value_name = "FILE")]
    pub(super) census: Option<PathBuf>,
    /// Save the census so often: a sudden death costs no more than this.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(super) save_every: String,
    /// Write the inventory of hosts to FILE (.html, .json, .csv or .md) at the end. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Vec<PathBuf>,
    /// Show the page, and metrics for Prometheus, on this address, as 127.0.0.1:9477.
    #[cfg(feature = "serve")]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    #[cfg(feature = "serve")]
    #[command(flatten)]
    pub(super) token: ListenToken,
    /// Become this user once the interfaces are open [default: the owner of the output directory].
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Use N worker threads [default: the cores there are].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,
    /// Share each interface between N threads, by flow.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(super) capture_threads: u16,
    /// Memory for packets that wait to be looked at, of each interface; half as much again for
    /// handshakes that wait.
    #[arg(long, value_name = "SIZE", default_value = "128MB")]
    pub(super) buffer: String,
    /// Record this name with every flow [default: the host name].
    #[arg(long, value_name = "NAME")]
    pub(super) sensor: Option<String>,
}

/// `tlscensus serve`.
#[cfg(feature = "serve")]
#[derive(Debug, ClapArgs)]
pub(super) struct Serve {
    /// Census files; a live run may be writing to them.
    #[arg(required = true, value_name = "CENSUS")]
    pub(super) censuses: Vec<PathBuf>,
    /// Listen on this address.
    #[arg(long, value_name = "ADDR", default_value = super::listen::ADDRESS)]
    pub(super) listen: String,
    #[command(flatten)]
    pub(super) token: ListenToken,
    #[command(flatten)]
    pub(super) judgement: Judgement,
}

/// Who may see the page.
#[cfg(feature = "serve")]
#[derive(Debug, ClapArgs)]
pub(super) struct ListenToken {
    /// Ask for the token that is the first line of FILE; it must be asked for where other machines
    /// can reach the address.
    #[arg(long, value_name = "FILE")]
    pub(super) listen_token: Option<PathBuf>,
}

/// What is judged, and by what.
#[derive(Debug, ClapArgs)]
pub(super) struct Judgement {
    /// Judge by this policy: an id of `tlscensus policy list`, or a file. May be repeated.
    #[arg(long, value_name = "ID|FILE", default_value = "dataverse")]
    pub(super) policy: Vec<String>,
    /// Trust these roots: mozilla, system, or a file or directory of your own. May be repeated.
    #[arg(long, value_name = "[NAME=]STORE", default_value = "mozilla")]
    pub(super) trust: Vec<String>,
    /// Only these servers will enforce: CIDR, address[:port] or a host name glob. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub(super) scope: Vec<String>,
    /// Hosts in this network are ours [default: private and link-local ranges]. May be repeated.
    #[arg(long, value_name = "CIDR")]
    pub(super) internal: Vec<String>,
    /// What may stay as it is, until when, and who agreed to it (TOML).
    #[arg(long, value_name = "FILE")]
    pub(super) exceptions: Option<PathBuf>,
    /// Names of hosts: CSV, a hosts file, or DHCP leases (dnsmasq, ISC, Kea, Windows). May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) hosts: Vec<PathBuf>,
    /// Owners of networks: CSV with network,owner[,site]. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) groups: Vec<PathBuf>,
}

/// What makes a run fail that was done.
#[derive(Debug, ClapArgs)]
pub(super) struct Failing {
    /// Exit with 3 where a host in scope breaks, or a finding is medium or worse, and is not excepted.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) fail_on: Option<FailOn>,
}

/// When a run counts as failed although it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A host in scope breaks under the first policy and is not excepted.
    Breaks,
    /// There is a finding of severity medium or worse that is not excepted.
    Findings,
}

/// Which part of the captures counts.
#[derive(Debug, ClapArgs)]
pub(super) struct Window {
    /// Only connections that began at or after T (RFC 3339, or a date).
    #[arg(long, value_name = "T")]
    pub(super) since: Option<String>,
    /// Only connections that began before T.
    #[arg(long, value_name = "T")]
    pub(super) until: Option<String>,
}

/// `tlscensus policy`.
#[derive(Debug, ClapArgs)]
pub(super) struct Policy {
    #[command(subcommand)]
    pub(super) action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyAction {
    /// List the policies that are built in.
    List,
    /// Show what a policy asks for, and where that is written.
    #[command(after_help = "Example: tlscensus policy show entra-connect")]
    Show {
        /// An id or alias of the list, or a file.
        #[arg(value_name = "ID|FILE")]
        policy: String,
    },
    /// Check a policy file of your own.
    #[command(after_help = "Example: tlscensus policy check our-gateway.toml")]
    Check {
        /// The file.
        file: PathBuf,
    },
}
