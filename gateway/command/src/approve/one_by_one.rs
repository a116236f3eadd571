//! All that waits, one after the other, in a terminal.

use std::process::ExitCode;

use cofferdam_gateway::approvals::{Request, Scope, State, Verdict};
use cofferdam_gateway::client::{Answer, Approvals, ApprovalsError};

use super::shown::{Shown, summary};
use super::terminal::Terminal;
use super::{ApproveError, may_be_for_session, outcome};

/// What somebody typed.
enum Choice {
    Answer { verdict: Verdict, scope: Scope, note: String },
    Skip,
    Quit,
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
        match choose(&mut terminal, &request)? {
            Choice::Skip => {}
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
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn choose(terminal: &mut Terminal, request: &Request) -> Result<Choice, ApproveError> {
    let session = may_be_for_session(request);
    let question = if session {
        "[y] agree once  [s] agree for the session  [n] refuse  [Enter] skip  [q] quit: "
    } else {
        "[y] agree once  [n] refuse  [Enter] skip  [q] quit: "
    };
    loop {
        let agreed =
            |scope| Choice::Answer { verdict: Verdict::Approve, scope, note: String::new() };
        return Ok(match terminal.ask(question)?.as_deref() {
            None | Some("q") => Choice::Quit,
            Some("") => Choice::Skip,
            Some("y") => agreed(Scope::Once),
            Some("s") if session => agreed(Scope::Session),
            Some("n") => {
                let note = terminal.ask("why, for whoever asked [Enter: nothing]: ")?;
                let note = note.unwrap_or_default();
                Choice::Answer { verdict: Verdict::Refuse, scope: Scope::Once, note }
            }
            Some(_) => continue,
        });
    }
}
