//! The page of a run on a wire: real handshakes pass, and its reader sees them come.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::chromium::Browser;
use super::common::project;
use super::net::{Net, SPAN, frames};
use super::{hosts, texts};

const PAGE: &str = "http://127.0.0.1:9477/";

#[test]
fn a_legacy_host_appears_on_the_page_of_the_wire() {
    let Some(net) = Net::new() else { return };
    assert!(net.ip(&["link", "set", "lo", "up"]));
    // A browser in the same network: the page is for those who are on the machine.
    let Some(mut browser) = net.within(Browser::start) else { return };
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("wire.db").display().to_string();
    let live = net.live(&[
        "--census",
        &census,
        "--save-every",
        "1s",
        "--listen",
        "127.0.0.1:9477",
        "--quiet",
    ]);
    let send = |capture: &str| net.send(Some(2_000), frames(&project(capture)).into_iter());

    // Nothing has passed yet: that is said, and the wire is up.
    browser.size(1_400, 900);
    browser.open(PAGE);
    let wire = "document.getElementById('wire-now').innerText";
    browser.until(&format!("{wire}.includes('Live')"));
    assert!(browser.text(wire).contains(&format!("{SPAN} up")), "{}", browser.text(wire));
    let heading = "document.querySelector('h1').innerText";
    assert_eq!(browser.text(heading), "No TLS handshake was seen.");
    browser.value("window.mine = true");

    // A modern host, then a legacy one: each appears without the page being loaded anew.
    let count = "document.getElementById('count').innerText";
    assert!(send("captures/tls12-ecdhe-rsa.pcap") > 0);
    browser.until(&format!("{count}.startsWith('1')"));
    assert!(browser.text(heading).contains("goes on working"), "{}", browser.text(heading));
    assert!(browser.text(wire).contains("lost 0 (0"), "{}", browser.text(wire));
    browser.value("location.hash = 'outcome=b'");
    browser.until(&format!("{count}.startsWith('0')"));
    assert!(hosts(&mut browser).is_empty());
    assert!(send("captures/python-tls10.pcap") > 0);
    browser.until("document.querySelectorAll('.hosts .opener').length === 1");
    assert!(texts(&mut browser, ".hosts td:nth-child(3)")[0].starts_with("offers at most TLS 1.0"));
    browser.until(&format!("{wire}.includes('2\u{a0}TLS connections')"));
    assert_eq!(browser.value("window.mine"), serde_json::json!(true), "the page was loaded anew");
    assert_eq!(browser.text("location.hash"), "#outcome=b");

    // What is wrong with the wire is said, and is over when it is.
    let trouble = "document.getElementById('wire-trouble').innerText";
    assert!(net.ip(&["link", "set", SPAN, "down"]));
    browser.until(&format!("{trouble}.includes('interface {SPAN} is down')"));
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        browser.picture(&Path::new(&folder).join("wire.png"), false);
    }
    assert!(net.ip(&["link", "set", SPAN, "up"]));
    browser.until(&format!("{trouble} === ''"));
    let misdeeds = browser.misdeeds(PAGE);
    assert!(misdeeds.is_empty(), "{misdeeds:#?}");
    drop(browser);
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    assert!(fs::metadata(&census).unwrap().len() > 0);
}
