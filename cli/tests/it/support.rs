//! A server, a home directory, and the program with nothing else from outside.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The key of the environment; it must never be seen.
pub(crate) const KEY: &str = "sk-or-v1-do-not-show-me";

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

pub(crate) struct World {
    runtime: Runtime,
    pub(crate) server: MockServer,
    home: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(MockServer::start());
        Self { runtime, server, home: TempDir::new().unwrap() }
    }

    /// A command with this home directory, this server and the key.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.prepared(Command::new(env!("CARGO_BIN_EXE_openrouter")));
        command.args(args);
        command
    }

    /// A command with this environment and no other.
    fn prepared(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_DATA_HOME", self.home.path().join("data"))
            .env("APPDATA", self.home.path().join("config"))
            .env("LOCALAPPDATA", self.home.path().join("data"))
            // There is no keyring behind this address.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("OPENROUTER_API_KEY", KEY)
            .env("OPENROUTER_BASE_URL", self.server.url())
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8");
        command
    }

    /// A line of a shell, in which the program is `$openrouter`.
    #[cfg(unix)]
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = self.prepared(Command::new("sh"));
        command.env("openrouter", env!("CARGO_BIN_EXE_openrouter")).args(["-c", line]);
        command
    }

    /// Runs the program without input.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs the program with this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        finish(self.command(args), input.as_bytes())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The JSON of the last request that the server got.
    pub(crate) fn last_request(&self) -> Value {
        self.server.requests().last().unwrap().json().to_value()
    }

    /// Waits for something on the server's side.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// Runs a command with this input to its end.
pub(crate) fn finish(mut command: Command, input: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input);
    ran(child.wait_with_output().unwrap())
}

pub(crate) fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let ran = Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY), "the key was shown: {ran:?}");
    ran
}

#[cfg(unix)]
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A piece of a streamed response.
pub(crate) fn chunk(delta: Value) -> Value {
    json!({
        "id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "a/b", "provider": "Local",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}],
    })
}

/// The last piece, with the cost.
pub(crate) fn last_chunk(reason: &str) -> Value {
    let mut chunk = chunk(json!({}));
    chunk["choices"][0]["finish_reason"] = reason.into();
    chunk["usage"] = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cost": 0.00025});
    chunk
}

/// A streamed response with this text.
pub(crate) fn streamed(texts: &[&str]) -> Answer {
    let pieces = texts.iter().map(|text| chunk(json!({"role": "assistant", "content": text})));
    Answer::stream(pieces.chain([last_chunk("stop")]))
}

/// A response as a whole.
pub(crate) fn whole(text: &str) -> Answer {
    Answer::json(
        200,
        json!({
            "id": "gen-1", "object": "chat.completion", "created": 1, "model": "a/b", "provider": "Local",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cost": 0.00025},
        }),
    )
}

/// A model as the list has it.
pub(crate) fn model(id: &str, prompt: &str, completion: &str) -> Value {
    json!({
        "id": id, "canonical_slug": id, "name": format!("The {id}"), "created": 1, "context_length": 128_000,
        "description": "A model.",
        "architecture": {
            "input_modalities": ["text", "image"], "output_modalities": ["text"], "modality": "text+image->text",
            "tokenizer": "GPT", "instruct_type": null,
        },
        "pricing": {"prompt": prompt, "completion": completion},
        "supported_parameters": ["tools", "temperature"],
        "top_provider": {"context_length": 128_000, "max_completion_tokens": 16_000, "is_moderated": false},
        "per_request_limits": null, "default_parameters": null, "links": {"details": "/x"},
    })
}

/// Waits until something that another process does has happened.
pub(crate) fn soon(has_happened: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !has_happened() {
        assert!(std::time::Instant::now() < limit, "it has not happened");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Runs a command whose standard output nobody reads any more.
pub(crate) fn into_closed_pipe(mut command: Command) -> Ran {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    ran(command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap())
}
