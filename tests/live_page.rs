//! The live page of a confined run and of a census file that grows, and what the service manager
//! hears. Needs root and `ip`; says what it skips without them.

#![cfg(all(feature = "live", feature = "serve"))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and waits by the clock"
)]

mod common;
#[path = "common/net.rs"]
mod net;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use net::{Net, Running, SPAN, handshakes, path, wait_for};

/// Status and body.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Version 1.0: nothing is sent in chunks, and the connection ends.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn json(address: SocketAddr, path: &str) -> Value {
    let (status, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A page that `tlscensus serve` shows, and where.
fn serving(census: &str) -> (Running, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(["serve", census, "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim().strip_prefix("the page is at http://").unwrap();
    let address = address.trim_end_matches('/').parse().unwrap();
    (Running(Some(child)), address)
}

#[test]
fn a_confined_run_shows_its_page_and_a_census_that_grows_is_shown_too() {
    let Some(net) = Net::new() else { return };
    assert!(net.ip(&["link", "set", "lo", "up"]));
    let folder = tempfile::tempdir().unwrap();
    let (_, census) = path(&folder, "office.db");
    let address: SocketAddr = "127.0.0.1:9477".parse().unwrap();
    let live = net.live(&["--census", &census, "--save-every", "1s", "--listen", "127.0.0.1:9477"]);
    let sent = net.send(Some(2_000), handshakes(0..30));
    net.within(|| {
        wait_for("the page knows them", || json(address, "/api/clients")["total"] == 30);
        wait_for("all is counted", || {
            json(address, "/api/state")["interfaces"][0]["packets"] == sent
        });
        let state = json(address, "/api/state");
        assert_eq!((&state["live"], &state["connections"]), (&true.into(), &30.into()));
        assert_eq!(state["interfaces"][0]["lost"], 0);
        let report = json(address, "/api/inventory.json");
        assert_eq!(report["coverage"]["connections"], 30);
        assert_eq!(get(address, "/").0, 200);
        let (_, metrics) = get(address, "/metrics");
        for line in [
            format!("tlscensus_packets_total{{interface=\"{SPAN}\"}} {sent}"),
            "tlscensus_connections_total 30".to_owned(),
            "tlscensus_handshakes_total{version=\"TLS1.2\"} 30".to_owned(),
        ] {
            assert!(metrics.lines().any(|known| known == line), "{line} in\n{metrics}");
        }
        assert_eq!(get(address, "/healthz"), (200, "ok\n".to_owned()));
    });

    // A page of the file that it writes to, by another process.
    let (page, of_file) = serving(&census);
    wait_for("the file has them", || json(of_file, "/api/clients")["total"] == 30);
    net.send(Some(2_000), handshakes(30..40));
    wait_for("the page follows", || json(of_file, "/api/clients")["total"] == 40);
    assert_eq!(json(of_file, "/api/state")["live"], false);
    let (code, _, _, took) = page.stop(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_millis(1_500), "it took {took:?} to end");

    assert!(net.ip(&["link", "set", SPAN, "down"]));
    net.within(|| {
        wait_for("health says it", || get(address, "/healthz").0 == 503);
    });
    assert!(net.ip(&["link", "set", SPAN, "up"]));
    net.within(|| {
        wait_for("health says it", || get(address, "/healthz").0 == 200);
        // Whoever keeps a connection open does not keep the run from ending.
        let idle = TcpStream::connect(address).unwrap();
        let (code, _, err, took) = live.stop(Signal::TERM);
        assert_eq!(code, Some(0), "{err}");
        assert!(took < Duration::from_millis(1_500), "it took {took:?} to end");
        drop(idle);
    });
}

#[test]
fn what_others_can_reach_wants_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let (_, census) = path(&folder, "c.db");
    let capture = common::project("captures/tls12-ecdhe-rsa.pcap");
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
        command.env_remove("TLSCENSUS_LISTEN_TOKEN");
        command
    };
    let read = program().args(["read", "-q", "--census", &census]).arg(capture).status();
    assert!(read.unwrap().success());
    let refused = program().args(["serve", &census, "--listen", "0.0.0.0:0"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("no token keeps them out") && said.contains("--listen-token"), "{said}");
    let (token, token_name) = path(&folder, "token");
    fs::write(&token, "short\n").unwrap();
    let arguments = ["serve", &*census, "--listen", "0.0.0.0:0", "--listen-token", &*token_name];
    assert_eq!(program().args(arguments).output().unwrap().status.code(), Some(2));
    let missing = program().args(["serve", "/nowhere.db"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn the_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, socket) = path(&folder, "notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut word = [0; 64];
        let length = manager.recv(&mut word).unwrap();
        String::from_utf8(word[..length].to_vec()).unwrap()
    };
    let mut command = net.command(env!("CARGO_BIN_EXE_tlscensus"));
    command.args(["live", "-i", SPAN, "--user", "root", "--quiet"]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "1000000");
    let live = Net::listening(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!(hear(), "READY=1");
    // Without a packet, too; never more often than asked, and as long as it goes on.
    let begun = Instant::now();
    assert_eq!([hear(), hear(), hear()], ["WATCHDOG=1"; 3]);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    live.signal(Signal::STOP);
    thread::sleep(Duration::from_millis(300));
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 64]).is_ok() {}
    thread::sleep(Duration::from_secs(2));
    assert!(manager.recv(&mut [0; 64]).is_err(), "what hangs says that it is alive");
    manager.set_nonblocking(false).unwrap();
    live.signal(Signal::CONT);
    assert_eq!(hear(), "WATCHDOG=1");
    let (code, out, err, _) = live.stop(Signal::TERM);
    assert_eq!((code, &*out), (Some(0), ""), "{err}");
    loop {
        match &*hear() {
            "STOPPING=1" => break,
            other => assert_eq!(other, "WATCHDOG=1"),
        }
    }
}

#[test]
fn the_unit_is_sound() {
    let text = fs::read_to_string(common::project(".packaging/tlscensus.service")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (unit, name) = path(&folder, "tlscensus.service");
    // Where the program is on this machine.
    fs::write(&unit, text.replace("/usr/bin/tlscensus", env!("CARGO_BIN_EXE_tlscensus"))).unwrap();
    let Ok(verified) = Command::new("systemd-analyze").args(["verify", &name]).output() else {
        eprintln!("skipped: there is no `systemd-analyze`");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("tlscensus.service"), "{said}");
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=20", &name])
        .output()
        .unwrap();
    let rating = String::from_utf8_lossy(&rated.stdout);
    eprintln!("{}", rating.lines().last().unwrap_or_default());
    assert!(rated.status.success(), "{rating}");
}
