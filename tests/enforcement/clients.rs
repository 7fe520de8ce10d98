//! Real client stacks, each set up in many ways (`clients.toml`), and whether they reach a server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, Stream};
use toml::Table;

use super::enforced::Enforced;

/// One way to set up one stack.
pub struct Client {
    /// The implementation.
    pub stack: String,
    /// The set-up.
    pub name: String,
    run: Vec<String>,
}

/// A server, as a client is told of it.
pub type Target = (String, u16);

/// The clients whose stacks are installed, and the stacks that are not.
pub fn installed() -> (Vec<Client>, Vec<String>) {
    let file: Table = include_str!("clients.toml").parse().unwrap();
    let (mut clients, mut absent) = (Vec::new(), Vec::new());
    for stack in file["stack"].as_array().unwrap() {
        let text = |key: &str| stack.get(key).map(|value| value.as_str().unwrap().to_owned());
        let (name, run) = (text("name").unwrap(), text("run").unwrap());
        let set_ups = stack["clients"].as_table().unwrap();
        if text("needs").is_some_and(|needs| !succeeds(&needs)) {
            absent.push(format!("{name} ({} set-ups; needs `{}`)", set_ups.len(), run));
            continue;
        }
        clients.extend(set_ups.iter().map(|(set_up, words)| {
            Client {
                stack: name.clone(),
                name: set_up.clone(),
                run: format!("{run} {}", words.as_str().unwrap())
                    .split_whitespace()
                    .map(|word| word.replace("{stacks}", &stacks().display().to_string()))
                    .collect(),
            }
        }));
    }
    (clients, absent)
}

/// Where the programs of this test lie.
pub fn stacks() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/enforcement/stacks")
}

/// How often a target is asked: servers take one connection after the other, and a machine that is
/// busy with something else answers late. A refusal is an answer.
const TRIES: usize = 3;

fn succeeds(command: &str) -> bool {
    let run = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output();
    run.is_ok_and(|output| output.status.success())
}

impl Client {
    /// Clients that together offer what a policy has, and nothing else.
    pub fn strict(policy: &Enforced) -> Vec<Self> {
        let named = |stack: &str, run: Vec<String>| Self {
            stack: stack.to_owned(),
            name: format!("strict {}", policy.id),
            run,
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut run = words("openssl s_client -quiet -connect {host}:{port}");
        run.extend(policy.openssl());
        let mut all = vec![named("OpenSSL", run)];
        for priority in policy.gnutls() {
            let mut run = words("gnutls-cli --insecure -p {port} {host} --priority");
            run.push(priority);
            all.push(named("GnuTLS", run));
        }
        all
    }

    /// Which targets give their page to this client.
    pub fn reach(&self, targets: &[Target]) -> Vec<bool> {
        if self.run[0] == "rustls" {
            let config = Arc::new(rustls_config(&self.run[1..]));
            return targets.iter().map(|target| rustls_reaches(&config, target)).collect();
        }
        if self.run.iter().any(|word| word.contains("{port}")) {
            return targets
                .iter()
                .map(|target| (0..TRIES).find_map(|_| self.reaches(target)).unwrap_or(false))
                .collect();
        }
        let names: Vec<String> =
            targets.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let mut answers = BTreeMap::new();
        for _ in 0..TRIES {
            let open: Vec<&String> =
                names.iter().filter(|name| !answers.contains_key(name.as_str())).collect();
            if !open.is_empty() {
                answers.extend(self.ask_all(&open));
            }
        }
        names.iter().map(|name| answers.get(name.as_str()).copied().unwrap_or(false)).collect()
    }

    /// Run once for all targets. One without an answer in time is not among those that come out.
    fn ask_all(&self, names: &[&String]) -> Vec<(String, bool)> {
        let output = Command::new("timeout")
            .arg("300")
            .args(&self.run)
            .args(names)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = |name: &&String| {
            let line = said.lines().find_map(|line| line.strip_prefix(name.as_str()))?;
            let line = line.trim_start().to_ascii_lowercase();
            let late = ["timeout", "timed out", "wantread"].iter().any(|word| line.contains(word));
            (!late).then(|| ((*name).clone(), line.starts_with("works")))
        };
        names.iter().filter_map(answer).collect()
    }

    /// Run once for one target; `None` if no answer came in time.
    fn reaches(&self, (host, port): &Target) -> Option<bool> {
        let fill =
            |word: &String| word.replace("{host}", host).replace("{port}", &port.to_string());
        let mut child = Command::new("timeout")
            .arg("20")
            .args(self.run.iter().map(fill))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Standard input stays open: some clients end with it.
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"GET / HTTP/1.0\r\n\r\n").ok();
        let mut output = child.stdout.take().unwrap();
        let reached = has_page(&mut output);
        if let Some(id) = Pid::from_raw(child.id().cast_signed()) {
            kill_process(id, Signal::TERM).ok();
        }
        // What `timeout` says of a program that it had to end.
        let late = child.wait().unwrap().code() == Some(124);
        (reached || !late).then_some(reached)
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.stack, self.name)
    }
}

/// Read until the page of a server comes, or the end.
fn has_page(from: &mut impl Read) -> bool {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
        if text.contains("200 ok") || text.contains("<html") {
            return true;
        }
    }
    false
}

/// rustls, with what the words leave of it.
fn rustls_config(words: &[String]) -> ClientConfig {
    let has = |word: &str| words.iter().any(|own| own == word);
    let mut provider = aws_lc_rs::default_provider();
    if has("chacha20") {
        provider.cipher_suites.retain(|suite| format!("{suite:?}").contains("CHACHA20"));
    }
    if has("secp384r1") {
        provider.kx_groups.retain(|group| format!("{:?}", group.name()).contains("secp384r1"));
    }
    let versions: &[&rustls::SupportedProtocolVersion] = match (has("tls12"), has("tls13")) {
        (true, _) => &[&rustls::version::TLS12],
        (_, true) => &[&rustls::version::TLS13],
        _ => rustls::ALL_VERSIONS,
    };
    let provider = Arc::new(provider);
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth()
}

fn rustls_reaches(config: &Arc<ClientConfig>, (host, port): &Target) -> bool {
    let name = ServerName::try_from(host.clone()).unwrap();
    let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    let Ok(mut socket) = TcpStream::connect((host.as_str(), *port)) else { return false };
    socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let mut stream = Stream::new(&mut tls, &mut socket);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").is_ok() && has_page(&mut stream)
}

/// What matters here is the handshake: any certificate will do.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
