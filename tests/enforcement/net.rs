//! A network of its own: one namespace for the servers, with a bridge in it, and one for each
//! client, so that every client is a host with an address.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where every server listens.
pub const SERVER: &str = "10.77.0.1";

/// The network, until it is dropped.
pub struct Net {
    /// What the names of its namespaces begin with.
    name: String,
    clients: usize,
}

impl Net {
    /// `None` where it cannot be made.
    pub fn new(clients: usize) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tlsc{}-{number}", std::process::id());
        if !ip(&["netns", "add", &name]) {
            eprintln!("skipped: network namespaces cannot be made here");
            return None;
        }
        let net = Self { name, clients };
        let servers = ["-n", &*net.name];
        let inside = |words: &[&str]| ip(&[&servers[..], words].concat());
        assert!(inside(&["link", "add", "br0", "type", "bridge"]));
        assert!(inside(&["address", "add", &format!("{SERVER}/16"), "dev", "br0"]));
        assert!(inside(&["link", "set", "br0", "up"]) && inside(&["link", "set", "lo", "up"]));
        for client in 0..clients {
            net.plug(client);
        }
        Some(net)
    }

    fn plug(&self, client: usize) {
        let (home, port) = (self.namespace(client), format!("c{client}"));
        let address = format!("{}/16", Self::address(client));
        assert!(ip(&["netns", "add", &home]));
        let cable = ["type", "veth", "peer", "name", "wire0", "netns", &home];
        assert!(ip(&[&["-n", &*self.name, "link", "add", &port][..], &cable].concat()));
        assert!(ip(&["-n", &self.name, "link", "set", &port, "master", "br0", "up"]));
        assert!(ip(&["-n", &home, "address", "add", &address, "dev", "wire0"]));
        assert!(ip(&["-n", &home, "link", "set", "wire0", "up"]));
        assert!(ip(&["-n", &home, "link", "set", "lo", "up"]));
    }

    /// The address of a client.
    pub fn address(client: usize) -> String {
        format!("10.77.{}.{}", 1 + client / 200, 1 + client % 200)
    }

    fn namespace(&self, client: usize) -> String {
        format!("{}-{client}", self.name)
    }

    /// Move this thread, and what it starts, to where a client lives.
    pub fn enter(&self, client: usize) {
        let path = Path::new("/run/netns").join(self.namespace(client));
        let home = fs::File::open(path).unwrap();
        move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Start a program where the servers live.
    pub fn start(&self, program: &str, args: &[String]) -> Running {
        let child = Command::new("ip")
            .args(["netns", "exec", &*self.name, program])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Start the capture of all that passes between clients and servers; it runs when this returns.
    pub fn capture(&self, path: &Path) -> Running {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &*self.name, "tcpdump", "-Z", "root", "-i", "br0", "-s", "0"])
            .args(["-B", "65536", "-U", "--immediate-mode", "-w"])
            .arg(path)
            .arg("tcp")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while words.read_line(&mut line).unwrap() > 0 && !line.contains("listening on") {}
        assert!(line.contains("listening on"), "tcpdump does not start: {line}");
        std::thread::spawn(move || words.read_to_string(&mut String::new()));
        Running(child)
    }

    /// Wait until something listens on every one of these ports.
    pub fn wait_for(&self, ports: &[u16]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = Command::new("ip")
                .args(["netns", "exec", &self.name, "ss", "-Hltn"])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&shown.stdout);
            let listens =
                |port: &&u16| text.lines().any(|line| line.contains(&format!(":{port} ")));
            let missing: Vec<_> = ports.iter().filter(|port| !listens(port)).collect();
            if missing.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "nothing listens on {missing:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for client in 0..self.clients {
            ip(&["netns", "delete", &self.namespace(client)]);
        }
        ip(&["netns", "delete", &self.name]);
    }
}

/// A program that runs until it is dropped.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(id) = Pid::from_raw(self.0.id().cast_signed()) {
            kill_process(id, Signal::TERM).ok();
        }
        self.0.wait().ok();
    }
}

/// Run `ip`, quietly.
fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|output| output.status.success())
}
