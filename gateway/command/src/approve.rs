//! `cofferdam approve`: answers what waits for people to agree.
//!
//! Invariants: nobody agrees to what was not shown to them (unless they say
//! `--yes`), and each answer repeats the binding of what was shown. What a model
//! or a program chose is shown with nothing in it that a terminal would act on.
//! The credential comes from a file that only its owner can read.

mod credential;
mod one_by_one;
mod proposal;
mod shown;
mod terminal;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cofferdam_gateway::approvals::{Request, Scope, State, Verdict};
use cofferdam_gateway::client::{Answer, Approvals, ApprovalsError};
use serde::Serialize;

use crate::connection::{ConnectionError, Gateway, event_loop};
use crate::report::{Format, Report, complain, failure};
use credential::CredentialError;
use shown::{Listed, Shown};
use terminal::{Terminal, TerminalError};

const EXAMPLES: &str = "\
What waits, one after the other, in a terminal:
  cofferdam approve

One request, looked at first:
  cofferdam approve ap-0123456789ab
  cofferdam approve ap-0123456789ab --refuse --note 'not on a Friday'

The same call again and again, in the session that asked:
  cofferdam approve ap-0123456789ab --session

Once, and as a rule to be put into the rules by hand:
  cofferdam approve ap-0123456789ab --rule
  cofferdam approve ap-0123456789ab --rule-file agreed.toml

For scripts, without a question:
  cofferdam approve list --json
  cofferdam approve ap-0123456789ab --yes --json

The credential is one that `cofferdam token create NAME --approver --user USER`
made, in a file of mode 0600, by default ~/.config/cofferdam/approver-token. Keep
it where the user that coding agents run as cannot read it.

Exits with 0 when the answer counts, with 1 otherwise.";

const LIST_EXAMPLES: &str = "\
What waits:
  cofferdam approve list

What was answered, too:
  cofferdam approve list --all";

/// Which request, and what to say to it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    list: Option<Command>,
    #[command(flatten)]
    approvals: Access,
    /// The request, such as ap-0123456789ab. Default: all that wait, one by one.
    id: Option<String>,
    /// Refuses it. What was agreed to can be refused while it is not used up.
    #[arg(long, requires = "id", conflicts_with = "session")]
    refuse: bool,
    /// Agrees to the same call again and again, in the session that asked.
    #[arg(long, requires = "id")]
    session: bool,
    /// Agrees once, and prints the smallest rule for it.
    #[arg(long, requires = "id", conflicts_with_all = ["refuse", "session"])]
    rule: bool,
    /// The same, and puts the rule into a new file.
    #[arg(long, value_name = "FILE", requires = "id", conflicts_with_all = ["refuse", "session"])]
    rule_file: Option<PathBuf>,
    /// Says this to whoever asked.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "id",
        default_value = "",
        hide_default_value = true
    )]
    note: String,
    /// Does not show it and ask first.
    #[arg(long, requires = "id")]
    yes: bool,
}

/// What else there is.
#[derive(Debug, Subcommand)]
enum Command {
    /// Lists what waits.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        approvals: Access,
        /// What was answered or ran out of time, too.
        #[arg(long)]
        all: bool,
    },
}

/// Which gateway, and as whom.
#[derive(Debug, Args)]
struct Access {
    #[command(flatten)]
    gateway: Gateway,
    /// A file with an approver's token, readable by nobody else. Default:
    /// ~/.config/cofferdam/approver-token.
    #[arg(long, env = "COFFERDAM_CREDENTIAL_FILE", value_name = "FILE")]
    credential_file: Option<PathBuf>,
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApproveError {
    /// No gateway to ask.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// No credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The gateway refuses, or does not answer.
    #[error(transparent)]
    Approvals(#[from] ApprovalsError),
    /// Nobody can be asked.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// It was over before.
    #[error("the request `{id}` is {state} already; nothing was changed")]
    Over {
        /// Which.
        id: String,
        /// How it ended.
        state: &'static str,
    },
    /// More than a rule allows.
    #[error("a rule allows to agree to `{0}` once only; leave `--session` out")]
    OnceOnly(String),
    /// The rule's file.
    #[error("cannot make the file `{path}` for the rule, so nothing was answered: {source}")]
    RuleFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No rule.
    #[error("nothing was answered, because no rule can name exactly this: {0}")]
    NoRule(String),
    /// The event loop, or the terminal.
    #[error("cannot go on: {0}")]
    Io(#[from] io::Error),
}

/// What came of an answer.
#[derive(Debug, Serialize)]
struct Answered {
    approval: Request,
    /// The rule that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    approve(arguments, format).unwrap_or_else(|error| {
        failure(&error, format);
        ExitCode::FAILURE
    })
}

fn approve(arguments: Arguments, format: Format) -> Result<ExitCode, ApproveError> {
    let Arguments { list, approvals, id, refuse, session, rule, rule_file, note, yes } = arguments;
    if let Some(Command::List { approvals, all }) = list {
        let approvals = approvals.open()?;
        let requests = event_loop()?.block_on(approvals.list(all))?;
        return Ok(format.show(&Listed { approvals: requests }));
    }
    let approvals = approvals.open()?;
    let Some(id) = id else {
        return event_loop()?.block_on(one_by_one::run(&approvals, Terminal::open()?));
    };
    let rule = rule || rule_file.is_some();
    let wish = Wish { verdict: verdict(refuse), scope: scope(session), note, rule, rule_file };
    let answered = event_loop()?.block_on(one(&approvals, &id, wish, yes, format))?;
    if let Some(answered) = answered {
        return Ok(format.show(&answered));
    }
    complain("cofferdam: nothing was answered");
    Ok(ExitCode::FAILURE)
}

/// What somebody wants to say.
struct Wish {
    verdict: Verdict,
    scope: Scope,
    note: String,
    /// The smallest rule for it, too.
    rule: bool,
    /// Where to.
    rule_file: Option<PathBuf>,
}

fn verdict(refuse: bool) -> Verdict {
    if refuse { Verdict::Refuse } else { Verdict::Approve }
}

fn scope(session: bool) -> Scope {
    if session { Scope::Session } else { Scope::Once }
}

/// Answers one request; none: on a second thought, not.
async fn one(
    approvals: &Approvals,
    id: &str,
    wish: Wish,
    yes: bool,
    format: Format,
) -> Result<Option<Answered>, ApproveError> {
    let Wish { verdict, scope, note, rule, rule_file } = wish;
    let request = approvals.get(id).await?;
    let takes_back = request.state == State::Approved && verdict == Verdict::Refuse;
    if request.state != State::Pending && !takes_back {
        return Err(ApproveError::Over { id: request.id, state: request.state.name() });
    }
    if scope == Scope::Session && !may_be_for_session(&request) {
        return Err(ApproveError::OnceOnly(request.id));
    }
    // Who refuses without having looked does no harm.
    if !yes && verdict == Verdict::Approve {
        let mut terminal = Terminal::open()?;
        if format == Format::Json {
            return Err(TerminalError::Nobody.into());
        }
        terminal.say(&Shown::of(&request).to_string())?;
        let what = match scope {
            Scope::Once => "Agree to exactly this, once? [y/N] ",
            Scope::Session => "Agree to exactly this, for the rest of the session? [y/N] ",
        };
        if terminal.ask(what)?.as_deref() != Some("y") {
            return Ok(None);
        }
    }
    let rule =
        rule.then(|| proposal::propose(&request)).transpose().map_err(ApproveError::NoRule)?;
    // First, so that nobody agrees for a rule that cannot be kept.
    let made = match (&rule, rule_file) {
        (Some(rule), Some(path)) => Some(write_rule(path, rule)?),
        _ => None,
    };
    let binding = request.question.binding;
    let answer = Answer { verdict, binding, scope, note };
    let answered = approvals.answer(id, &answer).await;
    if let (Err(_), Some(path)) = (&answered, &made) {
        // Nobody agreed to what it says; that comes before what becomes of it.
        let _ = std::fs::remove_file(path);
    }
    Ok(Some(Answered { approval: answered?, rule }))
}

/// Makes the file, whole or not at all.
fn write_rule(path: PathBuf, rule: &str) -> Result<PathBuf, ApproveError> {
    let written = File::create_new(&path).and_then(|mut file| {
        file.write_all(rule.as_bytes()).inspect_err(|_| {
            let _ = std::fs::remove_file(&path);
        })
    });
    match written {
        Ok(()) => Ok(path),
        Err(source) => Err(ApproveError::RuleFile { path, source }),
    }
}

/// Whether all rules that ask let people agree for a session.
fn may_be_for_session(request: &Request) -> bool {
    request.question.demands.iter().all(|demand| demand.session)
}

impl Access {
    fn open(self) -> Result<Approvals, ApproveError> {
        let Self { gateway, credential_file } = self;
        let token = credential::read(credential_file)?;
        Ok(Approvals::new(gateway.with_token(token)?)?)
    }
}

impl Report for Answered {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.rule {
            // The rule alone, so that it can go into a file.
            Some(rule) => {
                complain(&outcome(&self.approval));
                write!(out, "{rule}")
            }
            None => writeln!(out, "{}", outcome(&self.approval)),
        }
    }
}

/// What came of it, in a line.
fn outcome(request: &Request) -> String {
    let id = &request.id;
    match request.state {
        State::Pending => format!("{id}: agreed; it waits for {} more", request.missing()),
        State::Approved | State::Used => format!("{id}: agreed; it can be done now"),
        state => format!("{id}: {}", state.name()),
    }
}
