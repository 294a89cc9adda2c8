//! What the stories do with the catalogue, in its own words.

pub(crate) use hotshelf_testkit::catalogue::*;
