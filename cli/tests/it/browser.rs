//! A Chromium without a window, driven over a pair of pipes by the DevTools protocol.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "measurements, and what is skipped")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use openrouter_kit::serde_json::{self, Value, json};
use tempfile::TempDir;

pub(crate) struct Browser {
    child: Child,
    input: File,
    output: BufReader<File>,
    session: String,
    id: u64,
    /// What the page did that it should not have: errors, dialogs, violations of its policy.
    pub(crate) complaints: Vec<String>,
    /// Every address that the page asked for.
    pub(crate) requested: Vec<String>,
    _home: TempDir,
}

/// Where a browser is: in `CHROMIUM`, or under one of the usual names.
fn find() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    named.or_else(|| {
        let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
    })
}

impl Browser {
    /// Starts a browser with an empty page; `None` if there is none on this computer.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = find() else {
            eprintln!("skipped: there is no Chromium (Debian: apt-get install chromium; or set CHROMIUM)");
            return None;
        };
        let home = TempDir::new().unwrap();
        let (requests, responses) = (home.path().join("requests"), home.path().join("responses"));
        assert!(Command::new("mkfifo").arg(&requests).arg(&responses).status().unwrap().success());
        // A shell gives the browser the pipes under the numbers that it expects.
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<\"$REQUESTS\" 4>\"$RESPONSES\""])
            .arg(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-extensions", "--disable-component-update"])
            .args(["--hide-scrollbars", "--no-proxy-server", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
            .env("REQUESTS", &requests)
            .env("RESPONSES", &responses)
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = OpenOptions::new().write(true).open(requests).unwrap();
        let output = BufReader::new(File::open(responses).unwrap());
        let (session, complaints, requested) = (String::new(), Vec::new(), Vec::new());
        let mut browser = Self { child, input, output, session, id: 0, complaints, requested, _home: home };
        let page = browser.send("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.send("Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.send(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1280, 800);
        Some(browser)
    }

    /// Sends a command and returns its result.
    pub(crate) fn send(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let mut message = json!({"id": self.id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut text = Vec::new();
            self.output.read_until(0, &mut text).unwrap();
            text.pop();
            let message: Value = serde_json::from_slice(&text).expect("the browser went away");
            if message["id"] == self.id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            let params = &message["params"];
            match message["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => self.complaints.push(params["exceptionDetails"].to_string()),
                "Log.entryAdded" if params["entry"]["level"] == "error" => {
                    self.complaints.push(params["entry"].to_string());
                }
                "Page.javascriptDialogOpening" => self.complaints.push(params.to_string()),
                "Network.requestWillBeSent" => {
                    self.requested.push(params["request"]["url"].as_str().unwrap().to_owned());
                }
                _ => {}
            }
        }
    }

    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.send("Emulation.setDeviceMetricsOverride", metrics);
    }

    pub(crate) fn open(&mut self, url: &str) {
        // A page that differs in its fragment alone would not be loaded again.
        self.send("Page.navigate", json!({"url": "about:blank"}));
        self.send("Page.navigate", json!({"url": url}));
    }

    /// Returns what JavaScript in the page returns.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let result = self.send(
            "Runtime.evaluate",
            json!({"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true}),
        );
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits in the page until JavaScript returns something that is true, and returns it.
    pub(crate) fn wait(&mut self, script: &str) -> Value {
        let value = self.run(&format!(
            "new Promise((resolve) => {{ const end = Date.now() + 20000; const look = () => {{ let value; \
             try {{ value = {script}; }} catch (error) {{ value = undefined; }} \
             if (value || Date.now() > end) resolve(value || null); else setTimeout(look, 20); }}; look(); }})"
        ));
        if value.is_null() {
            let page = self.run("document.body.innerText");
            panic!("{script} did not become true: {} {page}", self.complaints.join("\n"));
        }
        value
    }

    /// Presses and releases a key.
    pub(crate) fn key(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        self.send("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": text}));
        self.send("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
    }

    /// Types text into the field that has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.send("Input.insertText", json!({"text": text}));
    }

    /// The page as a PNG in base 64.
    pub(crate) fn screenshot(&mut self) -> String {
        self.send("Page.captureScreenshot", json!({"format": "png"}))["data"].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
