#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smartline::fuzzing::spool_record(bytes));
