//! Pictures of the page, to be looked at.

use std::fs;
use std::path::PathBuf;

use super::chromium::Browser;
use super::common::project;
use super::{office, report};

/// What the README shows: `cargo test --test browser -- --ignored screenshots`, then to be looked at.
#[test]
#[ignore = "writes captures/screenshots"]
fn screenshots() {
    let Some(mut browser) = Browser::start() else { return };
    let page = office(browser.folder.path());
    let folder = std::env::var_os("SCREENSHOTS")
        .map_or_else(|| project("captures/screenshots"), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    browser.scheme("light");
    browser.size(1_280, 660);
    browser.open_file(&page, "");
    browser.picture(&folder.join("report.png"), false);
    browser.size(1_280, 1_000);
    browser.scheme("dark");
    browser.open_file(&page, "#outcome=b&open=10.20.0.13");
    browser.value("document.getElementById('hosts').scrollIntoView()");
    browser.picture(&folder.join("host.png"), false);
    if std::env::var_os("SCREENSHOTS").is_none() {
        return;
    }
    let looks =
        [("light", 1_400, 900), ("dark", 1_400, 900), ("light", 390, 844), ("light", 3_840, 2_160)];
    for (scheme, width, height) in looks {
        browser.scheme(scheme);
        browser.size(width, height);
        browser.open_file(&page, "");
        browser.picture(&folder.join(format!("{scheme}-{width}.png")), true);
    }
    browser.size(390, 844);
    for section in ["findings", "fixes"] {
        browser.open_file(&page, "");
        browser.value(&format!("document.getElementById('{section}').scrollIntoView()"));
        browser.value("document.querySelector('#fixes .fix').open = true");
        browser.picture(&folder.join(format!("{section}-390.png")), false);
    }
    browser.print(&folder.join("print.pdf"));
    // Nothing was seen; nothing breaks.
    let ready = project("captures/tls12-ecdhe-rsa.pcap");
    let empty = browser.folder.path().join("empty.pcap");
    fs::write(&empty, &fs::read(&ready).unwrap()[..24]).unwrap();
    for (name, capture) in [("empty", empty), ("ready", ready)] {
        let page = report(&capture, browser.folder.path(), &[]);
        for width in [1_400, 390] {
            browser.size(width, 900);
            browser.open_file(&page, "");
            browser.picture(&folder.join(format!("{name}-{width}.png")), true);
        }
    }
}
