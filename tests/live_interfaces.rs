//! What a live run can be put on, and what it says where it cannot: several interfaces, all of them,
//! the loopback, a tunnel, no permission. Needs root and `ip`; says what it skips without them.

#![cfg(feature = "live")]
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
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use net::{Net, Running, SPAN, WIRE, handshakes, path, wait_for};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Start `tlscensus live` with just these arguments, and wait until it listens.
fn live(net: &Net, args: &[&str]) -> Running {
    let mut command = net.command(env!("CARGO_BIN_EXE_tlscensus"));
    command.arg("live").args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    Net::listening(&mut command)
}

#[test]
fn several_interfaces_are_sources_of_their_own() {
    let Some(net) = Net::new() else { return };
    assert!(net.ip(&["link", "add", "span1", "type", "veth", "peer", "name", "wire1"]));
    for end in ["span1", "wire1"] {
        net.run("sysctl", &["-q", "-w", &format!("net.ipv6.conf.{end}.disable_ipv6=1")]);
        assert!(net.ip(&["link", "set", end, "mtu", "9000", "up"]));
    }
    let folder = tempfile::tempdir().unwrap();
    let (flows, flows_name) = path(&folder, "flows.ndjson");
    let (report, report_name) = path(&folder, "report.json");
    let (markdown, markdown_name) = path(&folder, "report.md");
    let outputs = ["--flows", &*flows_name, "--report", &*report_name, "--report", &*markdown_name];
    let mut arguments = vec!["-i", SPAN, "-i", "span1", "-i", SPAN];
    arguments.extend(outputs);
    let live = live(&net, &arguments);
    let first = net.send_from(WIRE, Some(5_000), handshakes(0..3));
    let second = net.send_from("wire1", Some(5_000), handshakes(10..15));
    wait_for("the records are there", || lines(&flows) == 8);
    let (code, out, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let report = json(&report);
    let sources = report["sources"].as_array().unwrap();
    let packets = |name: &str| {
        let source = sources.iter().find(|source| source["name"] == name).unwrap();
        assert_eq!(source["lost"]["ring"], 0);
        source["packets"].as_u64().unwrap()
    };
    assert_eq!((sources.len(), packets(SPAN), packets("span1")), (2, first, second));
    for name in [SPAN, "span1"] {
        let packets = packets(name);
        assert!(out.contains(&format!("{name}: {packets} packets read; lost: 0 by ")), "{out}");
        let row = format!("| {name} | {packets} | 0 | 0 | 0 | 0 | 0 % | 0 |");
        assert!(fs::read_to_string(&markdown).unwrap().contains(&row));
    }
}

#[test]
fn all_interfaces_at_once_and_the_loopback() {
    let Some(net) = Net::new() else { return };
    assert!(net.ip(&["link", "set", "lo", "up"]));
    let folder = tempfile::tempdir().unwrap();
    // `any` cannot be promiscuous, which libpcap says by a warning that its crate takes for an
    // error, and its frames have no Ethernet header.
    let (flows, flows_name) = path(&folder, "any.ndjson");
    let on_any = live(&net, &["-i", "any", "--flows", &flows_name]);
    net.send(Some(5_000), handshakes(0..3));
    wait_for("the records are there", || lines(&flows) == 3);
    let (code, _, err, _) = on_any.stop(Signal::TERM);
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(lines(&flows), 3, "what passed two interfaces is told once");

    // The kernel counts each packet twice there and hands it over once: that is no loss.
    let (flows, flows_name) = path(&folder, "lo.ndjson");
    let (report, report_name) = path(&folder, "lo.json");
    let on_lo = live(&net, &["-i", "lo", "--flows", &flows_name, "--report", &report_name]);
    net.within(|| {
        let server = TcpListener::bind("127.0.0.1:8443").unwrap();
        for _ in 0..5 {
            let mut client = TcpStream::connect("127.0.0.1:8443").unwrap();
            client.write_all(&hello()).unwrap();
            thread::sleep(Duration::from_millis(20));
            drop(server.accept().unwrap());
        }
    });
    wait_for("the records are there", || lines(&flows) == 5);
    let (code, _, err, _) = on_lo.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let (packets, lost) = net::account(&report);
    assert!(packets >= 25, "{packets}");
    assert_eq!(lost, [0; 4]);
}

/// The ClientHello of a capture, as it is sent.
fn hello() -> Vec<u8> {
    let frames = net::frames(&common::project("captures/tls12-ecdhe-rsa.pcap"));
    let payloads = frames.iter().filter_map(|frame| {
        let transport = 14 + usize::from(frame[14] & 15) * 4;
        let payload = transport + usize::from(frame[transport + 12] >> 4) * 4;
        let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        frame.get(payload..end).filter(|payload| !payload.is_empty())
    });
    payloads.map(<[u8]>::to_vec).find(|payload| payload.starts_with(&[22, 3])).unwrap()
}

#[test]
fn what_has_no_ethernet_header_is_captured_on_as_well() {
    let Some(net) = Net::new() else { return };
    if !(net.ip(&["tuntap", "add", "tun0", "mode", "tun"])
        && net.ip(&["link", "set", "tun0", "up"]))
    {
        eprintln!("skipped: no tunnel can be made here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (report, report_name) = path(&folder, "tun.json");
    let live = live(&net, &["-i", "tun0", "--report", &report_name]);
    let (code, out, err, _) = live.stop(Signal::TERM);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.contains("tun0: 0 packets read; lost: 0 by the interface"), "{out}");
    assert_eq!(net::account(&report), (0, [0; 4]));
}

/// The program where everybody may run it.
fn for_everybody(folder: &tempfile::TempDir) -> PathBuf {
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("tlscensus");
    fs::copy(env!("CARGO_BIN_EXE_tlscensus"), &program).unwrap();
    program
}

#[test]
fn without_permission_it_says_which_and_how_to_get_it() {
    let Some(net) = Net::new() else { return };
    if Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `setpriv`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = for_everybody(&folder);
    let name = program.to_str().unwrap();
    let as_nobody = |args: &[&str]| {
        let mut command = net.command("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", name]).args(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let refused = as_nobody(&["live", "-i", SPAN]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("the capability CAP_NET_RAW is missing"), "{said}");
    assert!(said.contains(&format!("sudo setcap cap_net_raw+ep {name}")), "{said}");
    let listed = as_nobody(&["interfaces"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(text.contains("no permission (CAP_NET_RAW)"), "{text}");
    let other = as_nobody(&["live", "-i", SPAN, "--user", "root"]).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "only root can become another user");

    // With that line it can.
    if !net::run("setcap", &["cap_net_raw+ep", name]) {
        eprintln!("skipped: there is no `setcap`, or no file system for it");
        return;
    }
    let outputs = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(outputs.path(), Some(65_534), Some(65_534)).unwrap();
    let (flows, flows_name) = path(&outputs, "flows.ndjson");
    let live = Net::listening(&mut as_nobody(&["live", "-i", SPAN, "--flows", &flows_name]));
    for field in ["CapPrm:", "CapEff:"] {
        assert_eq!(live.status(field).unwrap(), "0000000000000000", "{field}");
    }
    net.send(Some(5_000), handshakes(0..2));
    wait_for("the records are there", || lines(&flows) == 2);
    assert_eq!(live.stop(Signal::TERM).0, Some(0));
}

#[test]
fn it_becomes_the_owner_of_its_output_directory() {
    let Some(net) = Net::new() else { return };
    for owner in [65_534, 0] {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(folder.path(), Some(owner), Some(owner)).unwrap();
        let (flows, flows_name) = path(&folder, "flows.ndjson");
        let live = live(&net, &["-i", SPAN, "--flows", &flows_name]);
        let ids = vec![owner.to_string(); 4].join("\t");
        assert_eq!(live.status("Uid:").unwrap(), ids);
        assert_eq!(live.status("Gid:").unwrap(), ids);
        assert!(live.status("Groups:").is_none_or(|groups| groups == owner.to_string()));
        for field in ["CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(live.status(field).unwrap(), "0000000000000000", "{field} of {owner}");
        }
        net.send(Some(5_000), handshakes(0..1));
        wait_for("the record is there", || lines(&flows) == 1);
        assert_eq!(live.stop(Signal::TERM).0, Some(0));
    }
    // Without an output it is nobody.
    let live = live(&net, &["-i", SPAN]);
    assert_eq!(live.status("Uid:").unwrap(), "65534\t65534\t65534\t65534");
    live.stop(Signal::TERM);
}
