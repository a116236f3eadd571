//! `cofferdam policy simulate`.

mod line;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::RuleSet;
use serde::Serialize;

use self::line::{Asked, Context};
use super::asked::Place;
use super::told::Told;
use super::{Files, PolicyError};
use crate::report::{Format, complain, settled, write_json};

const EXAMPLES: &str = "\
Try rules by hand:
  cofferdam policy simulate rules.toml

From a pipe:
  echo 'as ann@web-1 in shop: git log | head' | cofferdam policy simulate rules.toml

What a line can be:
  git log | head                      a shell command line
  :run git log -n 3                   a program with its arguments, without a shell
  :read PATH  :write PATH  :list PATH  :search PATH
  :units GLOB  :status UNIT  :journal UNIT   read_service
  :look PROGRAM  :info  :hosts        the other tools
  as USER[@HOST] [in PROJECT] [with GROUP,GROUP] [of TENANT] [by CLIENT]
                                      who asks from now on, and where
  as …: LINE                          the same, and what they ask
  # comment

Exits with 0, whatever is decided; with 2 when a line is none of these, or the files
cannot be read or are wrong.

--json, one object a line: {line, asker, host, project, action, effect, rules,
reason, explanation} or {line, error}";

/// The rules, and where calls are asked.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Rule files, taken together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Who asks, until a line says otherwise.
    #[arg(long, default_value = "")]
    user: String,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    line: &'a str,
    asker: String,
    host: &'a str,
    project: &'a str,
    action: String,
    #[serde(flatten)]
    told: Told,
    explanation: String,
}

#[derive(Debug, Serialize)]
struct Misread<'a> {
    line: &'a str,
    error: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let rules = Files::read(&arguments.files)?.parse()?;
    let mut context = Context::new(arguments.place.clone(), &arguments.user);
    let input = io::stdin();
    let prompts = input.is_terminal() && format == Format::Human;
    let mut out = io::stdout().lock();
    let mut understood = true;
    if prompts {
        complain("Type a command line, or `as ann@web-1 in shop: git log`. Ctrl-D ends.");
    }
    let mut lines = input.lock().lines();
    loop {
        if prompts && write!(out, "{context}> ").and_then(|()| out.flush()).is_err() {
            break;
        }
        let line = match lines.next() {
            None => break,
            Some(Ok(line)) => line,
            Some(Err(source)) => {
                return Err(PolicyError::Read { path: "standard input".into(), source });
            }
        };
        let written = match context.read(&line) {
            Ok(None) => Ok(()),
            Ok(Some(asked)) => answer(&mut out, &rules, &context, &line, asked, format),
            Err(error) => {
                understood = false;
                misread(&mut out, &line, error, format)
            }
        };
        if let Err(error) = written {
            return Ok(settled(Err(error)));
        }
    }
    let shown = settled(out.flush());
    Ok(if understood { shown } else { ExitCode::from(2) })
}

fn answer(
    out: &mut impl Write,
    rules: &RuleSet,
    context: &Context,
    line: &str,
    asked: Asked,
    format: Format,
) -> io::Result<()> {
    let Asked { tool, action } = asked;
    let call = context.place.call(context.subject.clone(), tool, action);
    let (who, action) = (call.subject.to_string(), call.action.to_string());
    let decision = rules.decide(call);
    let explanation = decision.explain();
    if format == Format::Human {
        return writeln!(out, "{}\n", explanation.trim_end());
    }
    let told = Told::of(&decision);
    let Place { host, project, .. } = &context.place;
    write_json(out, &Answer { line, asker: who, host, project, action, told, explanation })
}

fn misread(out: &mut impl Write, line: &str, error: String, format: Format) -> io::Result<()> {
    match format {
        Format::Human => {
            complain(&format!("cofferdam: {error}"));
            Ok(())
        }
        Format::Json => write_json(out, &Misread { line, error }),
    }
}
