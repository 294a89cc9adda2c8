//! Libraries in C that are loaded between a service and the C library, to cause faults.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles it into this directory, and returns the path of the library.
///
/// # Panics
/// When there is no C compiler.
pub(crate) fn compile(directory: &Path, name: &str, source: &str) -> PathBuf {
    let [text, library] = ["c", "so"].map(|extension| directory.join(format!("{name}.{extension}")));
    fs::write(&text, source).expect("the source is written");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &text]).arg("-ldl");
    let built = cc.output().expect("there is a C compiler");
    assert!(built.status.success(), "{cc:?}: {}", String::from_utf8_lossy(&built.stderr));
    library
}
