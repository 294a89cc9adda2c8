//! The migrations are embedded in the crate: compile again when one of them changes.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
