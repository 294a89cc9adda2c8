//! The definition of a setting, and the macro that turns the table in `settings.rs` into definitions and typed values.

use super::effects::Need;
use super::visibility::Visibility;

/// One setting without the type of its value.
pub(crate) struct Definition {
    /// The key in the configuration file; the environment variable is the same in capitals.
    pub(crate) key: &'static str,
    /// The heading that it is listed under.
    pub(crate) section: &'static str,
    /// The text that is parsed when nothing else is given; empty where a value may be left out.
    pub(crate) default: &'static str,
    /// What a value has to be: completes "expected …" and "Takes …".
    pub(crate) expected: &'static str,
    /// The meaning. The first line is a sentence of its own, for `--help`.
    pub(crate) meaning: &'static [&'static str],
    /// Where to read more: a page in `docs/` with an anchor, or nothing.
    pub(crate) see: &'static str,
    /// How much of a value may be shown.
    pub(crate) visibility: Visibility,
    /// Whether an empty environment variable is a value. Otherwise it is the same as an unset one.
    pub(crate) may_be_empty: bool,
    /// The setting has an effect only while all of these hold.
    pub(crate) needs: &'static [Need],
}

impl Definition {
    /// The fields that a row leaves out.
    pub(super) const PLAIN: Definition = Definition {
        key: "",
        section: "",
        default: "",
        expected: "",
        meaning: &[],
        see: "",
        visibility: Visibility::Open,
        may_be_empty: false,
        needs: &[],
    };

    /// The environment variable.
    pub(crate) fn name(&self) -> String {
        self.key.to_ascii_uppercase()
    }
}

/// Takes sections of rows of the form
///
/// ```text
/// /// Meaning: one sentence.
/// /// More sentences.
/// key: Type = "default", parser, "what is expected", field: value;
/// ```
///
/// with further fields of [`Definition`] at the end. Makes of them the definitions [`ALL`](super::settings::ALL) and
/// the struct [`Settings`](super::settings::Settings) of the typed values.
macro_rules! settings {
    ($($section:literal { $(
        $(#[doc = $line:literal])+
        $key:ident: $type:ty = $default:literal, $parse:expr, $expected:expr $(, $field:ident: $value:expr)*;
    )+ })+) => {
        /// All settings, in the order in which people are shown them.
        pub(crate) static ALL: &[Definition] = &[$($(
            Definition {
                key: stringify!($key),
                section: $section,
                default: $default,
                expected: $expected,
                meaning: &[$($line),+],
                $($field: $value,)*
                ..Definition::PLAIN
            },
        )+)+];

        /// The value of each setting; the default where the one that was given is bad.
        pub(crate) struct Settings {
            $($($(#[doc = $line])+ pub(crate) $key: $type,)+)+
        }

        impl Settings {
            /// Parses all of them, so that one start reports every bad value. `None`: a default is bad.
            pub(super) fn read(values: &mut Values) -> Option<Self> {
                Some(Settings { $($($key: values.read(stringify!($key), $parse)?,)+)+ })
            }
        }
    };
}

pub(super) use settings;
