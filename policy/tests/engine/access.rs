//! What is told of what a caller may do never leaves out what they may.

use cofferdam_policy::Decision;
use proptest::prelude::*;

use crate::agreement::parse;
use crate::calls;
use crate::rules::{self, file};

proptest! {
    #![proptest_config(crate::cases(500))]

    #[test]
    fn a_tool_of_which_some_call_is_permitted_or_asked_about_could_be_used(
        rules in rules::some(10), calls in proptest::collection::vec(calls::call(), 16),
    ) {
        let set = parse(&file(&rules));
        for call in calls {
            let decision = set.decide(call.clone());
            let (subject, project, host) = (&call.subject, &call.project, &call.host);
            let could = set.could_use(subject, project, host, &call.tool, call.at);
            let access = set.access(subject, project, host, call.at);
            prop_assert_eq!(could, access.tools.contains(&call.tool.as_str()));
            if matches!(decision, Decision::Deny(_)) {
                continue;
            }
            prop_assert!(could, "{:?} for {:?}", decision, call);
            let told: Vec<&str> = access.may.iter().map(|one| one.rule.as_str()).collect();
            for rule in decision.rules() {
                prop_assert!(told.contains(&rule.as_str()), "{} is not in {}", rule, access);
            }
        }
    }
}
