//! Runs each test alone, to see which mutants it reaches, and the tests of each mutant.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;

/// The most specific tests of a mutant, which run before the others.
const FIRST: usize = 24;

/// A test, as it runs alone in its process.
pub(crate) struct Test {
    program: PathBuf,
    name: String,
    time: Duration,
    /// The mutants that it asks for.
    pub(crate) reached: Vec<usize>,
}

/// Runs these tests of a program until one fails. Returns the name of that one, or why the program ended.
fn run(
    program: &Path,
    names: &[&str],
    variable: (&str, &str),
    folder: &Path,
    limit: Duration,
) -> Result<Option<String>, Failure> {
    // A mutant may allocate without end.
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -v 8000000; exec \"$0\" \"$@\""])
        .arg(program)
        .arg("--exact")
        .args(names)
        .args(["--test-threads", "2"])
        .env(variable.0, variable.1)
        .env("CARGO_MANIFEST_DIR", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout).split(b'\n').map_while(Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).try_for_each(|line| sender.send(line))
    });
    let end = Instant::now() + limit;
    let failed = loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
                    break Some(name.to_owned());
                }
            }
            Err(RecvTimeoutError::Timeout) => break Some("the time limit".to_owned()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait()?;
                break (!status.success()).then(|| format!("the process: {status}"));
            }
        }
    };
    // It has ended, or nobody waits for the rest.
    let _ = child.kill();
    child.wait()?;
    Ok(failed)
}

/// Runs each test alone and records what it reaches. Tests that fail like this are left out.
pub(crate) fn record(programs: &[PathBuf], folder: &Path) -> Result<Vec<Test>, Failure> {
    let mut names = Vec::new();
    for program in programs {
        let output = Command::new(program).args(["--list", "--format", "terse"]).current_dir(folder).output()?;
        let list = String::from_utf8(output.stdout)?;
        names.extend(
            list.lines().filter_map(|line| line.strip_suffix(": test")).map(|name| (program.clone(), name.to_owned())),
        );
    }
    let tests = Mutex::new(Vec::new());
    in_parallel(names.len(), |index| {
        let (program, name) = &names[index];
        let file = folder.join(format!("reached.{index}"));
        let _ = fs::remove_file(&file);
        let begun = Instant::now();
        let failed =
            run(program, &[name], ("MUTANTS_REACHED", &file.to_string_lossy()), folder, Duration::from_secs(150))?;
        let time = begun.elapsed();
        let reached =
            fs::read_to_string(&file).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect();
        let _ = fs::remove_file(&file);
        match failed {
            Some(failed) => println!("left out, since it fails alone: {name} ({failed})"),
            None => tests.lock().map_err(|_| "a thread failed")?.push(Test {
                program: program.clone(),
                name: name.clone(),
                time,
                reached,
            }),
        }
        Ok(())
    })?;
    Ok(tests.into_inner()?)
}

/// Runs the tests of one mutant, the most specific first. Returns what failed.
pub(crate) fn first_failure(id: usize, tests: &[&Test], folder: &Path) -> Result<Option<String>, Failure> {
    let mut order = tests.to_vec();
    order.sort_by_key(|test| (test.time > Duration::from_secs(2), test.reached.len()));
    let (first, rest) = order.split_at(order.len().min(FIRST));
    for batch in [first, rest] {
        let mut programs: BTreeMap<&Path, Vec<&Test>> = BTreeMap::new();
        for test in batch {
            programs.entry(&test.program).or_default().push(test);
        }
        for (program, tests) in programs {
            let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
            let limit = Duration::from_secs(20) + 4 * tests.iter().map(|test| test.time).sum::<Duration>();
            if let Some(failed) = run(program, &names, ("MUTANT", &id.to_string()), folder, limit)? {
                return Ok(Some(failed));
            }
        }
    }
    Ok(None)
}

/// Calls `work` with each index on several threads.
pub(crate) fn in_parallel(count: usize, work: impl Fn(usize) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from) + 1;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let next = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < count);
                    std::iter::from_fn(next).try_for_each(&work)
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a thread failed")?)
    })
}
