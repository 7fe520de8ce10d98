//! Names of the network that would run if they were markup, in hellos and certificates of a real
//! capture, in names of hosts and owners: they are shown, and nothing happens.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::chromium::Browser;
use super::common::project;
use super::report;

/// What stands in a capture, and what is put in its place.
const HOSTILE: [(&str, &str); 4] = [
    ("erp.corp.example", "<svg/onload=x()>"),
    ("org42.crm4.dynamics.com", "</script><script>x();//"),
    ("api.businesscentral.dynamics.com", "\"'><img src=x onerror=alert(1)>//"),
    ("Corp Example Issuing CA", "</title><script>x()</s>"),
];

/// A capture full of them, whose own name is none the better.
pub(crate) fn hostile_capture(folder: &Path) -> PathBuf {
    let mut bytes = fs::read(project("captures/office-network.pcap")).unwrap();
    for (from, to) in HOSTILE {
        let to = &to.as_bytes()[..from.len()];
        let mut found = 0;
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from.as_bytes()) {
                bytes[at..at + to.len()].copy_from_slice(to);
                found += 1;
            }
        }
        assert!(found > 1, "{from} is not in the capture");
    }
    let capture =
        folder.join("</script><img src=x onerror=alert(2)>.pcap".replace('/', "\u{2215}"));
    fs::write(&capture, bytes).unwrap();
    capture
}

/// What would run says so.
pub(crate) fn watch_for_hits(browser: &mut Browser) {
    let watch = json!({"source": "window.x = () => { window.hit = true; }; window.hit = false;"});
    browser.call("Page.addScriptToEvaluateOnNewDocument", watch);
}

/// With all rows of a table opened: names are to be seen, and are text.
pub(crate) fn nothing_is_planted(browser: &mut Browser, view: &str, own: &str) {
    browser.value(
        "document.querySelectorAll('.hosts .opener').forEach((one) => \
         document.querySelector(`[data-key=\"${CSS.escape(one.dataset.key)}\"]`).click())",
    );
    browser.value("document.querySelectorAll('details').forEach((one) => one.open = true)");
    let text = browser.text("document.body.innerText");
    let shown = HOSTILE.iter().filter(|(from, to)| text.contains(&to[..from.len()])).count();
    assert!(shown >= 2, "{view}: what is hostile is to be seen, not left out");
    let planted =
        "document.querySelectorAll('img, svg[onload], iframe, script:not([type]) ~ script').length";
    assert_eq!(browser.number(planted), 0.0, "{view}: markup was planted");
    assert_eq!(browser.value("window.hit"), json!(false), "{view}: a script ran");
    let misdeeds = browser.misdeeds(own);
    assert!(misdeeds.is_empty(), "{view}: {misdeeds:#?}");
}

#[test]
fn hostile_names_are_shown_and_do_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = browser.folder.path().to_owned();
    let capture = hostile_capture(&folder);
    let (hosts, groups) = (folder.join("hosts.csv"), folder.join("groups.csv"));
    fs::write(&hosts, "ip,name\n10.20.0.13,<img src=x onerror=alert(3)>\n").unwrap();
    fs::write(
        &groups,
        "network,owner,site\n10.20.0.0/16,<script>alert(4)</script>,\"=cmd|' /C calc'!A0\"\n",
    )
    .unwrap();
    let (hosts, groups) = (hosts.display().to_string(), groups.display().to_string());
    let page = report(&capture, &folder, &["--hosts", &hosts, "--groups", &groups]);
    watch_for_hits(&mut browser);
    for view in ["clients", "servers", "certificates"] {
        browser.open_file(&page, &format!("#view={view}"));
        nothing_is_planted(&mut browser, view, "file://");
        let beside = browser.events.iter().filter(|event| {
            let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
            event["method"] == "Network.requestWillBeSent"
                && !url.contains("page.html")
                && !url.starts_with("data:")
        });
        assert_eq!(beside.count(), 0, "{view}: something was asked for");
    }
}
