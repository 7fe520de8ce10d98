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
    // The longest that a policy asks for (BSI).
    for (kind, key) in [("rsa", &["-newkey", "rsa:3072"][..]), ("ecdsa", &curve)] {
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

    /// All that enforces one policy: OpenSSL's server, and GnuTLS's for the suites that it lacks.
    fn enforcing(&mut self, policy: &Enforced, certificates: &[&str]) -> Vec<u16> {
        let mut ports = vec![self.openssl(certificates, &policy.openssl())];
        for priority in policy.gnutls() {
            ports.push(self.gnutls(certificates, &priority));
        }
        ports
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What each client reaches of what it is to try, several at a time.
fn ask(net: &Net, clients: &[Client], targets: &[Target]) -> Vec<Vec<bool>> {
    let next = Mutex::new(0..clients.len());
    let answers: Mutex<BTreeMap<usize, Vec<bool>>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(number) = next.lock().unwrap().next() else { break };
                    net.enter(number);
                    let reached = clients[number].reach(targets);
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
    let mut everything = words(
        "-min_protocol TLSv1 -max_protocol TLSv1.3 -cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0 \
         -groups X25519:X448:P-256:P-384:P-521:secp256k1:secp224r1:brainpoolP256r1:\
         brainpoolP384r1:brainpoolP512r1:ffdhe2048:ffdhe3072:ffdhe4096 -ciphersuites",
    );
    everything.push(enforced::TLS13.to_owned());
    let ports = SERVICES.map(|kinds| servers.openssl(kinds, &everything));
    net.wait_for(&ports);
    let tcpdump = net.capture(capture);
    let targets = ports.map(|port| (SERVER.to_owned(), port));
    ask(net, clients, &targets);
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
    let mut targets: Vec<Target> = Vec::new();
    let mut services: Vec<Vec<(usize, Vec<u16>)>> = Vec::new();
    for policy in &policies {
        let mut own = Vec::new();
        for (number, kinds) in SERVICES.iter().enumerate() {
            // The first stands for any service under the policy; the others are servers that keep
            // the one certificate that they have.
            let kinds: Vec<&str> = match number {
                0 => policy.certificates.clone(),
                _ => kinds.to_vec(),
            };
            own.push((number, servers.enforcing(policy, &kinds)));
        }
        services.push(own);
    }
    let all: BTreeSet<u16> = services.iter().flatten().flat_map(|own| own.1.clone()).collect();
    targets.extend(all.iter().map(|port| (SERVER.to_owned(), *port)));
    net.wait_for(&servers.ports);
    let reached = ask(&net, &clients, &targets);
    let reaches = |client: usize, ports: &[u16]| {
        ports.iter().any(|port| {
            let at = targets.iter().position(|target| target.1 == *port).unwrap();
            reached[client][at]
        })
    };

    let mut of_clients = Table::new("client", &policies);
    let mut of_edges = Table::new("edge", &policies);
    for (number, client) in clients.iter().enumerate() {
        let address = Net::address(number);
        for (policy, own) in policies.iter().zip(&services) {
            let works = reaches(number, &own[0].1);
            let (said, reasons) = foretold(&report, &address, &policy.id);
            of_clients.add(Pair::new(client.to_string(), policy, &said, reasons, works));
            for (service, ports) in &own[1..] {
                // A server whose certificate the policy does not accept cannot enforce it.
                if !policy.certificates.contains(&SERVICES[*service][0]) {
                    continue;
                }
                let works = reaches(number, ports);
                let (said, reasons) =
                    foretold_edge(&report, &address, permissive[*service], &policy.id);
                let name = format!("{client} → {}", SERVICES[*service][0]);
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
    drop(servers);
    assert_served_elsewhere(&net, folder.path(), &clients, &policies, &of_clients);
}

/// What OpenSSL's server refuses and the RFCs leave open, another one gives.
fn assert_served_elsewhere(
    net: &Net,
    folder: &Path,
    clients: &[Client],
    policies: &[Enforced],
    table: &Table,
) {
    let mut servers = Servers::new(net, folder);
    let mut open = Vec::new();
    for (subject, policy) in table.served_by("GnuTLS") {
        let policy = policies.iter().find(|own| own.id == policy).unwrap();
        let number = clients.iter().position(|own| own.to_string() == subject).unwrap();
        let priorities = policy.gnutls_alone();
        let ports: Vec<u16> = priorities
            .iter()
            .map(|priority| servers.gnutls(&policy.certificates, priority))
            .collect();
        open.push((number, policy, ports));
    }
    net.wait_for(&servers.ports);
    for (number, policy, ports) in open {
        net.enter(number);
        let targets: Vec<Target> = ports.iter().map(|port| (SERVER.to_owned(), *port)).collect();
        let works = clients[number].reach(&targets).contains(&true);
        assert!(works, "{} under {}: GnuTLS refuses it too", clients[number], policy.id);
    }
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
