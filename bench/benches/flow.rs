//! What the answer to a call costs outside verification and database: a flow of ten steps, decided and rendered.
//!
//!     cargo bench --manifest-path bench/Cargo.toml --bench flow
//!
//! The goal is 100 µs.

use divan::Bencher;
use smartline::fuzzing::Conversation;

fn main() {
    divan::main();
}

#[divan::bench(sample_size = 100)]
fn ten_steps(bencher: Bencher<'_, '_>) {
    let conversation = Conversation::default();
    bencher.bench_local(|| conversation.answer());
}
