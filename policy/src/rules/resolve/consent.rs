//! `[rule.approval]`: who has to agree. What would let nobody or everybody
//! agree by mistake is refused.

use toml::Spanned;

use super::super::consent::Consent;
use super::super::raw::RawApproval;
use super::super::rule::Effect;
use super::Resolver;
use crate::approval::{Approvers, MAX_OPEN, MAX_PEOPLE};

impl Resolver<'_> {
    /// Only a rule that asks can say who has to agree.
    pub(super) fn consent(&mut self, effect: Effect, raw: Option<Spanned<RawApproval>>) -> Consent {
        let Some(raw) = raw else { return Consent::default() };
        if effect != Effect::Ask {
            let message = "only a rule with effect \"ask\" asks people; leave `approval` out";
            self.add(raw.span(), "approval", message);
        }
        let RawApproval { people, own, users, groups, session, open, attended } = raw.into_inner();
        let known = Consent::default();
        if let Some(people) = people.as_ref().filter(|it| !(1..=MAX_PEOPLE).contains(it.get_ref()))
        {
            let message = format!(
                "nobody, or too many, would have to agree; give a number from 1 to {MAX_PEOPLE}"
            );
            self.add(people.span(), "approval.people", message);
        }
        let longest = u64::try_from(MAX_OPEN.as_millis()).unwrap_or(u64::MAX);
        if let Some(open) = open.as_ref().filter(|it| !(1000..=longest).contains(&it.get_ref().0)) {
            self.add(
                open.span(),
                "approval.open",
                "it is too short or too long; give one second to seven days, such as \"1h\"",
            );
        }
        let own = own.unwrap_or(known.own);
        let people = people.map_or(known.people, Spanned::into_inner);
        if let Some(attended) = &attended
            && !(own && people == 1)
        {
            let message = "who sits at the client agrees to their own request, alone; that needs \
                           `own = true` and `people = 1`";
            self.add(attended.span(), "approval.attended", message);
        }
        Consent {
            people,
            own,
            approvers: Approvers {
                users: self.exact_names("approval.users", users),
                groups: self.exact_names("approval.groups", groups),
            },
            session: session.unwrap_or(known.session),
            open_seconds: open.map_or(known.open_seconds, |open| open.get_ref().0 / 1000),
            attended: attended
                .map(|clients| {
                    self.check_not_empty("approval.attended", &clients);
                    self.patterns("approval.attended", clients.into_inner())
                })
                .unwrap_or_default(),
        }
    }

    /// Names of people are exact: with a pattern, whoever may choose a name could
    /// become an approver.
    fn exact_names(
        &mut self,
        key: &str,
        names: Option<Spanned<Vec<Spanned<String>>>>,
    ) -> Vec<String> {
        let Some(names) = names else { return Vec::new() };
        self.check_not_empty(key, &names);
        let names = self.expand(key, names.into_inner());
        for name in &names {
            if name.get_ref().is_empty() || name.get_ref().contains(['*', '?']) {
                let message = "it is no exact name; patterns are not taken here";
                self.add(name.span(), key, message);
            }
        }
        names.into_iter().map(Spanned::into_inner).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Action, Call, Decision, Demand, Execute, Host, Project, RuleSet, Subject};

    const EXAMPLE: &str = include_str!("../../../../packaging/config/rules.toml");

    fn rules(approval: &str, effect: &str) -> Result<RuleSet, String> {
        let text = format!(
            "version = 1\n[[rule]]\nid = 'base'\neffect = 'allow'\nprograms = [{{ any = true }}]\n\
             [[rule]]\nid = 'push'\neffect = '{effect}'\nprograms = [{{ name = 'git' }}]\n\
             [rule.approval]\n{approval}\n"
        );
        RuleSet::parse(&[("rules.toml", &text)], [0; 32]).map_err(|error| error.to_string())
    }

    fn demand(rules: &RuleSet, user: &str, client: &str) -> Demand {
        let subject = Subject { user: user.into(), client: client.into(), ..Subject::default() };
        let call = Call {
            subject,
            project: Project { name: "website".into(), workspace: "/srv/cofferdam/website".into() },
            host: Host { name: "web-1".into(), ..Host::default() },
            tool: "execute_command".into(),
            action: Action::Execute(Execute::program("git", vec![b"push".into()])),
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        match rules.decide(call) {
            Decision::Ask(pending) => pending.asks()[0].demand.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_rule_says_of_approval_is_what_is_demanded() {
        let said = "people = 2\nusers = ['bob', 'eve']\nsession = false\nopen = '1h'";
        let demand = demand(&rules(said, "ask").unwrap(), "ann", "");
        assert_eq!((demand.people, demand.own, demand.session), (2, false, false));
        assert_eq!((demand.open_seconds, demand.attended), (3600, false));
        assert_eq!(demand.to_string(), "2 of bob, eve, not who asks");
    }

    #[test]
    fn a_client_is_attended_only_where_it_is_named() {
        let rules = rules("own = true\nattended = ['desk *']", "ask").unwrap();
        assert!(demand(&rules, "ann", "desk 1.0").attended);
        for client in ["", "desk", "my desk 1.0", "other"] {
            assert!(!demand(&rules, "ann", client).attended, "{client}");
        }
    }

    #[test]
    fn what_would_let_nobody_or_anybody_agree_by_mistake_is_refused() {
        for (approval, effect, part) in [
            ("people = 0", "ask", "number from 1 to 9"),
            ("people = 10", "ask", "number from 1 to 9"),
            ("open = '0s'", "ask", "one second to seven days"),
            ("open = '200h'", "ask", "one second to seven days"),
            ("users = []", "ask", "approval.users"),
            ("users = ['b*']", "ask", "exact name"),
            ("groups = ['']", "ask", "exact name"),
            ("attended = ['desk *']", "ask", "own = true"),
            ("own = true\npeople = 2\nattended = ['desk *']", "ask", "people = 1"),
            ("own = true\nattended = []", "ask", "approval.attended"),
            ("owner = true", "ask", "owner"),
            ("people = 1", "allow", "only a rule with effect"),
            ("people = 1", "deny", "only a rule with effect"),
        ] {
            let error = rules(approval, effect).unwrap_err();
            assert!(error.contains(part), "{approval}: {error}");
        }
    }

    #[test]
    fn the_example_says_who_has_to_agree() {
        let rules = RuleSet::parse(&[("rules.toml", EXAMPLE)], [0; 32]).unwrap();
        let demand = demand(&rules, "ann", "");
        assert_eq!(demand.to_string(), "1 of members of release, not who asks");
        // The attended client that is shown in a comment is one.
        let with = EXAMPLE.replace("own = false", "own = true").replace("# attended", "attended");
        RuleSet::parse(&[("rules.toml", &with)], [0; 32]).unwrap();
    }
}
