//! The page as it is served: it takes over what is new, and its reader's place stays.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::chromium::Browser;
use super::common::project;
use super::{click, hosts, texts};

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
    browser.open(&format!("{address}#outcome=b&sort=host&open=10.20.0.15"));
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
    assert_eq!(hash, "#outcome=b&sort=host&open=10.20.0.15");
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
    let connections = "pack.clients.reduce((sum, one) => sum + one.connections, 0)";
    let known = browser.number(connections);
    add(&project("captures/tls12-ecdhe-rsa.pcap"));
    browser.until(&format!("{connections} > {known}"));
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
