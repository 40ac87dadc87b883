#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openrouter_kit_fuzz::retry_after(data));
