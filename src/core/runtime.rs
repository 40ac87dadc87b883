//! The Tokio runtime a call runs in.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod native {
    use std::cell::Cell;
    use std::panic::catch_unwind;
    use std::time::Duration;

    use tokio::runtime::{Handle, Id};
    use tokio::time::sleep;

    const NO_RUNTIME: &str =
        "is missing: await calls inside a Tokio runtime, such as the one that `#[tokio::main]` starts";

    const NO_TIME: &str = "has its timers disabled, which time limits and retries need: build it with `enable_all`";

    thread_local! {
        /// The runtime whose timers were last found enabled on this thread.
        static CHECKED: Cell<Option<Id>> = const { Cell::new(None) };
    }

    /// Returns the current runtime, or why a call cannot run here, phrased to follow "the Tokio
    /// runtime".
    pub(in crate::core) fn current() -> Result<Handle, &'static str> {
        let handle = Handle::try_current().map_err(|_| NO_RUNTIME)?;
        let id = handle.id();
        if CHECKED.get() != Some(id) {
            // Tokio panics if timers are disabled and has no other way to check.
            catch_unwind(|| drop(sleep(Duration::ZERO))).map_err(|_| NO_TIME)?;
            CHECKED.set(Some(id));
        }
        Ok(handle)
    }
}

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(super) use native::current;

/// In a browser there is nothing to check: JavaScript runs the futures, and its timers are always
/// available.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(super) const fn current() -> Result<(), &'static str> {
    Ok(())
}
