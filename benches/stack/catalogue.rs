//! The products to read, stored in a database as a user does: by `hotshelf import`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use tempfile::TempDir;

use crate::failure::Failure;

/// A database file in a directory of its own, which is removed with it.
pub(crate) struct Catalogue {
    directory: TempDir,
}

impl Catalogue {
    /// No database yet. The directory is beside the build and not under `/tmp`, which may be in memory, where a sync
    /// costs nothing.
    pub(crate) fn empty() -> io::Result<Self> {
        Ok(Catalogue { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))? })
    }

    /// Products with the ids 1 to `products`, stored by that build: an older one opens no database of a newer one.
    pub(crate) fn with(build: &Path, products: usize) -> Result<Self, Failure> {
        let catalogue = Catalogue::empty()?;
        let file = catalogue.file("products.csv");
        fs::write(&file, csv(products)?)?;
        let mut import = Command::new(build);
        import.arg("import").arg(&file).arg("--strict").env_clear();
        let import = import.env("DB_PATH", catalogue.database()).env("CACHE_BACKEND", "none").output()?;
        if import.status.success() {
            Ok(catalogue)
        } else {
            Err(format!("hotshelf import failed: {}", String::from_utf8_lossy(&import.stderr)).into())
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file("products.db")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn csv(products: usize) -> Result<String, std::fmt::Error> {
    let mut csv = "name,description,price,stock,category\n".to_owned();
    for number in 1..=products {
        let (price, stock) = (5 + number % 1_500, number % 400);
        writeln!(
            csv,
            "Standing desk lamp no. {number},\"Dimmable LED lamp with a heavy base, three colour temperatures and a \
             shade of brushed steel; 140 cm high\",{price}.95,{stock},Home & living"
        )?;
    }
    Ok(csv)
}
