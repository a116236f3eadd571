//! What holds for every pack, and for all of them together.
//!
//! Packs only allow, and a rule that is added never makes others permit less, so
//! that what all packs together deny is denied by any two of them.

use std::collections::BTreeSet;

use super::*;
use crate::action::{Action, Call, Execute};
use crate::decision::{Decision, Effect};
use crate::rules::rule::Shell;
use crate::rules::{Case, RuleSet};
use crate::warning::WarningKind;

mod opened;
mod traps;

/// The fewest tests of a pack, and the fewest of them that deny.
const FEWEST: (usize, usize) = (30, 20);

/// Profiles of all packs, which command lines across packs need in order.
const ORDER: &str = "profiles = [\"readonly\", \"default\", \"default-network\", \"build\", \
                     \"build-network\"]";

fn parse(pack: Pack) -> RuleSet {
    RuleSet::parse(&[(&pack.file(), pack.text)], [0; 32])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// All packs, as a rule file uses them.
fn all() -> RuleSet {
    let names = PACKS.map(|pack| format!("\"{}\"", pack.name)).join(", ");
    let text = format!("version = 1\n{ORDER}\npacks = [{names}]\n");
    RuleSet::parse(&[("rules.toml", &text)], [0; 32]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn permits(rules: &RuleSet, call: Call) -> bool {
    matches!(rules.decide(call), Decision::Permit(_))
}

/// The call of a case with another program and arguments.
fn with(case: &Case, execute: Execute) -> Call {
    Call { action: Action::Execute(execute), ..case.call().clone() }
}

/// Cases that permit a program with arguments.
fn permitted() -> Vec<(Case, String, Vec<Vec<u8>>)> {
    let cases = PACKS.into_iter().flat_map(|pack| parse(pack).cases().to_vec());
    let program = |case: Case| match case.call().action.clone() {
        Action::Execute(execute) if case.expect() == Effect::Allow && execute.script.is_none() => {
            Some((case, String::from_utf8(execute.program).ok()?, execute.arguments))
        }
        _ => None,
    };
    cases.filter_map(program).collect()
}

#[test]
fn every_pack_passes_its_own_tests_and_each_rule_has_one() {
    let mut wrong = Vec::new();
    for pack in PACKS {
        let rules = parse(pack);
        if let Err(failed) = rules.check_tests() {
            wrong.push(format!("{}: {failed:#?}", pack.name));
        }
        let missing = rules.coverage().missing;
        assert!(missing.is_empty(), "{}: no test of {missing:?}", pack.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_of_a_pack_only_allows_with_a_reason_and_a_profile() {
    for pack in PACKS {
        for rule in parse(pack).rules {
            let id = format!("{} {}", pack.name, rule.id);
            assert_eq!(rule.effect, Effect::Allow, "{id}");
            assert!(rule.reason.is_some_and(|reason| reason.len() > 20), "{id}");
            assert!(rule.gives.profile.is_some(), "{id}");
            assert_eq!(rule.selectors.count(), 0, "{id}: a use says for whom it is");
            assert!(rule.environment.is_none(), "{id}");
            assert!(rule.shell < Shell::Opaque, "{id}: nothing opaque is permitted");
        }
    }
}

#[test]
fn every_pack_has_many_tests_most_of_them_of_what_it_denies_and_says_what_it_closes() {
    for pack in PACKS {
        let rules = parse(pack);
        let denied = rules.cases().iter().filter(|case| case.expect() == Effect::Deny).count();
        assert!(rules.cases().len() >= FEWEST.0 && denied >= FEWEST.1, "{}", pack.name);
        let head: Vec<&str> = pack.text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(head.len() > 4, "{}", pack.name);
        let names: BTreeSet<&str> = rules.cases().iter().map(Case::name).collect();
        assert_eq!(names.len(), rules.cases().len(), "{}: a name twice", pack.name);
    }
}

#[test]
fn packs_are_in_the_order_of_their_names() {
    assert!(PACKS.is_sorted_by_key(|pack| pack.name));
}

#[test]
fn a_pack_that_permits_what_can_run_anything_says_so_and_check_warns_of_it() {
    for pack in PACKS {
        let rules = parse(pack);
        let warned = rules
            .warnings(jiff::Timestamp::UNIX_EPOCH)
            .into_iter()
            .filter(|warning| warning.kind == WarningKind::RunsAnything)
            .map(|warning| warning.message)
            .collect::<Vec<String>>();
        let says = pack.text.contains("this pack openly grants");
        assert_eq!(says, !warned.is_empty(), "{}: {warned:#?}", pack.name);
    }
}

#[test]
fn a_pack_that_only_looks_or_changes_files_names_its_programs_for_the_kernel() {
    for pack in PACKS.into_iter().filter(|pack| !pack.text.contains("this pack openly grants")) {
        for rule in parse(pack).rules.iter().filter(|rule| !rule.programs.is_empty()) {
            let named = !rule.gives.programs.to_texts().is_empty();
            assert!(named, "{} {}", pack.name, rule.id);
        }
    }
}

#[test]
fn all_packs_together_permit_no_trap() {
    let rules = all();
    let (case, ..) = permitted().remove(0);
    let call = |line: &str| {
        let mut words = line.split(' ').map(|word| word.replace('\u{b7}', " ").into_bytes());
        let program = words.next().unwrap_or_default();
        with(&case, Execute::program(program, words.collect()))
    };
    let open: Vec<&str> =
        traps::LINES.into_iter().filter(|line| permits(&rules, call(line))).collect();
    assert!(open.is_empty(), "{open:#?}");
}

#[test]
fn no_dangerous_word_fits_anywhere_into_what_is_permitted() {
    let rules = all();
    let (mut tried, mut open) = (0, Vec::new());
    for (case, program, arguments) in permitted() {
        let words = traps::WORDS.iter().filter(|(programs, _)| programs.contains(&&*program));
        for word in words.flat_map(|(_, words)| *words) {
            for at in 0..=arguments.len() {
                if traps::is_text(&program, &arguments[..at]) {
                    continue;
                }
                let mut more = arguments.clone();
                more.insert(at, word.as_bytes().to_vec());
                let action = Execute::program(&*program, more);
                let call = with(&case, action);
                tried += 1;
                let told = call.action.to_string();
                if permits(&rules, call) {
                    open.push(told);
                }
            }
        }
    }
    assert!(open.is_empty(), "{open:#?}");
    assert!(tried > 500, "{tried}");
}

#[test]
fn no_pack_lets_a_variable_be_set() {
    let rules = all();
    for (case, program, arguments) in permitted() {
        assert!(permits(&rules, case.call().clone()), "{}", case.name());
        for name in traps::VARIABLES {
            let mut execute = Execute::program(&*program, arguments.clone());
            execute.environment_names = BTreeSet::from([name.to_owned()]);
            assert!(!permits(&rules, with(&case, execute)), "{name} {}", case.name());
        }
    }
}

#[test]
fn what_a_pack_denies_is_only_permitted_with_others_where_one_of_them_permits_it_alone() {
    let together = all();
    let alone: Vec<RuleSet> = PACKS.into_iter().map(parse).collect();
    for (pack, rules) in PACKS.into_iter().zip(&alone) {
        let denied = rules.cases().iter().filter(|case| case.expect() == Effect::Deny);
        for case in denied.filter(|case| permits(&together, case.call().clone())) {
            // A command line may take its commands from several packs.
            let one = alone.iter().any(|other| permits(other, case.call().clone()));
            let line = matches!(&case.call().action, Action::Execute(it) if it.script.is_some());
            assert!(one || line, "{}: {}", pack.name, case.name());
        }
    }
}

#[test]
fn a_command_line_may_take_its_commands_from_several_packs_and_gets_the_programs_of_each() {
    let rules = all();
    let (case, ..) = permitted().remove(0);
    let line = Execute::command_line("git log --oneline | head -n 3");
    let Decision::Permit(permit) = rules.decide(with(&case, line)) else { panic!("denied") };
    let programs = permit.grant().programs.to_texts();
    assert!(programs.contains(&"/usr/bin/git".to_owned()), "{programs:?}");
    assert!(programs.contains(&"/usr/bin/head".to_owned()), "{programs:?}");
    assert!(programs.contains(&"/usr/bin/bash".to_owned()), "the shell of the line: {programs:?}");
    assert_eq!(permit.grant().profile, "readonly");
}
