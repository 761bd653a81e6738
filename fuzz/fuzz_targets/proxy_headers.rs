#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smartline::fuzzing::proxy_headers(bytes));
