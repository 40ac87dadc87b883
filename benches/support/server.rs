//! A server that does next to nothing: it reads a request and writes bytes that were made before. Threads of its own and
//! blocking sockets, so that the client's thread pays for the client alone.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What is answered, by the first segment of the path. What is asked as `turns` is answered with `turns-1` and `turns-2`
/// in turn.
pub type Answers = HashMap<&'static str, Vec<u8>>;

/// Holds streams back after their head until it is opened.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    /// Lets everything through (true), or nothing from now on.
    pub fn set(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let guard = self.open.lock().unwrap();
        drop(self.changed.wait_while(guard, |open| !*open).unwrap());
    }
}

/// Serves on a port of its own until the process ends. An answer whose name begins with `gated` is held back after its
/// head until the gate is open.
pub fn start(answers: Answers, gate: Arc<Gate>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(answers);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answers, gate) = (answers.clone(), gate.clone());
            thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(serve(stream, &answers, &gate))).unwrap();
        }
    });
    address
}

/// Reads what comes next, and stays awake for it for a while. To wake a thread costs whoever writes to it more than a small
/// call does, so that a client which asks again at once would be measured by how soon this one fell asleep.
fn read_awake(stream: &mut TcpStream, part: &mut [u8]) -> std::io::Result<usize> {
    const AWAKE: Duration = Duration::from_millis(2);
    let asleep = |read: &std::io::Result<usize>| matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(true)?;
    let start = Instant::now();
    let mut read = stream.read(part);
    while asleep(&read) && start.elapsed() < AWAKE {
        std::hint::spin_loop();
        read = stream.read(part);
    }
    stream.set_nonblocking(false)?;
    if asleep(&read) { stream.read(part) } else { read }
}

fn serve(mut stream: TcpStream, answers: &Answers, gate: &Gate) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::with_capacity(4096);
    let mut part = vec![0; 16 * 1024];
    let mut is_first_turn = false;
    loop {
        request.clear();
        let head = loop {
            if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            match read_awake(&mut stream, &mut part)? {
                0 => return Ok(()),
                length => request.extend_from_slice(&part[..length]),
            }
        };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut missing = field("content-length:").map_or(0, |length| length.parse().unwrap()) + head - request.len();
        let mut scenario = text.split('/').nth(1).unwrap_or("").to_owned();
        if scenario == "turns" {
            is_first_turn = !is_first_turn;
            scenario.push_str(if is_first_turn { "-1" } else { "-2" });
        }
        while missing > 0 {
            missing -= stream.read(&mut part)?;
        }
        let Some(answer) = answers.get(scenario.as_str()) else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
            continue;
        };
        if scenario.starts_with("gated") {
            let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
            stream.write_all(&answer[..head])?;
            gate.pass();
            stream.write_all(&answer[head..])?;
        } else {
            stream.write_all(answer)?;
        }
    }
}
