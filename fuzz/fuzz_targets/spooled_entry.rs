#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smartline::fuzzing::spooled_entry(bytes));
