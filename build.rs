//! Has the crate compiled anew when a migration is added: they are embedded, and nothing else would notice.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
