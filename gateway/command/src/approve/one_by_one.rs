//! All that waits, one after the other, in a terminal.

use std::process::ExitCode;

use cofferdam_gateway::approvals::{Request, Scope, State, Verdict, visible};
use cofferdam_gateway::client::{Answer, Approvals, ApprovalsError};

use super::proposal::propose;
use super::shown::{Shown, summary};
use super::terminal::Terminal;
use super::{ApproveError, may_be_for_session, outcome};

/// What somebody typed.
enum Choice {
    Answer {
        verdict: Verdict,
        scope: Scope,
        note: String,
    },
    /// Once, and a rule.
    Rule,
    Skip,
    Quit,
}

impl Choice {
    fn agreed(scope: Scope) -> Self {
        Self::Answer { verdict: Verdict::Approve, scope, note: String::new() }
    }
}

pub(super) async fn run(
    approvals: &Approvals,
    mut terminal: Terminal,
) -> Result<ExitCode, ApproveError> {
    let mut waiting = approvals.list(false).await?;
    // Who waits longest is first.
    waiting.reverse();
    if waiting.is_empty() {
        terminal.say("nothing waits for anybody to agree\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    for request in &waiting {
        terminal.say(&format!("{}\n", summary(request)))?;
    }
    for (index, listed) in waiting.iter().enumerate() {
        // Somebody else may have answered meanwhile.
        let request = approvals.get(&listed.id).await?;
        if request.state != State::Pending {
            terminal.say(&format!("\n{}: {} meanwhile\n", request.id, request.state.name()))?;
            continue;
        }
        let head = format!("\n{} of {}\n{}", index + 1, waiting.len(), Shown::of(&request));
        terminal.say(&head)?;
        let mut proposed = None;
        let choice = match choose(&mut terminal, &request)? {
            Choice::Rule => {
                proposed = Some(propose(&request));
                Choice::agreed(Scope::Once)
            }
            choice => choice,
        };
        match choice {
            Choice::Skip | Choice::Rule => {}
            Choice::Quit => break,
            Choice::Answer { verdict, scope, note } => {
                let binding = request.question.binding.clone();
                let answer = Answer { verdict, binding, scope, note };
                let told = match approvals.answer(&request.id, &answer).await {
                    Ok(request) => outcome(&request),
                    // Others can still be answered.
                    Err(refused @ ApprovalsError::Refused { .. }) => refused.to_string(),
                    Err(error) => return Err(error.into()),
                };
                terminal.say(&format!("{told}\n"))?;
                match proposed {
                    Some(Ok(rule)) => terminal.say(&format!("\n{rule}\n"))?,
                    Some(Err(why)) => terminal.say(&format!("no rule: {}\n", visible(&why)))?,
                    None => {}
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn choose(terminal: &mut Terminal, request: &Request) -> Result<Choice, ApproveError> {
    let session = may_be_for_session(request);
    let question = if session {
        "[y] agree once  [s] for the session  [r] once, and propose a rule  [n] refuse  \
         [Enter] skip  [q] quit: "
    } else {
        "[y] agree once  [r] once, and propose a rule  [n] refuse  [Enter] skip  [q] quit: "
    };
    loop {
        return Ok(match terminal.ask(question)?.as_deref() {
            None | Some("q") => Choice::Quit,
            Some("") => Choice::Skip,
            Some("y") => Choice::agreed(Scope::Once),
            Some("s") if session => Choice::agreed(Scope::Session),
            Some("r") => Choice::Rule,
            Some("n") => {
                let note = terminal.ask("why, for whoever asked [Enter: nothing]: ")?;
                let note = note.unwrap_or_default();
                Choice::Answer { verdict: Verdict::Refuse, scope: Scope::Once, note }
            }
            Some(_) => continue,
        });
    }
}
