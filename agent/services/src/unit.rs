//! Names of units, and patterns over them, by systemd's own rules.
//!
//! Source: systemd.unit(5), «Unit Names» in systemd's `unit_name_is_valid`. A name that
//! parsed has no slash, no blank and no control character, so it is one path component
//! at most and can stand in a message. Used by everything in this crate, and by whoever
//! holds a list of units.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes: systemd's `UNIT_NAME_MAX` without the closing zero.
const MAX_NAME: usize = 255;

/// The name of one unit: `nginx.service`, `getty@tty1.service`.
///
/// Never a template (`getty@.service`): that has neither a state nor a journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    name: String,
    kind: UnitType,
}

/// A pattern over names of units, as fnmatch(3) takes it with `FNM_NOESCAPE`: `*`, `?` and
/// `[…]`; a backslash stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitPattern(String);

/// What follows the last dot of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitType {
    /// systemd.automount(5)
    Automount,
    /// systemd.device(5)
    Device,
    /// systemd.mount(5)
    Mount,
    /// systemd.path(5)
    Path,
    /// systemd.scope(5)
    Scope,
    /// systemd.service(5)
    Service,
    /// systemd.slice(5)
    Slice,
    /// systemd.socket(5)
    Socket,
    /// systemd.swap(5)
    Swap,
    /// systemd.target(5)
    Target,
    /// systemd.timer(5)
    Timer,
}

/// Why a text is not the name of a unit, or no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Nothing is there.
    #[error("the name of a unit is empty; give one such as `nginx.service`")]
    Empty,
    /// More than 255 bytes.
    #[error("the name of a unit has {0} bytes; systemd allows 255")]
    Long(usize),
    /// No dot, so no type.
    #[error("`{0}` has no type; if the service is meant, its name is `{0}.service`")]
    NoType(String),
    /// What follows the last dot is no type.
    #[error(
        "`{0}` does not end in a type of units (service, socket, timer, target, mount, \
         automount, path, slice, scope, swap, device)"
    )]
    UnknownType(String),
    /// Nothing stands before the type, or before the `@`.
    #[error("`{0}` has a type but no name before it")]
    NoPrefix(String),
    /// A character that systemd does not allow.
    #[error(
        "the name of a unit cannot hold {found:?} (byte {at}); allowed are letters, digits and \
         `:-_.\\@`, and other characters are written as systemd-escape(1) does, `\\x2d`"
    )]
    Character {
        /// The character.
        found: char,
        /// Where it stands, in bytes from the begin.
        at: usize,
    },
    /// A pattern where one unit has to be named.
    #[error("`{0}` is a pattern; name one unit, in full")]
    Pattern(String),
    /// A template.
    #[error("`{0}` is a template; name one of its instances, with what it has after the `@`")]
    Template(String),
}

impl Unit {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub fn kind(&self) -> UnitType {
        self.kind
    }

    /// The template that it is an instance of: `getty@.service` for `getty@tty1.service`.
    pub fn template(&self) -> Option<String> {
        let (prefix, _) = self.name.split_once('@')?;
        Some(format!("{prefix}@.{}", self.kind.as_str()))
    }
}

impl FromStr for Unit {
    type Err = UnitError;

    fn from_str(name: &str) -> Result<Self, UnitError> {
        length(name)?;
        if let Some((at, found)) = name.char_indices().find(|(_, c)| !of_names(*c)) {
            return Err(match found {
                '*' | '?' | '[' | ']' => UnitError::Pattern(name.into()),
                _ => UnitError::Character { found, at },
            });
        }
        let (stem, suffix) = name.rsplit_once('.').ok_or_else(|| UnitError::NoType(name.into()))?;
        let kind =
            UnitType::from_suffix(suffix).ok_or_else(|| UnitError::UnknownType(name.into()))?;
        if stem.is_empty() || stem.starts_with('@') {
            return Err(UnitError::NoPrefix(name.into()));
        }
        // The first `@` parts prefix and instance; further ones belong to the instance.
        if stem.split_once('@').is_some_and(|(_, instance)| instance.is_empty()) {
            return Err(UnitError::Template(name.into()));
        }
        Ok(Self { name: name.into(), kind })
    }
}

impl UnitPattern {
    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitPattern {
    type Err = UnitError;

    fn from_str(pattern: &str) -> Result<Self, UnitError> {
        length(pattern)?;
        let allowed = |c: char| of_names(c) || matches!(c, '*' | '?' | '[' | ']' | '!' | '^');
        match pattern.char_indices().find(|(_, c)| !allowed(*c)) {
            Some((at, found)) => Err(UnitError::Character { found, at }),
            None => Ok(Self(pattern.into())),
        }
    }
}

impl From<&Unit> for UnitPattern {
    /// A pattern of just this unit: no name holds a character that means something.
    fn from(unit: &Unit) -> Self {
        Self(unit.name.clone())
    }
}

impl From<UnitType> for UnitPattern {
    /// All units of this type.
    fn from(kind: UnitType) -> Self {
        Self(format!("*.{}", kind.as_str()))
    }
}

impl UnitType {
    /// Every type.
    pub const ALL: [Self; 11] = [
        Self::Automount,
        Self::Device,
        Self::Mount,
        Self::Path,
        Self::Scope,
        Self::Service,
        Self::Slice,
        Self::Socket,
        Self::Swap,
        Self::Target,
        Self::Timer,
    ];

    /// As it stands at the end of names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automount => "automount",
            Self::Device => "device",
            Self::Mount => "mount",
            Self::Path => "path",
            Self::Scope => "scope",
            Self::Service => "service",
            Self::Slice => "slice",
            Self::Socket => "socket",
            Self::Swap => "swap",
            Self::Target => "target",
            Self::Timer => "timer",
        }
    }

    fn from_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == suffix)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for UnitPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UnitType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn length(text: &str) -> Result<(), UnitError> {
    match text.len() {
        0 => Err(UnitError::Empty),
        1..=MAX_NAME => Ok(()),
        long => Err(UnitError::Long(long)),
    }
}

fn of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> UnitError {
        name.parse::<Unit>().expect_err("is refused")
    }

    #[test]
    fn names_that_systemd_takes_are_taken() {
        for name in [
            "nginx.service",
            "getty@tty1.service",
            "a@b@c.service",
            "-.mount",
            "-.slice",
            "dev-disk-by\\x2duuid-1.device",
            "systemd-tmpfiles-clean.timer",
            "session-1.scope",
            "org.freedesktop.systemd1.busname.service",
            "a:b.socket",
        ] {
            let unit: Unit = name.parse().expect(name);
            assert_eq!(unit.as_str(), name);
            assert!(name.ends_with(unit.kind().as_str()));
        }
    }

    #[test]
    fn what_could_be_a_path_a_pattern_or_an_option_is_refused() {
        assert_eq!(refused("../x.service"), UnitError::Character { found: '/', at: 2 });
        assert_eq!(refused("a b.service"), UnitError::Character { found: ' ', at: 1 });
        assert_eq!(refused("a\n.service"), UnitError::Character { found: '\n', at: 1 });
        assert_eq!(refused("ä.service"), UnitError::Character { found: 'ä', at: 0 });
        assert_eq!(refused("ngin*.service"), UnitError::Pattern("ngin*.service".into()));
        assert_eq!(refused(""), UnitError::Empty);
        assert_eq!(refused("nginx"), UnitError::NoType("nginx".into()));
        assert_eq!(refused("nginx.exe"), UnitError::UnknownType("nginx.exe".into()));
        assert_eq!(refused(".service"), UnitError::NoPrefix(".service".into()));
        assert_eq!(refused("@a.service"), UnitError::NoPrefix("@a.service".into()));
        assert_eq!(refused("getty@.service"), UnitError::Template("getty@.service".into()));
        assert_eq!(refused(&format!("{}.service", "a".repeat(300))), UnitError::Long(308));
    }

    #[test]
    fn an_error_says_what_to_write_instead() {
        assert_eq!(
            refused("nginx").to_string(),
            "`nginx` has no type; if the service is meant, its name is `nginx.service`"
        );
    }

    #[test]
    fn a_pattern_of_a_unit_means_that_unit_alone() {
        let unit: Unit = "dev-a\\x2db.device".parse().expect("a name");
        assert_eq!(UnitPattern::from(&unit).as_str(), "dev-a\\x2db.device");
        assert_eq!(UnitPattern::from(UnitType::Timer).as_str(), "*.timer");
        assert!("ngin[!a]?*.service".parse::<UnitPattern>().is_ok());
        assert!("a/b*".parse::<UnitPattern>().is_err());
    }

    #[test]
    fn an_instance_knows_its_template() {
        let unit: Unit = "getty@tty1.service".parse().expect("a name");
        assert_eq!(unit.template().as_deref(), Some("getty@.service"));
        let unit: Unit = "nginx.service".parse().expect("a name");
        assert_eq!(unit.template(), None);
    }
}
