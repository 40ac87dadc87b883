//! The checks of the fuzz targets, over their seeds and a bounded number of mutations. See `docs/fuzzing.md`.

use fastrand::Rng;

#[allow(unreachable_pub, missing_docs, reason = "it is a crate of its own for cargo-fuzz")]
#[path = "../../fuzz/src/lib.rs"]
pub(crate) mod checks;

/// Runs `check` over the seeds of a target and over `count` mutations of them.
fn run(target: &str, count: usize, check: fn(&[u8])) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<_> = seeds.iter().map(|path| std::fs::read(path).unwrap()).collect();
    seeds.iter().for_each(|seed| check(seed));
    let mut rng = Rng::with_seed(count as u64);
    for _ in 0..count {
        let mut data = rng.choice(&seeds).unwrap().clone();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..=data.len());
            let other = rng.choice(&seeds).unwrap();
            match rng.usize(..6) {
                0 => data.truncate(at),
                1 => data.insert(at, rng.u8(..)),
                2 => data.insert(at, *rng.choice(b"{}[]\",:\\0e-. \r\n").unwrap()),
                3 if at < data.len() => drop(data.remove(at)),
                4 if at < data.len() => data[at] ^= 1 << rng.u32(..8),
                _ => data.splice(at..at, other[rng.usize(..other.len())..].iter().copied()).for_each(drop),
            }
        }
        check(&data);
    }
}

#[test]
fn events_are_the_same_wherever_the_bytes_are_cut() {
    run("sse", 5000, checks::sse);
}

#[test]
fn json_is_what_serde_json_takes_for_it() {
    run("json", 20_000, checks::json);
}

#[test]
fn no_object_is_lost_by_the_models() {
    run("models", 20_000, checks::models);
}

#[test]
fn no_retry_after_does_harm() {
    run("retry_after", 5000, checks::retry_after);
}

#[test]
fn no_body_of_an_error_does_harm() {
    run("error_body", 10_000, checks::error_body);
}
