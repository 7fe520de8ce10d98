//! Do predictions come true? Real client stacks talk to permissive servers while their packets are
//! captured; from that capture alone `tlscensus` says who breaks under each policy. Then real servers
//! enforce the policies, configured by the policy files' own lists, and the same clients connect.
//! The same for servers: predicted from what was seen, then asked by a client that offers only
//! what a policy has.
//!
//! Needs root, `ip`, `ss`, `tcpdump`, `openssl` and `gnutls-serv`; stacks that are not installed are
//! named and left out (`stacks/install` installs them all). `cargo test --test enforcement --
//! --nocapture` prints the tables.

#![cfg(feature = "live")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test may fail, says what it skips, and waits by the clock"
)]

mod clients;
mod enforced;
mod net;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use clients::{Client, Target};
use enforced::Enforced;
use net::{Net, Running, SERVER};
use table::{Pair, Table};

/// The kinds of certificate that a service may have.
const SERVICES: [&[&str]; 3] = [&["rsa", "ecdsa"], &["rsa"], &["ecdsa"]];

/// A certificate with a key on P-384; the other one's is on P-256.
const ECDSA_384: &str = "ecdsa384";

/// The groups of a server that accepts all it can.
const GROUPS: &str = "X25519:X448:P-256:P-384:P-521:secp256k1:secp224r1:brainpoolP256r1:\
                      brainpoolP384r1:brainpoolP512r1:ffdhe2048:ffdhe3072:ffdhe4096";

/// How many clients run at a time.
const WORKERS: usize = 4;

/// The policies that come with the program, as configurations of a server.
fn policies() -> Vec<Enforced> {
    let known = enforced::suites();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/builtin");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path| Enforced::read(&fs::read_to_string(path).unwrap(), &known);
    files.iter().map(read).collect()
}

/// Whether the tools are there without which nothing can be shown.
fn is_equipped() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root makes network namespaces");
        return false;
    }
    for tool in ["ip", "ss", "tcpdump", "openssl", "gnutls-serv", "timeout"] {
        if Command::new(tool).arg("--version").output().is_err() {
            eprintln!("skipped: there is no `{tool}`");
            return false;
        }
    }
    true
}

/// Make the certificates that the servers send.
fn make_certificates(folder: &Path) {
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let larger = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
    // The longest that a policy asks for (BSI).
    let rsa = ["-newkey", "rsa:3072"];
    for (kind, key) in [("rsa", &rsa[..]), ("ecdsa", &curve), (ECDSA_384, &larger)] {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=svc.test"])
            .args(key)
            .arg("-keyout")
            .arg(folder.join(format!("{kind}.key")))
            .arg("-out")
            .arg(folder.join(format!("{kind}.pem")))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// The servers that run, each on a port of its own.
struct Servers<'a> {
    net: &'a Net,
    folder: &'a Path,
    running: Vec<Running>,
    ports: Vec<u16>,
    /// Servers that would be the same are one.
    by_words: BTreeMap<Vec<String>, u16>,
}

impl<'a> Servers<'a> {
    fn new(net: &'a Net, folder: &'a Path) -> Self {
        let (running, ports, by_words) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { net, folder, running, ports, by_words }
    }

    fn start(&mut self, words: &[String]) -> u16 {
        if let Some(port) = self.by_words.get(words) {
            return *port;
        }
        let port = 20_001 + u16::try_from(self.by_words.len()).unwrap();
        let own: Vec<String> =
            words[1..].iter().map(|word| word.replace("{port}", &port.to_string())).collect();
        self.running.push(self.net.start(&words[0], &own));
        self.ports.push(port);
        self.by_words.insert(words.to_vec(), port);
        port
    }

    fn pem(&self, kind: &str, end: &str) -> String {
        self.folder.join(format!("{kind}.{end}")).display().to_string()
    }

    /// OpenSSL's server, with certificates of these kinds.
    fn openssl(&mut self, certificates: &[&str], words: &[String]) -> u16 {
        let mut all: Vec<String> = ["openssl", "s_server", "-accept", "{port}", "-www", "-quiet"]
            .map(str::to_owned)
            .to_vec();
        for (kind, (cert, key)) in certificates.iter().zip([("-cert", "-key"), ("-dcert", "-dkey")])
        {
            let words =
                [cert.to_owned(), self.pem(kind, "pem"), key.to_owned(), self.pem(kind, "key")];
            all.extend(words);
        }
        all.extend_from_slice(words);
        self.start(&all)
    }

    /// GnuTLS's server.
    fn gnutls(&mut self, certificates: &[&str], priority: &str) -> u16 {
        let mut all: Vec<String> = ["gnutls-serv", "--http", "-q", "--disable-client-cert"]
            .into_iter()
            .chain(["-p", "{port}", "--priority", priority])
            .map(str::to_owned)
            .collect();
        for kind in certificates {
            all.extend(["--x509certfile".to_owned(), self.pem(kind, "pem")]);
            all.extend(["--x509keyfile".to_owned(), self.pem(kind, "key")]);
        }
        self.start(&all)
    }

    /// All that enforces one policy: OpenSSL's server with these words, and GnuTLS's for the suites
    /// that it lacks.
    fn enforcing(&mut self, policy: &Enforced, kinds: &[&str], words: &[String]) -> Vec<u16> {
        let mut ports = vec![self.openssl(kinds, words)];
        for priority in policy.gnutls() {
            ports.push(self.gnutls(kinds, &priority));
        }
        ports
    }

    /// GnuTLS's servers with all suites of a policy that GnuTLS has. What OpenSSL's server refuses
    /// and the RFCs leave it free to accept, they may give.
    fn gnutls_alone(&mut self, policy: &Enforced, kinds: &[&str]) -> Vec<u16> {
        let priorities = policy.gnutls_alone();
        priorities.iter().map(|priority| self.gnutls(kinds, priority)).collect()
    }

    /// Others that hold to a policy too: GnuTLS's, OpenSSL's that know fewer of its versions, and
    /// one with a key on another curve.
    fn others(&mut self, policy: &Enforced) -> Vec<u16> {
        let kinds = policy.certificates.clone();
        let mut ports = self.gnutls_alone(policy, &kinds);
        for words in policy.openssl_up_to_each() {
            ports.push(self.openssl(&kinds, &words));
        }
        if kinds.contains(&"ecdsa") {
            ports.push(self.openssl(&[ECDSA_384], &policy.openssl()));
        }
        ports
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Which of the ports that each client is to try it reaches, several clients at a time.
fn ask(net: &Net, clients: &[Client], ports: &[BTreeSet<u16>]) -> Vec<BTreeSet<u16>> {
    let next = Mutex::new(0..clients.len());
    let answers: Mutex<BTreeMap<usize, BTreeSet<u16>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(number) = next.lock().unwrap().next() else { break };
                    net.enter(number);
                    let own = &ports[number];
                    let targets: Vec<Target> =
                        own.iter().map(|port| (SERVER.to_owned(), *port)).collect();
                    let reached = clients[number].reach(&targets);
                    let reached = own.iter().zip(reached).filter(|(_, reached)| *reached);
                    let reached = reached.map(|(port, _)| *port).collect();
                    answers.lock().unwrap().insert(number, reached);
                }
            });
        }
    });
    answers.into_inner().unwrap().into_values().collect()
}

/// What `tlscensus` makes of a capture.
fn inventory(capture: &Path, policies: &[Enforced]) -> Value {
    let report = capture.with_extension("json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
    command.arg("read").arg(capture).arg("--report").arg(&report);
    for policy in policies {
        command.args(["--policy", &policy.id]);
    }
    let run = command.output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&fs::read(report).unwrap()).unwrap()
}

/// The outcome of a verdict under one policy, with its reasons.
fn verdict(of: &Value, policy: &str) -> (String, String) {
    let verdicts = of["verdicts"].as_array().unwrap();
    let own = verdicts.iter().find(|verdict| verdict["policy"] == policy).unwrap();
    let reasons = own["reasons"].as_array().into_iter().flatten();
    let reasons: Vec<&str> = reasons.map(|reason| reason.as_str().unwrap()).collect();
    (own["outcome"].as_str().unwrap().to_owned(), reasons.join(" "))
}

/// A service under a policy: the servers that hold to it. A client goes on working where one of them
/// serves it, and breaks where all of them refuse.
struct Service {
    /// OpenSSL's, with GnuTLS's for the suites that it lacks.
    first: Vec<u16>,
    /// Those that are asked where these refuse.
    others: Vec<u16>,
}

impl Service {
    fn serves(&self, reached: &BTreeSet<u16>) -> bool {
        self.first.iter().chain(&self.others).any(|port| reached.contains(port))
    }
}

/// What is foretold for a client: the outcome of its stacks, where they agree.
fn foretold(report: &Value, client: &str, policy: &str) -> (String, String) {
    let hosts = report["clients"].as_array().unwrap();
    let Some(host) = hosts.iter().find(|host| host["ip"] == client) else {
        return ("not seen".into(), String::new());
    };
    let stacks = host["stacks"].as_array().unwrap();
    let said: BTreeSet<_> = stacks
        .iter()
        .filter(|stack| stack["fallback_of"].is_null())
        .map(|stack| verdict(stack, policy))
        .collect();
    let outcomes: BTreeSet<_> = said.iter().map(|(outcome, _)| outcome).collect();
    if outcomes.len() == 1 {
        said.into_iter().next().unwrap()
    } else {
        ("several".into(), format!("{said:?}"))
    }
}

/// Let every client talk to servers that accept all they can, one for each kind of service, and
/// capture it. Returns the ports of the servers.
fn observe(net: &Net, folder: &Path, clients: &[Client], capture: &Path) -> [u16; 3] {
    let mut servers = Servers::new(net, folder);
    let mut everything =
        words("-min_protocol TLSv1 -max_protocol TLSv1.3 -cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0");
    everything.extend(["-groups", GROUPS, "-ciphersuites", enforced::TLS13].map(str::to_owned));
    let ports = SERVICES.map(|kinds| servers.openssl(kinds, &everything));
    net.wait_for(&ports);
    let tcpdump = net.capture(capture);
    ask(net, clients, &vec![ports.into(); clients.len()]);
    thread::sleep(Duration::from_millis(500));
    drop(tcpdump);
    ports
}

#[test]
fn clients_fare_as_foretold() {
    if !is_equipped() {
        return;
    }
    let (clients, absent) = clients::installed();
    for stack in &absent {
        eprintln!("left out: {stack}");
    }
    let Some(net) = Net::new(clients.len()) else { return };
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let policies = policies();

    let capture = folder.path().join("permissive.pcap");
    let permissive = observe(&net, folder.path(), &clients, &capture);
    let report = inventory(&capture, &policies);

    let mut servers = Servers::new(&net, folder.path());
    let mut services: Vec<[Service; 3]> = Vec::new();
    for policy in &policies {
        // The first stands for any service under the policy; the others are the servers that were
        // seen, with the policy laid on them and the one certificate that they have.
        let any = Service {
            first: servers.enforcing(policy, &policy.certificates, &policy.openssl()),
            others: servers.others(policy),
        };
        let [rsa, ecdsa] = [SERVICES[1], SERVICES[2]].map(|kinds| Service {
            first: servers.enforcing(policy, kinds, &policy.openssl_on(GROUPS)),
            others: servers.gnutls_alone(policy, kinds),
        });
        services.push([any, rsa, ecdsa]);
    }
    net.wait_for(&servers.ports);
    let all = services.iter().flatten().flat_map(|own| own.first.clone());
    let all: BTreeSet<u16> = all.collect();
    let mut reached = ask(&net, &clients, &vec![all; clients.len()]);
    // Whoever is refused asks the other servers that hold to the policy: of any service whatever
    // was foretold; of one that was seen, whose refusal tells, where it was said to go on.
    let foretell = |client: usize, policy: &Enforced, service: usize| {
        foretold_edge(&report, &Net::address(client), permissive[service], &policy.id)
    };
    let mut open: Vec<BTreeSet<u16>> = vec![BTreeSet::new(); clients.len()];
    for (client, (reached, open)) in reached.iter().zip(&mut open).enumerate() {
        for (policy, own) in policies.iter().zip(&services) {
            for (service, enforcing) in own.iter().enumerate() {
                let asks = || match service {
                    0 => true,
                    _ => ["unchanged", "upgrades"].contains(&&*foretell(client, policy, service).0),
                };
                if !enforcing.serves(reached) && asks() {
                    open.extend(&enforcing.others);
                }
            }
        }
    }
    for (own, more) in reached.iter_mut().zip(ask(&net, &clients, &open)) {
        own.extend(more);
    }

    let mut of_clients = Table::new("client", &policies);
    let mut of_edges = Table::new("edge", &policies);
    for (number, client) in clients.iter().enumerate() {
        let address = Net::address(number);
        for (policy, own) in policies.iter().zip(&services) {
            let works = own[0].serves(&reached[number]);
            let (said, reasons) = foretold(&report, &address, &policy.id);
            of_clients.add(Pair::new(client.to_string(), policy, &said, reasons, works));
            for (service, enforcing) in own.iter().enumerate().skip(1) {
                // A server whose certificate the policy does not accept cannot enforce it.
                if !policy.certificates.contains(&SERVICES[service][0]) {
                    continue;
                }
                let works = enforcing.serves(&reached[number]);
                let (said, reasons) = foretell(number, policy, service);
                let name = format!("{client} → {}", SERVICES[service][0]);
                of_edges.add(Pair::new(name, policy, &said, reasons, works));
            }
        }
    }
    let stacks: BTreeSet<&str> = clients.iter().map(|client| &*client.stack).collect();
    println!(
        "\n{} client set-ups over {} TLS implementations, {} policies, {} enforcing servers\n",
        clients.len(),
        stacks.len(),
        policies.len(),
        servers.ports.len()
    );
    of_clients.print();
    of_edges.print();
    of_clients.assert_agrees();
    of_edges.assert_agrees();
}

#[test]
fn servers_fare_as_foretold() {
    if !is_equipped() {
        return;
    }
    let (clients, _) = clients::installed();
    let observers: Vec<Client> =
        clients.into_iter().filter(|client| OBSERVERS.contains(&&*client.to_string())).collect();
    assert_eq!(observers.len(), OBSERVERS.len(), "an observer is missing");
    let Some(net) = Net::new(1) else { return };
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let policies = policies();

    let file: toml::Table = include_str!("servers.toml").parse().unwrap();
    let mut servers = Servers::new(&net, folder.path());
    let mut set_ups: Vec<(String, u16)> = Vec::new();
    for server in file["server"].as_array().unwrap() {
        let text = |key: &str| server[key].as_str().unwrap();
        let kinds: Vec<&str> = text("certificates").split_whitespace().collect();
        let port = match text("stack") {
            "OpenSSL" => servers.openssl(&kinds, &words(text("words"))),
            "GnuTLS" => servers.gnutls(&kinds, text("words")),
            other => panic!("no server of {other}"),
        };
        set_ups.push((format!("{}: {}", text("stack"), text("name")), port));
    }
    net.wait_for(&servers.ports);
    let targets: Vec<Target> = set_ups.iter().map(|(_, port)| (SERVER.to_owned(), *port)).collect();
    let capture = folder.path().join("observed.pcap");
    let tcpdump = net.capture(&capture);
    net.enter(0);
    for observer in &observers {
        observer.reach(&targets);
    }
    thread::sleep(Duration::from_millis(500));
    drop(tcpdump);
    let report = inventory(&capture, &policies);

    let mut of_servers = Table::new("server", &policies);
    for policy in &policies {
        let strict = Client::strict(policy);
        for ((name, port), target) in set_ups.iter().zip(&targets) {
            let works = strict.iter().any(|client| client.reach(std::slice::from_ref(target))[0]);
            let (said, reasons) = foretold_server(&report, *port, &policy.id);
            of_servers.add(Pair::new(name.clone(), policy, &said, reasons, works));
        }
    }
    println!("\n{} server set-ups, seen by {} clients\n", set_ups.len(), observers.len());
    of_servers.print();
    of_servers.assert_agrees();
}

/// The clients that talk to servers while their packets are captured: what an office has.
const OBSERVERS: [&str; 6] = [
    "OpenSSL: default",
    "OpenSSL: TLS 1.2 only",
    "OpenSSL: TLS 1.0 to 1.2, everything",
    "OpenSSL: TLS 1.0 only",
    "GnuTLS: default",
    "rustls: default",
];

/// What is foretold for a server.
fn foretold_server(report: &Value, port: u16, policy: &str) -> (String, String) {
    let servers = report["servers"].as_array().unwrap();
    let own = servers.iter().find(|server| server["port"] == port);
    own.map_or_else(|| ("not seen".into(), String::new()), |server| verdict(server, policy))
}

/// What is foretold for an edge.
fn foretold_edge(report: &Value, client: &str, port: u16, policy: &str) -> (String, String) {
    let edges = report["edges"].as_array().unwrap();
    let said: BTreeSet<_> = edges
        .iter()
        .filter(|edge| edge["client"] == client && edge["server"]["port"] == port)
        .map(|edge| verdict(edge, policy))
        .collect();
    let outcomes: BTreeSet<_> = said.iter().map(|(outcome, _)| outcome).collect();
    match outcomes.len() {
        0 => ("not seen".into(), String::new()),
        1 => said.into_iter().next().unwrap(),
        _ => ("several".into(), format!("{said:?}")),
    }
}
