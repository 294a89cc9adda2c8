//! The words by which the full-text index finds products.
//!
//! The index knows nothing of texts. It is given words (`hotshelf_domain::words`), each behind the organization it
//! belongs to, so that a search within one reads the words of no other; and the schema and the category of the product
//! in the same form.

use std::fmt::Write;

use hotshelf_domain::{SchemaId, words};

use crate::statement::Dialect;

/// What is entered of a product.
pub(crate) struct Indexed<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) category: &'a str,
    pub(crate) schema: i64,
}

impl Indexed<'_> {
    /// Hands over each word, without what it begins with.
    pub(crate) fn each_word(&self, mut enter: impl FnMut(&str)) {
        words::stored([self.name, self.description, self.category]).iter().for_each(|word| enter(word));
        enter(&schema_word(self.schema));
        enter(&category_word(self.category));
    }
}

/// What the words of an organization begin with.
pub(crate) fn beginning(dialect: Dialect, organization: i64) -> String {
    match dialect {
        // As many characters for every organization: the index has lists for beginnings of certain lengths.
        Dialect::Sqlite => format!("{organization:016x}"),
        // Each product keeps its words, so these are short. No word has a slash.
        Dialect::Postgres => format!("{organization:x}/"),
    }
}

/// The query for the products of an organization that have all these words.
pub(crate) fn query<'a>(
    dialect: Dialect,
    organization: i64,
    words: impl Iterator<Item = &'a str>,
    schema: Option<SchemaId>,
    category: Option<&str>,
) -> String {
    let terms = Terms { dialect, begin: beginning(dialect, organization) };
    let mut all: Vec<String> = words.map(|word| terms.found_by(word)).collect();
    // These are whole words. None that is searched for begins like them.
    all.extend(schema.map(|schema| terms.whole(&schema_word(schema.get()))));
    all.extend(category.map(|category| terms.whole(&category_word(category))));
    terms.all_of(&all)
}

/// The query for the products of an organization with a word that begins so.
pub(crate) fn begins(dialect: Dialect, organization: i64, word: &str) -> String {
    Terms { dialect, begin: beginning(dialect, organization) }.begins(word)
}

/// Writes queries. A term is quoted, and made of letters, digits and symbols only: no text is an operator.
struct Terms {
    dialect: Dialect,
    begin: String,
}

impl Terms {
    fn begins(&self, word: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("\"{}{word}\"*", self.begin),
            Dialect::Postgres => format!("'{}{word}':*", self.begin),
        }
    }

    fn whole(&self, word: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("\"{}{word}\"", self.begin),
            Dialect::Postgres => format!("'{}{word}'", self.begin),
        }
    }

    fn all_of(&self, terms: &[String]) -> String {
        terms.join(match self.dialect {
            Dialect::Sqlite => " AND ",
            Dialect::Postgres => " & ",
        })
    }

    fn found_by(&self, word: &str) -> String {
        if !word.contains('-') {
            return self.begins(word);
        }
        let parts: Vec<String> = words::parts(word).map(|part| self.begins(part)).collect();
        let or = match self.dialect {
            Dialect::Sqlite => "OR",
            Dialect::Postgres => "|",
        };
        format!("(({}) {or} {})", self.all_of(&parts), self.begins(&words::as_one(word)))
    }
}

fn schema_word(schema: i64) -> String {
    format!("!s{schema}")
}

fn category_word(category: &str) -> String {
    category.bytes().fold("!c".to_owned(), |mut word, byte| {
        // Writing to a string does not fail.
        let _ = write!(word, "{byte:02x}");
        word
    })
}
