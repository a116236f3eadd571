//! `[callers]`: whom the gateways may act for on this host.
//!
//! A subject is the gateway's claim, so this can only narrow: whoever is let
//! through gets what the rest of the ceiling gives and nothing more. Without
//! the table everybody is, for whom a gateway of `peers.gateways` vouches.
//! Who is refused here is refused before any plan is made.

use cofferdam_proto::intent::v1::Subject;
use serde::Deserialize;

use super::pattern::Pattern;

/// The most patterns of one list.
const MAX_PATTERNS: usize = 1024;
/// Characters of a name in a message.
const SHOWN: usize = 64;

/// Whom the gateways may act for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Table")]
pub struct Callers {
    /// `None`: not the user's name that lets somebody through.
    users: Option<Vec<Pattern>>,
    /// `None`: nor a group's.
    groups: Option<Vec<Pattern>>,
    /// `None`: of whichever tenant, and of none.
    tenants: Option<Vec<Pattern>>,
    /// Never these, whatever else names them.
    deny_users: Vec<Pattern>,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    users: Option<Vec<Pattern>>,
    groups: Option<Vec<Pattern>>,
    tenants: Option<Vec<Pattern>>,
    #[serde(default)]
    deny_users: Vec<Pattern>,
}

/// Why this host does not act for somebody. Each names the ceiling's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// Named as somebody to refuse.
    #[error(
        "this host acts for no user `{user}`: `callers.deny_users` of its ceiling has \
         `{pattern}`; only the host's owner can take that out"
    )]
    Denied {
        /// Who.
        user: String,
        /// What matched.
        pattern: Pattern,
    },
    /// Named by neither list.
    #[error(
        "this host does not act for the user `{user}`{groups}; its owner would write \
         `users = [\"{user}\"]`, or a group, under `[callers]` of its ceiling"
    )]
    Unknown {
        /// Who.
        user: String,
        /// Of which groups, in words.
        groups: String,
    },
    /// Of a tenant that is not named.
    #[error(
        "this host does not act for {tenant}; its owner would write `tenants = [\"NAME\"]` under \
         `[callers]` of its ceiling"
    )]
    Tenant {
        /// Which tenant's users, in words.
        tenant: String,
    },
    /// Nobody at all.
    #[error("this host acts for named callers only, and the gateway names none")]
    Nobody,
}

impl TryFrom<Table> for Callers {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let Table { users, groups, tenants, deny_users } = table;
        let lists = [users.as_ref(), groups.as_ref(), tenants.as_ref(), Some(&deny_users)];
        if lists.into_iter().flatten().any(|list| list.len() > MAX_PATTERNS) {
            return Err(format!("a list of callers has more than {MAX_PATTERNS} patterns"));
        }
        if users.is_none() && groups.is_none() && tenants.is_none() && deny_users.is_empty() {
            return Err("`[callers]` says nothing: name `users`, `groups`, `tenants` or \
                        `deny_users`, or take the table out to act for everybody"
                .to_owned());
        }
        Ok(Self { users, groups, tenants, deny_users })
    }
}

impl Callers {
    /// Whether the host acts for `subject` at all.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub fn admit(&self, subject: Option<&Subject>) -> Result<(), CallerError> {
        let Self { users, groups, tenants, deny_users } = self;
        if *self == Self::default() {
            return Ok(());
        }
        let subject = subject.filter(|subject| !subject.user.is_empty());
        let subject = subject.ok_or(CallerError::Nobody)?;
        let Subject { user, groups: member, tenant, client: _ } = subject;
        if let Some(pattern) = deny_users.iter().find(|pattern| pattern.matches(user)) {
            return Err(CallerError::Denied { user: shown(user), pattern: pattern.clone() });
        }
        let named = |list: &Vec<Pattern>, name: &str| list.iter().any(|it| it.matches(name));
        let by_name = users.as_ref().is_some_and(|users| named(users, user));
        let by_group = groups.as_ref().is_some_and(|list| member.iter().any(|it| named(list, it)));
        if (users.is_some() || groups.is_some()) && !by_name && !by_group {
            return Err(CallerError::Unknown { user: shown(user), groups: of_groups(member) });
        }
        match tenants {
            Some(tenants) if !named(tenants, tenant) => {
                Err(CallerError::Tenant { tenant: of_tenant(tenant) })
            }
            _ => Ok(()),
        }
    }

    /// For a person who looks at the host.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { users, groups, tenants, deny_users } = self;
        let list = |name: &str, list: &[Pattern]| {
            let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
            format!(
                "{name}: {}",
                if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
            )
        };
        let given = [("users", users), ("groups", groups), ("tenants", tenants)];
        let given = given.into_iter().filter_map(|(name, it)| Some(list(name, it.as_ref()?)));
        let never = (!deny_users.is_empty()).then(|| list("never", deny_users));
        let all: Vec<_> = given.chain(never).collect();
        if all.is_empty() { "whomever a gateway names".to_owned() } else { all.join("; ") }
    }

    /// Whether no caller can get through.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        let empty = |list: &Option<Vec<Pattern>>| list.as_ref().is_some_and(Vec::is_empty);
        let Self { users, groups, tenants, deny_users: _ } = self;
        let nobody_named = match (users, groups) {
            (Some(users), Some(groups)) => users.is_empty() && groups.is_empty(),
            _ => empty(users) || empty(groups),
        };
        nobody_named || empty(tenants)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

fn of_groups(groups: &[String]) -> String {
    const MOST: usize = 8;
    let names: Vec<_> =
        groups.iter().take(MOST).map(|group| format!("`{}`", shown(group))).collect();
    match groups.len() {
        0 => " without a group".to_owned(),
        1..=MOST => format!(" of the groups {}", names.join(", ")),
        more => format!(" of the groups {} and {} more", names.join(", "), more - MOST),
    }
}

fn of_tenant(tenant: &str) -> String {
    match tenant {
        "" => "users without a tenant".to_owned(),
        tenant => format!("users of the tenant `{}`", shown(tenant)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers(table: &str) -> Callers {
        toml::from_str(table).unwrap()
    }

    fn alice() -> Subject {
        Subject {
            user: "alice@example.org".to_owned(),
            groups: vec!["dev".to_owned(), "ops".to_owned()],
            client: "any".to_owned(),
            tenant: "acme".to_owned(),
        }
    }

    #[test]
    fn without_a_table_everybody_is_let_through() {
        assert_eq!(Callers::default().admit(Some(&alice())), Ok(()));
        assert_eq!(Callers::default().admit(None), Ok(()));
    }

    #[test]
    fn a_user_or_a_group_lets_through_and_a_tenant_narrows() {
        for table in [
            "users = ['alice@example.org']",
            "users = ['*@example.org']",
            "users = []\ngroups = ['ops']",
            "groups = ['d*']",
            "tenants = ['acme']",
            "users = ['alice*']\ntenants = ['*']\ndeny_users = ['bob']",
            "deny_users = ['bob*']",
        ] {
            assert_eq!(callers(table).admit(Some(&alice())), Ok(()), "{table}");
        }
    }

    #[test]
    fn who_is_not_named_is_refused_and_told_what_would_be_written() {
        for (table, words) in [
            ("users = []", "this host does not act for the user `alice@example.org` of the groups"),
            ("users = ['alice']", "its owner would write `users = [\"alice@example.org\"]`"),
            ("groups = ['admin']", "under `[callers]` of its ceiling"),
            ("tenants = []", "users of the tenant `acme`; its owner would write `tenants = "),
            ("users = ['*']\ntenants = ['other']", "users of the tenant `acme`"),
            ("users = ['*']\ndeny_users = ['alice*']", "`callers.deny_users` of its ceiling has"),
        ] {
            let refused = callers(table).admit(Some(&alice())).unwrap_err().to_string();
            assert!(refused.contains(words), "{table}: {refused}");
        }
    }

    #[test]
    fn a_gateway_that_names_nobody_and_a_user_without_a_tenant_match_no_star() {
        assert_eq!(callers("users = ['*']").admit(None), Err(CallerError::Nobody));
        let unnamed = Subject::default();
        assert_eq!(callers("deny_users = ['x']").admit(Some(&unnamed)), Err(CallerError::Nobody));
        let free = Subject { tenant: String::new(), ..alice() };
        let refused = callers("tenants = ['*']").admit(Some(&free)).unwrap_err().to_string();
        assert!(refused.contains("users without a tenant"), "{refused}");
    }

    #[test]
    fn a_hostile_name_is_cut_and_escaped_in_the_message() {
        let hostile = Subject { user: format!("a\n{}", "x".repeat(1000)), ..alice() };
        let refused = callers("users = []").admit(Some(&hostile)).unwrap_err().to_string();
        assert!(!refused.contains('\n') && refused.len() < 400, "{refused}");
    }

    #[test]
    fn an_empty_table_and_unknown_keys_are_errors() {
        for (table, words) in [
            ("", "says nothing"),
            ("user = ['a']", "unknown field `user`"),
            ("users = ['']", "is no pattern"),
            ("users = 'alice'", "invalid type"),
        ] {
            let refused = toml::from_str::<Callers>(table).unwrap_err().to_string();
            assert!(refused.contains(words), "{table}: {refused}");
        }
    }

    #[test]
    fn it_is_told_when_nobody_can_get_through() {
        for (table, nobody) in [
            ("users = []", true),
            ("users = []\ngroups = []", true),
            ("users = []\ngroups = ['a']", false),
            ("users = ['a']\ntenants = []", true),
            ("deny_users = ['a']", false),
        ] {
            assert_eq!(callers(table).is_nobody(), nobody, "{table}");
        }
        let told = callers("users = ['a', 'b']\ngroups = []\ndeny_users = ['c']").describe();
        assert_eq!(told, "users: a, b; groups: none; never: c");
    }
}
