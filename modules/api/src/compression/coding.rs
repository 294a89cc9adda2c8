//! The content codings, and which of them a request accepts for its answer (RFC 9110, section 12.5.3).

use axum::http::{HeaderMap, HeaderValue, header};

/// A coding that compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// The best first: Brotli makes a page a tenth smaller than zstd, in more time. A page is compressed once for all
    /// that are sent of it, so the time hardly counts. gzip is no better than zstd, and slower.
    pub(crate) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Its name in `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The coding of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let called = |coding: &Coding| name.eq_ignore_ascii_case(coding.name());
        let older = || name.eq_ignore_ascii_case("x-gzip").then_some(Coding::Gzip);
        Coding::ALL.into_iter().find(called).or_else(older)
    }
}

/// What a request accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AcceptedCodings {
    /// The coding to use; `None`: the request accepts none, or prefers an answer without one.
    pub(crate) best: Option<Coding>,
    /// Whether the request refuses an answer without a coding.
    pub(crate) identity_refused: bool,
}

impl AcceptedCodings {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut listed = Listed::default();
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            value.to_str().unwrap_or_default().split(',').for_each(|member| listed.add(member));
        }
        listed.accepted()
    }

    /// Whether the request accepts neither a coding nor an answer without one.
    pub(crate) fn nothing(self) -> bool {
        self.identity_refused && self.best.is_none()
    }
}

/// The weights that a request has given, in thousandths. Of several for one coding, the lowest counts.
#[derive(Default)]
struct Listed {
    codings: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    /// `*`: each that is not named.
    others: Option<u16>,
}

impl Listed {
    fn add(&mut self, member: &str) {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        // A member that cannot be understood is as good as none.
        let Some(weight) = parts.next().map_or(Some(MAX_WEIGHT), weight) else { return };
        let given = if name == "*" {
            &mut self.others
        } else if name.eq_ignore_ascii_case("identity") {
            &mut self.identity
        } else if let Some(coding) = Coding::named(name) {
            &mut self.codings[coding as usize]
        } else {
            return;
        };
        *given = Some(given.unwrap_or(MAX_WEIGHT).min(weight));
    }

    fn accepted(&self) -> AcceptedCodings {
        let weights = self.codings.iter().map(|given| given.or(self.others).unwrap_or(0));
        let mut best = None;
        for (coding, weight) in Coding::ALL.into_iter().zip(weights) {
            if weight > best.map_or(0, |(_, best)| best) {
                best = Some((coding, weight));
            }
        }
        let preferred = best.filter(|(_, weight)| self.identity.is_none_or(|identity| identity <= *weight));
        AcceptedCodings {
            best: preferred.map(|(coding, _)| coding),
            identity_refused: self.identity.or(self.others) == Some(0),
        }
    }
}

const MAX_WEIGHT: u16 = 1_000;

/// The value of `q=0.5`, in thousandths. `None`: it is none.
fn weight(parameter: &str) -> Option<u16> {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(MAX_WEIGHT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(values: &[&'static str]) -> (Option<&'static str>, bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        let accepted = AcceptedCodings::of(&headers);
        (accepted.best.map(Coding::name), accepted.identity_refused)
    }

    #[test]
    fn the_best_coding_that_a_request_accepts() {
        for (values, expected) in [
            (&[][..], (None, false)),
            (&[""], (None, false)),
            (&["gzip"], (Some("gzip"), false)),
            (&["gzip, deflate, br, zstd"], (Some("br"), false)),
            (&["gzip", "br"], (Some("br"), false)),
            (&["GZip"], (Some("gzip"), false)),
            (&["x-gzip"], (Some("gzip"), false)),
            (&["deflate, compress, bzip2"], (None, false)),
            (&["gzip;q=0.5, br;q=0.4"], (Some("gzip"), false)),
            (&["gzip ; q=1.000,br;Q=0.999"], (Some("gzip"), false)),
            (&["zstd;q=0, br;q=0.0, gzip;q=0.001"], (Some("gzip"), false)),
            (&["gzip;q=0"], (None, false)),
            (&["gzip, gzip;q=0"], (None, false)),
            (&["identity"], (None, false)),
            (&["identity, gzip"], (Some("gzip"), false)),
            (&["identity;q=0.6, gzip;q=0.5"], (None, false)),
            (&["identity;q=0.5, *;q=0.5"], (Some("br"), false)),
            (&["*"], (Some("br"), false)),
            (&["br;q=0, *"], (Some("zstd"), false)),
            (&["*;q=0"], (None, true)),
            (&["*;q=0, identity"], (None, false)),
            (&["*;q=0, gzip"], (Some("gzip"), true)),
            (&["identity;q=0"], (None, true)),
            (&["identity;q=0, *"], (Some("br"), true)),
            (&["identity;q=0, br;q=0.1"], (Some("br"), true)),
        ] {
            assert_eq!(accepted(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_weight_that_is_none_is_not_guessed() {
        for value in ["gzip;q=2", "gzip;q=1.1", "gzip;q=0.0001", "gzip;q=", "gzip;q=x", "gzip;q=-1", "gzip;a=b"] {
            assert_eq!(accepted(&[value]), (None, false), "{value}");
        }
    }
}
