//! The whole server, over a socket: what it answers, and what it refuses.

#![allow(clippy::disallowed_methods, reason = "a test waits by the clock")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::*;
use crate::census::{Latency, Lost};
use crate::report::Inventory;
use crate::report::sample::{crowd, judge, office, snapshot};

/// A live run that was made up.
struct Sample {
    stamp: AtomicU64,
    live: bool,
    beats: AtomicU64,
    condition: &'static str,
}

impl Feed for Sample {
    fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Relaxed)
    }

    fn inventory(&self) -> Result<Inventory, String> {
        match self.stamp() {
            0 => Ok(judge(&snapshot(&office()), &["dataverse", "pci-dss-4"], &[])),
            1 => Ok(judge(&snapshot(&crowd(200)), &["dataverse", "pci-dss-4"], &[])),
            _ => Err("the census is gone".to_owned()),
        }
    }

    fn wire(&self) -> Option<Wire> {
        let mut latency = Latency::default();
        for millis in [2, 3, 40, 20_000] {
            latency.record(Duration::from_millis(millis));
        }
        self.live.then(|| Wire {
            interfaces: vec![WireInterface {
                name: "eth1".into(),
                condition: self.condition,
                packets: 900,
                bytes: 90_000,
                lost: Lost {
                    ring: 60,
                    backlog: 40,
                    open_read: 30,
                    open_lost: 10,
                    ..Lost::default()
                },
                refused: [("flows", 7)].into(),
                beats: self.beats.fetch_add(1, Ordering::Relaxed),
                ..WireInterface::default()
            }],
            connections: 12,
            versions: vec![("TLS1.0", 5), ("TLS1.2", 7)],
            latency,
            ..Wire::default()
        })
    }
}

fn sample() -> Sample {
    Sample { stamp: AtomicU64::new(0), live: true, beats: AtomicU64::new(0), condition: "up" }
}

/// Also when an assertion fails: the scope waits for the server.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Serve while `ask` asks.
fn serving(token: Option<Token>, feed: &Arc<Sample>, ask: impl FnOnce(SocketAddr)) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), token).unwrap();
    let address = listener.address().unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let feed = Arc::clone(feed) as Arc<dyn Feed>;
        let server = scope.spawn(|| listener.serve(feed, &stop).unwrap());
        let stop = Stop(&stop);
        ask(address);
        drop(stop);
        server.join().unwrap();
    });
}

/// Send this, read all that comes.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    get_with(address, path, "")
}

fn get_with(address: SocketAddr, path: &str, headers: &str) -> (u16, String, String) {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    let answer = exchange(address, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_ascii_lowercase();
    let body =
        if head.contains("transfer-encoding: chunked") { unchunk(body) } else { body.into() };
    (status, head, body)
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    whole
}

fn json(address: SocketAddr, path: &str) -> Value {
    let (status, head, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn reports_come_whole_and_headers_are_strict() {
    let feed = Arc::new(sample());
    serving(None, &feed, |address| {
        let mut written = Vec::new();
        let inventory = feed.inventory().unwrap();
        inventory.write_json(&mut written).unwrap();
        let (status, head, body) = get(address, "/api/inventory.json");
        assert_eq!((status, body.as_bytes()), (200, &*written));
        for wanted in [
            "content-type: application/json",
            "cache-control: no-store",
            "content-security-policy: default-src 'none'; ",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(wanted), "{wanted} in {head}");
        }
        let tag = head.split("etag: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let (status, _, body) =
            get_with(address, "/api/inventory.json", &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((status, &*body), (304, ""));
        for (path, kind) in [("/api/report.csv", "text/csv"), ("/api/report.md", "text/markdown")] {
            let (status, head, body) = get(address, path);
            assert!(status == 200 && head.contains(kind) && body.len() > 500, "{path}: {head}");
        }
        let (status, head, body) = get(address, "/");
        assert!(status == 200 && head.contains("content-type: text/html"), "{head}");
        assert!(head.contains("connect-src 'self'; ") && head.contains("x-frame-options: deny"));
        // The page knows under which tag it came, and is told when there is nothing new.
        let tag = head.split("etag: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert!(body.contains(&format!("data-live={tag}")), "{tag}");
        let (status, _, _) = get_with(address, "/", &format!("If-None-Match: {tag}\r\n"));
        assert_eq!(status, 304);
        let mut file = Vec::new();
        inventory.write_html(&mut file).unwrap();
        let (status, _, body) = get(address, "/report");
        assert_eq!((status, body.as_bytes()), (200, &*file));
        let (status, head, _) = get(address, "/nowhere");
        assert!(status == 404 && head.contains("nosniff"), "{head}");
    });
}

#[test]
fn tables_are_filtered_sorted_and_cut() {
    let feed = Arc::new(sample());
    feed.stamp.store(1, Ordering::Relaxed);
    serving(None, &feed, |address| {
        let all = json(address, "/api/clients?limit=1000");
        let total = all["total"].as_u64().unwrap();
        assert_eq!((total, all["matched"].as_u64().unwrap()), (200, 200));
        // What breaks first, and each page goes on where the one before ended.
        let outcome = |row: &Value| row["verdicts"][0]["outcome"].as_str().unwrap().to_owned();
        let rows = all["rows"].as_array().unwrap();
        let breaks = rows.iter().filter(|row| outcome(row) == "breaks").count();
        assert!(breaks > 0 && rows[..breaks].iter().all(|row| outcome(row) == "breaks"));
        let page = json(address, "/api/clients?offset=10&limit=5");
        assert_eq!(page["rows"].as_array().unwrap()[..], rows[10..15]);
        let beyond = json(address, "/api/clients?offset=5000");
        assert_eq!(
            (beyond["rows"].as_array().unwrap().len(), &beyond["matched"]),
            (0, &200.into())
        );
        let only = json(address, "/api/clients?outcome=breaks&limit=0");
        assert_eq!(only["matched"], breaks);
        let one = rows[7]["ip"].as_str().unwrap();
        let found = json(address, &format!("/api/clients?filter={one}"));
        assert!(found["rows"].as_array().unwrap().contains(&rows[7]));
        assert_eq!(json(address, &format!("/api/clients/{one}")), rows[7]);
        let times = |path: &str| -> Vec<String> {
            let page = json(address, path);
            let rows = page["rows"].as_array().unwrap();
            rows.iter().map(|row| row["last_seen"].as_str().unwrap().to_owned()).collect()
        };
        let up = times("/api/clients?sort=last_seen&limit=200");
        let mut down = times("/api/clients?sort=-last_seen&limit=200");
        assert!(up.is_sorted() && up.first() != up.last());
        down.reverse();
        assert_eq!(up, down);
        for table in ["servers", "edges"] {
            let page = json(address, &format!("/api/{table}?sort=-connections&limit=3"));
            assert!(page["total"].as_u64().unwrap() > 0, "{table}");
        }
        let network = json(address, "/api/clients?network=192.0.2.0/24");
        assert_eq!(network["matched"], 0);
        for wrong in [
            "/api/clients?policy=none",
            "/api/clients?sort=colour",
            "/api/clients?outcome=well",
            "/api/clients?network=everywhere",
            "/api/clients?limit=-1",
            "/api/clients?colour=red",
            "/api/clients/nobody",
        ] {
            assert_eq!(get(address, wrong).0, 400, "{wrong}");
        }
        assert_eq!(get(address, "/api/clients/192.0.2.77").0, 404);
    });
}

/// What the page in the browser asks gives the same rows as the tables, in its own form.
#[test]
fn pages_for_the_browser_have_the_rows_of_the_tables() {
    let feed = Arc::new(sample());
    feed.stamp.store(1, Ordering::Relaxed);
    serving(None, &feed, |address| {
        for (table, columns) in [
            ("clients", "ip,outcome,why,software,max_version,owner,connections,last_seen"),
            ("servers", "ip,outcome,why,versions,chain,owner,clients,last_seen"),
            ("certificates", "name,issuer,key,signature,not_after,connections,last_seen"),
        ] {
            for column in columns.split(',') {
                for sort in [column.to_owned(), format!("-{column}")] {
                    let rows = json(address, &format!("/api/{table}?sort={sort}&limit=7&offset=1"));
                    let page =
                        json(address, &format!("/api/page/{table}?sort={sort}&limit=7&offset=1"));
                    assert_eq!(
                        (&page["matched"], &page["totals"][table]),
                        (&rows["matched"], &rows["total"])
                    );
                    let first = |row: &Value| -> Value {
                        let text = &page["pack"]["text"];
                        match &row[0] {
                            Value::Number(place) => {
                                text[usize::try_from(place.as_u64().unwrap()).unwrap()].clone()
                            }
                            other => other.clone(),
                        }
                    };
                    let packed: Vec<_> =
                        page["pack"][table].as_array().unwrap().iter().map(first).collect();
                    let plain = rows["rows"].as_array().unwrap().iter().map(|row| match table {
                        "clients" => row["ip"].clone(),
                        "certificates" => row["sha256"].clone(),
                        _ => Value::String(match &row["application"] {
                            Value::String(spoken) => {
                                format!(
                                    "{}:{} ({spoken})",
                                    row["ip"].as_str().unwrap(),
                                    row["port"]
                                )
                            }
                            _ => format!("{}:{}", row["ip"].as_str().unwrap(), row["port"]),
                        }),
                    });
                    assert_eq!(packed, plain.collect::<Vec<_>>(), "{table} by {sort}");
                }
            }
        }
        // What can be chosen is told with how many rows have it, whatever is filtered.
        let page = json(address, "/api/page/clients?choices=true&outcome=ready&limit=0");
        let outcomes = page["choices"]["outcome"].as_array().unwrap();
        let sum: u64 = outcomes.iter().map(|one| one[1].as_u64().unwrap()).sum();
        assert_eq!(sum, 200);
        for one in page["choices"]["software"].as_array().unwrap() {
            let name = one[0].as_str().unwrap().replace(' ', "+").replace('/', "%2F");
            let found = json(address, &format!("/api/clients?software={name}&limit=0"));
            assert_eq!(found["matched"], one[1], "{name}");
        }
    });
}

#[test]
fn the_state_and_the_metrics_tell_the_counters() {
    let feed = Arc::new(sample());
    serving(None, &feed, |address| {
        let before = json(address, "/api/state");
        assert_eq!((&before["version"], &before["stale"]), (&0.into(), &true.into()));
        let summary = json(address, "/api/summary");
        assert!(summary["summary"]["policies"].as_array().unwrap().len() == 2);
        let state = json(address, "/api/state");
        assert_eq!(
            (&state["version"], &state["stale"], &state["live"]),
            (&1.into(), &false.into(), &true.into())
        );
        let interface = &state["interfaces"][0];
        assert_eq!(interface["lost"], 100);
        assert_eq!(interface["lost_share"], 0.1);
        assert_eq!(interface["open_lost_share"], 0.25);
        assert_eq!(interface["lost_by"]["backlog"], 40);
        let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.1\r\n";
        let (status, head, text) = get_with(address, "/metrics", accept);
        assert!(status == 200 && head.contains("application/openmetrics-text"), "{head}");
        assert!(text.contains("# TYPE tlscensus_packets counter\n") && text.ends_with("# EOF\n"));
        promtool_reads(&get(address, "/metrics"));
        for line in [
            "tlscensus_packets_total{interface=\"eth1\"} 900",
            "tlscensus_lost_packets_total{interface=\"eth1\",by=\"ring\"} 60",
            "tlscensus_interface_up{interface=\"eth1\"} 1",
            "tlscensus_refused_total{interface=\"eth1\",by=\"flows\"} 7",
            "tlscensus_connections_total 12",
            "tlscensus_handshakes_total{version=\"TLS1.0\"} 5",
            "tlscensus_handshake_duration_seconds_bucket{le=\"0.005\"} 2",
            "tlscensus_handshake_duration_seconds_bucket{le=\"0.05\"} 3",
            "tlscensus_handshake_duration_seconds_bucket{le=\"10.0\"} 3",
            "tlscensus_handshake_duration_seconds_bucket{le=\"+Inf\"} 4",
            "tlscensus_handshake_duration_seconds_count 4",
            "tlscensus_unlisted_connections{level=\"hosts\"} 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        let breaks = text.lines().find(|line| {
            line.starts_with(
                "tlscensus_hosts{policy=\"dataverse\",kind=\"client_host\",outcome=\"breaks\"}",
            )
        });
        let wanted = &summary["summary"]["policies"][0]["client_hosts"]["breaks"];
        assert!(breaks.unwrap().ends_with(&format!(" {wanted}")), "{breaks:?}");
        assert!(text.contains("tlscensus_findings{policy=\"dataverse\",id=\""), "{text}");
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(get(address, "/healthz").0, 200);
    });
}

#[test]
fn a_view_is_made_anew_when_there_is_something_new() {
    let feed = Arc::new(sample());
    serving(None, &feed, |address| {
        let first = json(address, "/api/clients")["total"].clone();
        feed.stamp.store(1, Ordering::Relaxed);
        let begun = Instant::now();
        while json(address, "/api/clients")["total"] == first {
            assert!(begun.elapsed() < Duration::from_secs(60), "it stays as it was");
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(json(address, "/api/state")["version"], 2);
    });
}

#[test]
fn trouble_is_said() {
    let mut down = sample();
    down.condition = "down";
    serving(None, &Arc::new(down), |address| {
        let (status, _, why) = get(address, "/healthz");
        assert_eq!((status, &*why), (503, "interface eth1 is down\n"));
    });
    let mut gone = sample();
    (gone.live, gone.stamp) = (false, AtomicU64::new(2));
    serving(None, &Arc::new(gone), |address| {
        assert_eq!(get(address, "/api/clients").0, 503);
        let (status, _, why) = get(address, "/healthz");
        assert_eq!((status, &*why), (503, "the census is gone\n"));
        assert_eq!(get(address, "/metrics").0, 200);
        let state = json(address, "/api/state");
        assert_eq!(state["live"], false);
        assert_eq!(state["troubles"], serde_json::json!(["the census is gone"]));
    });
}

#[test]
fn trouble_ends_where_what_was_gone_is_back() {
    let mut feed = sample();
    feed.live = false;
    let feed = Arc::new(feed);
    serving(None, &feed, |address| {
        let is_in_trouble = || json(address, "/api/state")["troubles"] != serde_json::json!([]);
        assert!(get(address, "/api/clients").0 == 200 && !is_in_trouble());
        feed.stamp.store(2, Ordering::Relaxed);
        let begun = Instant::now();
        while get(address, "/api/clients").0 != 503 {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not missed");
            thread::sleep(Duration::from_millis(100));
        }
        assert!(is_in_trouble());
        // The very same census: no view is made anew.
        feed.stamp.store(0, Ordering::Relaxed);
        assert_eq!(get(address, "/healthz").0, 200);
        assert!(!is_in_trouble());
    });
}

#[test]
fn strangers_are_refused() {
    let open = Listener::bind("0.0.0.0:0".parse().unwrap(), None).unwrap_err();
    assert!(open.to_string().contains("no token keeps them out"), "{open}");
    let token = || Token::new("correct-horse-battery").unwrap();
    assert!(Listener::bind("0.0.0.0:0".parse().unwrap(), Some(token())).is_ok());
    let feed = Arc::new(sample());
    serving(None, &feed, |address| {
        let ask = |host: &str| {
            exchange(
                address,
                &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
            )
        };
        assert!(ask("evil.example").starts_with("HTTP/1.1 421 "));
        assert!(ask(&address.to_string()).starts_with("HTTP/1.1 200 "));
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = exchange(
                address,
                &format!(
                    "{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                ),
            );
            assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        }
        let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(40_000));
        let answer = exchange(address, &long);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(exchange(address, "\0\0\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    });
    serving(Some(token()), &feed, |address| {
        let (status, head, _) = get(address, "/api/state");
        assert!(status == 401 && head.contains("www-authenticate: basic"), "{head}");
        let with = "Authorization: Bearer correct-horse-battery\r\n";
        assert_eq!(get_with(address, "/api/state", with).0, 200);
        assert_eq!(get_with(address, "/metrics", "Authorization: Bearer wrong\r\n").0, 401);
        assert_eq!(get(address, "/healthz").0, 200);
    });
}

#[test]
fn many_idle_connections_keep_nobody_out_for_long() {
    let feed = Arc::new(sample());
    serving(None, &feed, |address| {
        // More than there are places, each with half a request.
        let idle: Vec<_> = (0..80)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
                stream
            })
            .collect();
        let begun = Instant::now();
        assert_eq!(get(address, "/healthz").0, 200);
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
        drop(idle);
    });
}

/// The older format: each counter is described by its own name; where promtool is at hand it agrees.
fn promtool_reads((status, head, text): &(u16, String, String)) {
    assert!(*status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(text.contains("# TYPE tlscensus_packets_total counter\n"), "{text}");
    assert!(!text.contains("# EOF"), "{text}");
    let started = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        eprintln!("skipped: there is no `promtool`");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
