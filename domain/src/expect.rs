use crate::product::Version;

/// What a write requires of the product, or the schema, it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// That it exists.
    Anything,
    /// That it is at one of these versions.
    OneOf(Vec<Version>),
}

impl Expect {
    /// Whether the write may be about what is at this version.
    pub fn holds(&self, current: Version) -> bool {
        match self {
            Expect::Anything => true,
            Expect::OneOf(versions) => versions.contains(&current),
        }
    }
}
