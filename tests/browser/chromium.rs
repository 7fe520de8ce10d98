//! A headless Chromium, spoken to over a pair of pipes (`--remote-debugging-pipe`): no driver, no
//! port, no other crate. What the page logs, asks for and pops up is kept to be looked at.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: File,
    answers: Receiver<Value>,
    next: u64,
    session: Option<String>,
    /// What happened since it was last looked at.
    pub(crate) events: Vec<Value>,
    pub(crate) folder: TempDir,
}

impl Browser {
    /// Start one; `None`, with a word on stderr, where there is none.
    pub(crate) fn start() -> Option<Self> {
        let known = ["chromium", "chromium-browser", "google-chrome"];
        let program = known.into_iter().find(|name| {
            let asked = Command::new(name).arg("--version").stderr(Stdio::null()).output();
            asked.is_ok_and(|output| output.status.success())
        });
        let Some(program) = program else {
            eprintln!("skipped: there is no chromium on this machine");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (commands, answers) = (folder.path().join("commands"), folder.path().join("answers"));
        let made = Command::new("mkfifo").args([&commands, &answers]).status().unwrap();
        assert!(made.success(), "mkfifo");
        let child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<\"$COMMANDS\" 4>\"$ANSWERS\"")
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--hide-scrollbars"])
            .args(["--disable-dev-shm-usage", "--force-color-profile=srgb"])
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("COMMANDS", &commands)
            .env("ANSWERS", &answers)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The shell opens them in this order, each as soon as the other end is open.
        let commands = fs::OpenOptions::new().write(true).open(&commands).unwrap();
        let mut pipe = BufReader::new(File::open(&answers).unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while pipe.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser =
            Self { child, commands, answers, next: 0, session: None, events: Vec::new(), folder };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Ask for something and wait for the answer.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.commands.write_all(&text).unwrap();
        let asked = Instant::now();
        loop {
            let answer = self.receive(PATIENCE.saturating_sub(asked.elapsed()));
            let Some(answer) = answer else { panic!("{method}: no answer") };
            if answer["id"] == json!(id) {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn receive(&mut self, patience: Duration) -> Option<Value> {
        match self.answers.recv_timeout(patience) {
            Ok(value) => Some(value),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the browser is gone"),
        }
    }

    /// Open an address and wait until it is loaded.
    pub(crate) fn open(&mut self, address: &str) {
        self.events.clear();
        // The same address with another `#` would not load anew.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.wait_for("Page.loadEventFired");
        self.events.clear();
        let gone = self.call("Page.navigate", json!({"url": address}));
        assert!(gone["errorText"].is_null(), "{address}: {gone}");
        self.wait_for("Page.loadEventFired");
    }

    /// Open a file.
    pub(crate) fn open_file(&mut self, path: &Path, hash: &str) {
        self.open(&format!("file://{}{hash}", path.display()));
    }

    fn wait_for(&mut self, method: &str) {
        let asked = Instant::now();
        while !self.events.iter().any(|event| event["method"] == method) {
            let event = self.receive(PATIENCE.saturating_sub(asked.elapsed()));
            self.events.push(event.unwrap_or_else(|| panic!("{method} never came")));
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
            "userGesture": true,
        });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression}: {value}")).replace('\u{a0}', " ")
    }

    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        let value = self.value(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression}: {value}"))
    }

    /// Wait until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let asked = Instant::now();
        while self.value(expression) != json!(true) {
            assert!(asked.elapsed() < PATIENCE, "never true: {expression}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Press a key.
    pub(crate) fn key(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let params = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
                "text": if kind == "keyDown" { text } else { "" },
            });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// The size of the window.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.call("Emulation.setDeviceMetricsOverride", params);
    }

    /// Light or dark, as the system would say it.
    pub(crate) fn scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// A picture of the window, or of the whole page.
    pub(crate) fn picture(&mut self, path: &Path, whole: bool) {
        let params = json!({"format": "png", "captureBeyondViewport": whole});
        let params = if whole {
            let (width, height) = (
                self.number("document.documentElement.clientWidth"),
                self.number("document.documentElement.scrollHeight"),
            );
            let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
            json!({"format": "png", "captureBeyondViewport": true, "clip": clip})
        } else {
            params
        };
        let picture = self.call("Page.captureScreenshot", params);
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The page on paper.
    pub(crate) fn print(&mut self, path: &Path) {
        let params = json!({"printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69});
        let paper = self.call("Page.printToPDF", params);
        fs::write(path, STANDARD.decode(paper["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// What the page did that a report must not do: errors, violations, dialogs, requests.
    pub(crate) fn misdeeds(&mut self, own: &str) -> Vec<String> {
        // Whatever is still under way has happened after this.
        self.value("new Promise((done) => setTimeout(done, 150))");
        self.events
            .iter()
            .filter_map(|event| {
                let params = &event["params"];
                match event["method"].as_str()? {
                    "Log.entryAdded" => Some(format!("log: {}", params["entry"]["text"])),
                    "Runtime.consoleAPICalled" => Some(format!("console: {}", params["args"])),
                    "Runtime.exceptionThrown" => {
                        Some(format!("exception: {}", params["exceptionDetails"]))
                    }
                    "Page.javascriptDialogOpening" => Some(format!("dialog: {params}")),
                    "Network.requestWillBeSent" => {
                        let url = params["request"]["url"].as_str().unwrap_or_default();
                        let fine = url.starts_with(own) || url.starts_with("data:");
                        (!fine).then(|| format!("request: {url}"))
                    }
                    _ => None,
                }
            })
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
