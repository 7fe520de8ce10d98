//! The page as it is served: it takes over what is new, and its reader's place stays.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tlscensus::policy::Outcome;
use tlscensus::report::Inventory;
use tlscensus::report::scope::Network;
use tlscensus::serve::{Feed, Listener, Wire};

use super::chromium::Browser;
use super::common::project;
use super::hostile::{hostile_capture, nothing_is_planted, watch_for_hits};
use super::{big_crowd, choose, click, crowd, hosts, texts, wait_for_file};

/// `tlscensus serve` of a census, which ends with it.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(census: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
        command.arg("serve").arg(census).args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().strip_prefix("the page is at ").unwrap().to_owned();
        Self { child, address }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A client of TLS 1.0 whose address comes before all others.
fn new_host(folder: &Path) -> PathBuf {
    let mut bytes = fs::read(project("captures/python-tls10.pcap")).unwrap();
    // Its MAC address is in the first packet, from which it is told apart, too.
    let mac: [u8; 6] = bytes[46..52].try_into().unwrap();
    for (from, to) in [(&mac[..], &[2, 0, 0, 0, 0, 77][..]), (&[10, 20, 0, 11], &[10, 20, 0, 10])] {
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
    }
    let path = folder.join("new.pcap");
    fs::write(&path, bytes).unwrap();
    path
}

/// A census that grows while its page is open: what is new comes, and its reader's place stays.
#[test]
fn a_served_page_shows_what_is_new_and_keeps_the_place() {
    let Some(mut browser) = Browser::start() else { return };
    let census = browser.folder.path().join("office.db");
    let add = |capture: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
        command.args(["read", "--quiet", "--census"]).arg(&census).arg(capture);
        assert!(command.status().unwrap().success(), "{}", capture.display());
    };
    add(&project("captures/office-network.pcap"));
    let mut served = Served::start(&census);
    let address = served.address.clone();
    browser.size(1_400, 900);
    browser.open(&format!("{address}#outcome=b&sort=ip&open=10.20.0.15"));
    browser.until("document.getElementById('wire-now').innerText.includes('From a census file')");
    assert!(browser.text("document.getElementById('wire-now').innerText").contains("report of "));
    assert_eq!(browser.text("document.getElementById('count').innerText"), "5 of 12 client hosts");

    // Somebody reads in an opened row, far down, with something unfolded, selected and in focus.
    browser.value(
        "{ const inside = document.querySelector('.inside'); \
           const last = [...inside.querySelectorAll('details')].pop(); \
           last.open = true; last.dataset.mine = ''; window.mine = last; \
           last.querySelector('summary').focus(); \
           getSelection().selectAllChildren(last.querySelector('dd')); \
           last.scrollIntoView({block: 'center', behavior: 'instant'}); }",
    );
    let fix = "document.querySelector('#fixes .fix')";
    browser.value(&format!("{fix}.open = true"));
    browser.value("mine.scrollIntoView({block: 'center', behavior: 'instant'})");
    let top = "window.mine.getBoundingClientRect().top";
    let (before, selected) = (browser.number(top), browser.text("String(getSelection())"));
    assert!(browser.number("scrollY") > 500.0 && selected.contains("TLS"), "{selected}");

    let begun = Instant::now();
    // A new host, which breaks: its row stands above the one that is read.
    add(&new_host(browser.folder.path()));
    browser.until("document.getElementById('count').innerText.startsWith('6 of 13')");
    let took = begun.elapsed();
    eprintln!("what was added was shown after {took:?}");
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert_eq!(browser.text("document.getElementById('count').innerText"), "6 of 13 client hosts");
    let heading = "document.querySelector('h1').innerText";
    assert!(browser.text(heading).replace('\n', " ").starts_with("6 of 13 client hosts break"));
    assert_eq!(texts(&mut browser, "#tab-clients .number"), ["13"]);
    assert_eq!(hosts(&mut browser)[0], "10.20.0.10");

    // The address, the row, and in it the same element: unfolded, in focus, selected, in its place.
    let hash = browser.text("location.hash");
    assert_eq!(hash, "#outcome=b&sort=ip&open=10.20.0.15");
    assert_eq!(browser.text("document.getElementById('filter-outcome').value"), "b");
    let opened =
        "[...document.querySelectorAll('[aria-expanded=true]')].map((one) => one.dataset.key)";
    assert_eq!(browser.value(opened), json!(["10.20.0.15"]));
    assert_eq!(browser.value("mine.isConnected && mine.open"), json!(true));
    let focus = "document.activeElement === mine.querySelector('summary')";
    assert_eq!(browser.value(focus), json!(true));
    assert_eq!(browser.text("String(getSelection())"), selected);
    assert_eq!(browser.value(&format!("{fix}.open")), json!(true));
    let moved = (browser.number(top) - before).abs();
    assert!(moved <= 2.0, "the page moved by {moved}");

    // What is kept still acts, and a filter that is being typed is not taken away.
    browser.value("document.getElementById('filter-q').focus()");
    browser.value("document.getElementById('filter-q').value = '10.20.0.1'");
    add(&project("captures/tls12-ecdhe-rsa.pcap"));
    browser.until("document.getElementById('seen').innerText.includes('tls12-ecdhe-rsa')");
    assert_eq!(browser.text("document.getElementById('filter-q').value"), "10.20.0.1");
    click(&mut browser, "[data-key='10.20.0.15']");
    assert_eq!(browser.number("document.querySelectorAll('.inside').length"), 0.0);
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        browser.value("scrollTo({top: 0, behavior: 'instant'})");
        browser.picture(&Path::new(&folder).join("served.png"), false);
    }
    let misdeeds = browser.misdeeds(&address);
    assert!(misdeeds.is_empty(), "{misdeeds:#?}");

    // The program ends: that is said, and what was shown stays.
    served.stop();
    browser.until("document.getElementById('wire-trouble').innerText.includes('does not answer')");
    assert!(browser.text(heading).contains("client hosts break"));
}

/// Fifty thousand hosts, as a census that does not change until it is told to.
struct Crowd {
    inventory: Inventory,
    stamp: AtomicU64,
}

impl Feed for Crowd {
    fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Relaxed)
    }

    fn inventory(&self) -> Result<Inventory, String> {
        let mut inventory = self.inventory.clone();
        // What is new: one host less.
        let gone = usize::try_from(self.stamp()).unwrap();
        inventory.clients.truncate(inventory.clients.len() - gone);
        Ok(inventory)
    }

    fn wire(&self) -> Option<Wire> {
        None
    }
}

/// Serve a feed while `look` looks.
fn serving(feed: &Arc<Crowd>, look: impl FnOnce(&str)) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let address = format!("http://{}/", listener.address().unwrap());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let served = Arc::clone(feed) as Arc<dyn Feed>;
        scope.spawn(|| listener.serve(served, &stop).unwrap());
        let looked = catch_unwind(AssertUnwindSafe(|| look(&address)));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = looked {
            resume_unwind(panic);
        }
    });
}

/// A number as the page writes it.
fn grouped(number: u64) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", number / 1_000, number % 1_000)
}

/// What a reader chose is there.
fn settled(browser: &mut Browser) -> f64 {
    browser.until("source.waits === null");
    browser.text("document.body.dataset.drawn").parse().unwrap()
}

/// Its page holds fifty rows, whatever is asked for; times are of a build without optimisation, with
/// other tests beside it: the README has those of a release build.
#[test]
fn fifty_thousand_hosts_are_served_page_by_page() {
    let Some(mut browser) = Browser::start() else { return };
    let feed = Arc::new(Crowd { inventory: big_crowd().clone(), stamp: AtomicU64::new(0) });
    serving(&feed, |address| {
        let count = "document.getElementById('count').innerText";
        browser.size(1_400, 1_000);
        // The first one to ask waits until all is judged.
        browser.open(address);
        browser.open(address);
        let painted = browser.number(
            "Math.max(performance.getEntriesByName('first-contentful-paint')[0]?.startTime || 0, \
             performance.getEntriesByType('navigation')[0].domInteractive)",
        );
        let bytes = browser.number("performance.getEntriesByType('navigation')[0].decodedBodySize");
        assert_eq!(browser.text(count), "50,000 client hosts");
        assert_eq!(hosts(&mut browser).len(), 50);
        assert!(bytes < 400_000.0, "the page has {bytes} bytes");

        let mut slowest = ("", 0.0);
        let broken = || {
            let clients = feed.inventory.clients.iter();
            clients.filter(|client| client.verdicts[0].outcome == Outcome::Breaks)
        };
        let sevens = || broken().filter(|one| one.owner.as_deref() == Some("Department 7"));
        let near = "10.0.16.0/20".parse::<Network>().unwrap();
        let of = |number: usize| format!("{} of 50,000 client hosts", grouped(number as u64));
        for (name, value, found) in [
            ("q", "host-4999", of(11)),
            ("q", "", "50,000 client hosts".to_owned()),
            ("outcome", "b", of(broken().count())),
            ("owner", "Department 7", of(sevens().count())),
            ("network", "10.0.16.0/20", of(sevens().filter(|one| near.contains(one.ip)).count())),
            (
                "network",
                "everywhere",
                "`everywhere` is no pattern: networks are written like 10.0.0.0/16".to_owned(),
            ),
            ("network", "", of(sevens().count())),
            ("policy", "rfc9325", String::new()),
            ("software", "a program on GnuTLS", String::new()),
        ] {
            choose(&mut browser, name, value);
            let took = settled(&mut browser);
            eprintln!("{name} {value:?}: {took} ms, {}", browser.text(count));
            if took > slowest.1 {
                slowest = (name, took);
            }
            if !found.is_empty() {
                assert_eq!(browser.text(count), found, "{name} {value}");
            }
            assert!(browser.number("pack.clients.length") <= 50.0, "{name} {value}");
        }
        click(&mut browser, "#reset");
        settled(&mut browser);
        for column in ["ip", "why", "software", "max_version", "owner", "connections", "last_seen"]
        {
            click(&mut browser, &format!("[data-sort={column}]"));
            eprintln!("sort {column}: {} ms", settled(&mut browser));
        }
        eprintln!("painted after {painted:.0} ms, {bytes} bytes; slowest filter {slowest:?} ms");
        assert!(painted < 4_000.0, "painted after {painted} ms");
        assert!(slowest.1 < 2_000.0, "{slowest:?}");

        // Pages follow one another, the last one can be linked to, and one beyond it is the last.
        browser.open(&format!("{address}#sort=ip&outcome=b&page=2"));
        settled(&mut browser);
        assert_eq!(hosts(&mut browser)[0], "10.0.0.122");
        assert!(texts(&mut browser, ".pager span")[0].contains("Page 2 of 417"));
        click(&mut browser, "[data-page=next]");
        settled(&mut browser);
        assert_eq!(browser.text("location.hash"), "#outcome=b&sort=ip&page=3");
        browser.open(&format!("{address}#sort=ip&page=5000&open=10.0.195.79"));
        settled(&mut browser);
        assert!(texts(&mut browser, ".pager span")[0].contains("Page 1,000 of 1,000"));
        assert_eq!(hosts(&mut browser)[49], "10.0.195.79");
        assert_eq!(browser.number("document.querySelectorAll('.inside').length"), 1.0);

        // All that is filtered is saved, not what is shown.
        let downloads = browser.folder.path().join("downloads");
        let allow = json!({"behavior": "allow", "downloadPath": downloads});
        browser.call("Page.setDownloadBehavior", allow);
        browser.open(&format!("{address}#owner=Department 7"));
        settled(&mut browser);
        click(&mut browser, "#export");
        let saved = wait_for_file(&downloads.join("tlscensus-clients.csv"));
        let saved: BTreeSet<&str> =
            saved.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
        assert_eq!(saved.len(), 1_250);

        // What is saved is a file that the page made; what was refused was said on another page.
        let misdeeds: Vec<_> = browser.misdeeds(address);
        assert!(misdeeds.iter().all(|one| one.starts_with("request: blob:")), "{misdeeds:#?}");
    });
}

/// On whatever page its reader is, and however it is sorted.
#[test]
fn pages_that_follow_the_first_take_over_what_is_new() {
    let Some(mut browser) = Browser::start() else { return };
    let feed = Arc::new(Crowd { inventory: crowd(300), stamp: AtomicU64::new(0) });
    serving(&feed, |address| {
        browser.open(&format!("{address}#sort=-ip&page=3"));
        settled(&mut browser);
        let before = hosts(&mut browser);
        assert_eq!(before[0], "10.0.0.199");
        feed.stamp.store(1, Ordering::Relaxed);
        browser.until("document.getElementById('count').innerText.startsWith('299')");
        assert_eq!(hosts(&mut browser)[..49], before[1..]);
        assert_eq!(browser.text("location.hash"), "#sort=-ip&page=3");
        let misdeeds = browser.misdeeds(address);
        assert!(misdeeds.is_empty(), "{misdeeds:#?}");
    });
}

/// What is hostile in names comes by the tables of the program, too, and stays text.
#[test]
fn hostile_names_are_served_as_text() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = browser.folder.path().to_owned();
    let census = folder.join("hostile.db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
    command.args(["read", "--quiet", "--census"]).arg(&census).arg(hostile_capture(&folder));
    assert!(command.status().unwrap().success());
    let served = Served::start(&census);
    watch_for_hits(&mut browser);
    for view in ["clients", "servers", "certificates"] {
        browser.open(&format!("{}#view={view}&sort=-last_seen&q=e", served.address));
        settled(&mut browser);
        nothing_is_planted(&mut browser, view, &served.address);
    }
}
