use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use compact_str::{CompactString, format_compact};
use xxhash_rust::xxh3::xxh3_128;

/// A longer text is in a key by its hash.
const TEXT_MAX: usize = 64;

/// Who is limited: an address, an account, a caller; each distinct text is one subject. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject(pub(crate) CompactString);

impl Subject {
    /// A text as it is, if it is short and plain; any other by its hash, so that nobody can make keys of another shape.
    pub fn new(text: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:@_-+/".contains(&byte);
        if (1..=TEXT_MAX).contains(&text.len()) && text.bytes().all(plain) {
            Subject(text.into())
        } else {
            Subject::hashed(text)
        }
    }

    /// A text that should not stand in a key as it is, such as somebody's name.
    pub fn hashed(text: &str) -> Self {
        Subject(format_compact!("#{:032x}", xxh3_128(text.as_bytes())))
    }

    /// An address. Whoever has one of IPv6 has its whole `/64`, which therefore is one subject; a mapped one of IPv4 is
    /// that one.
    pub fn of_address(address: IpAddr) -> Self {
        Subject::of_network(address, 64)
    }

    /// The site of an address: a provider gives a customer up to a whole `/48` of IPv6, which is one subject.
    pub fn of_site(address: IpAddr) -> Self {
        Subject::of_network(address, 48)
    }

    /// Of an address of IPv6, the first so many bits.
    fn of_network(address: IpAddr, length: u32) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Subject(format_compact!("{address}")),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - length)));
                Subject(format_compact!("{network}/{length}"))
            }
        }
    }

    /// Both together, such as an account as it is tried from an address.
    pub fn and(&self, other: &Subject) -> Self {
        let text = format_compact!("{self},{other}");
        if text.len() <= 2 * TEXT_MAX { Subject(text) } else { Subject::hashed(&text) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_address(text: &str) -> String {
        Subject::of_address(text.parse().unwrap()).to_string()
    }

    #[test]
    fn an_address_of_ipv6_stands_for_its_network() {
        assert_eq!(of_address("203.0.113.9"), "203.0.113.9");
        assert_eq!(of_address("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(of_address("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of_address("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
        assert_ne!(of_address("2001:db8:1:3::1"), of_address("2001:db8:1:2::1"));
        assert_eq!(of_address("::1"), "::/64");
    }

    #[test]
    fn a_site_of_ipv6_has_many_networks() {
        let of_site = |text: &str| Subject::of_site(text.parse().unwrap()).to_string();
        assert_eq!(of_site("203.0.113.9"), "203.0.113.9");
        assert_eq!(of_site("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
        assert_eq!(of_site("2001:db8:1:ffff::1"), "2001:db8:1::/48");
        assert_ne!(of_site("2001:db8:2::1"), of_site("2001:db8:1::1"));
    }

    #[test]
    fn what_is_long_or_odd_is_hashed() {
        assert_eq!(Subject::new("ann@example.com").to_string(), "ann@example.com");
        for odd in ["", "a b", "a\r\nb", "{a}", "a*", "ä", &"a".repeat(65)] {
            let text = Subject::new(odd).to_string();
            assert!(text.starts_with('#') && text.len() == 33, "{odd:?} became {text}");
        }
        assert_ne!(Subject::new("a b"), Subject::new("a  b"));
        let long = Subject::new(&"a".repeat(64));
        assert!(long.and(&long).to_string().starts_with('#'));
    }

    #[test]
    fn two_together_differ_from_either_and_from_other_pairs() {
        let (address, account) = (Subject::new("203.0.113.9"), Subject::hashed("ann@example.com"));
        assert_eq!(address.and(&account).to_string(), format!("203.0.113.9,{account}"));
    }
}
