//! The module of the changed crate that knows which mutant is chosen. `COUNT` stands for the number of mutants.
//!
//! The variable `MUTANT` chooses one. If `MUTANTS_REACHED` names a file, none is chosen, and the number of each one that is
//! asked for is appended to it once.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

const NONE: u32 = u32::MAX;
const UNKNOWN: u32 = u32::MAX - 1;
const RECORDING: u32 = u32::MAX - 2;
static CHOSEN: AtomicU32 = AtomicU32::new(UNKNOWN);
static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];

/// Deprecated, so that the compiler reports where it is called.
#[deprecated]
pub(crate) const fn on(mutant: u32) -> bool {
    const fn compiling(_: u32) -> bool {
        false
    }
    core::intrinsics::const_eval_select((mutant,), compiling, running)
}

#[inline]
fn running(mutant: u32) -> bool {
    let chosen = CHOSEN.load(Relaxed);
    if chosen < RECORDING { chosen == mutant } else { chosen != NONE && look(mutant) }
}

#[cold]
#[inline(never)]
fn look(mutant: u32) -> bool {
    let reached = std::env::var_os("MUTANTS_REACHED");
    if CHOSEN.load(Relaxed) == UNKNOWN {
        let chosen = std::env::var("MUTANT").ok().and_then(|text| text.parse().ok());
        let otherwise = if reached.is_some() { RECORDING } else { NONE };
        CHOSEN.store(chosen.unwrap_or(otherwise), Relaxed);
        return running(mutant);
    }
    if !REACHED[mutant as usize].swap(true, Relaxed) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(reached.unwrap()).unwrap();
        file.write_all(format!("{mutant}\n").as_bytes()).unwrap();
    }
    false
}
