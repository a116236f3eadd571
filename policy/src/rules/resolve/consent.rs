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
