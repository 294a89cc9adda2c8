//! Settings on tokens of an outside issuer.

use hotshelf_domain::Role;
use hotshelf_issuer::{InvalidKeySource, KeySource, SignatureAlgorithm};

use super::{Parsed, Refusal, line, refuse};

/// The source of the keys.
pub(crate) fn key_source(text: &str) -> Parsed<KeySource> {
    text.parse().map_err(|error| match error {
        InvalidKeySource::Malformed => Refusal::Malformed,
        InvalidKeySource::Unprotected => Refusal::Because(error.to_string()),
    })
}

/// Words separated by commas.
pub(crate) fn words(text: &str) -> Parsed<Vec<String>> {
    match text {
        "" => Ok(Vec::new()),
        text => text.split(',').map(|word| named(word.trim())).collect(),
    }
}

/// Some algorithms, by their names.
pub(crate) fn algorithms(text: &str) -> Parsed<Vec<SignatureAlgorithm>> {
    let algorithm = |name: &str| SignatureAlgorithm::ALL.into_iter().find(|known| known.name() == name);
    text.split(',').map(|name| algorithm(name.trim()).ok_or(Refusal::Malformed)).collect()
}

/// `theirs=ours`, separated by commas.
pub(crate) fn roles(text: &str) -> Parsed<Vec<(String, Role)>> {
    let pair = |pair: &str| {
        let (theirs, ours) = pair.rsplit_once('=').ok_or(Refusal::Malformed)?;
        Ok((named(theirs.trim())?, ours.trim().parse().map_err(|_| Refusal::Malformed)?))
    };
    let roles: Vec<(String, Role)> = text.split(',').map(pair).collect::<Parsed<_>>()?;
    let twice =
        roles.iter().enumerate().find(|(place, (name, _))| roles[..*place].iter().any(|(known, _)| known == name));
    match twice {
        Some((_, (name, _))) => refuse(format!("the role `{name}` occurs twice")),
        None => Ok(roles),
    }
}

fn named(text: &str) -> Parsed<String> {
    if text.is_empty() { Err(Refusal::Malformed) } else { line(text) }
}
