//! What a line that was typed in means.

use std::fmt;

use cofferdam_policy::{Action, Execute, Reading, Subject};

use super::super::asked::{Place, action_of};

/// Who asks and where, until a line says otherwise.
pub(super) struct Context {
    pub(super) place: Place,
    pub(super) subject: Subject,
}

/// What a line asks.
pub(super) struct Asked {
    pub(super) tool: &'static str,
    pub(super) action: Action,
}

impl Context {
    pub(super) fn new(place: Place, user: &str) -> Self {
        Self { place, subject: Subject { user: user.to_owned(), ..Subject::default() } }
    }

    /// Reads a line; `None` where it asks nothing.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(super) fn read(&mut self, line: &str) -> Result<Option<Asked>, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let asked = match line.strip_prefix("as ") {
            None => line,
            Some(rest) => {
                let (who, asked) =
                    rest.split_once(": ").unwrap_or((rest.trim_end_matches(':'), ""));
                self.change(who)?;
                asked.trim()
            }
        };
        match asked.strip_prefix(':') {
            _ if asked.is_empty() => Ok(None),
            Some(tool) => of_tool(tool).map(Some),
            None => {
                let action = Action::Execute(Execute::command_line(asked));
                Ok(Some(Asked { tool: "execute_command", action }))
            }
        }
    }

    /// Reads `USER[@HOST] [in PROJECT] [with GROUPS] [of TENANT] [by CLIENT]`.
    /// What is not said of the subject is nothing; where, stays as it was.
    fn change(&mut self, who: &str) -> Result<(), String> {
        const FORM: &str = "write `as USER[@HOST] [in PROJECT] [with GROUP,GROUP] [of TENANT] \
                            [by CLIENT]: LINE`";
        let mut words = who.split_whitespace();
        let user = words.next().ok_or(FORM)?;
        let (user, host) = user.split_once('@').map_or((user, None), |(user, at)| (user, Some(at)));
        let mut place = self.place.clone();
        let mut subject = Subject { user: user.to_owned(), ..Subject::default() };
        if let Some(host) = host {
            host.clone_into(&mut place.host);
        }
        while let Some(word) = words.next() {
            let value = words.next().ok_or(FORM)?;
            match word {
                "in" => value.clone_into(&mut place.project),
                "with" => subject.groups = value.split(',').map(str::to_owned).collect(),
                "of" => value.clone_into(&mut subject.tenant),
                "by" => value.clone_into(&mut subject.client),
                other => return Err(format!("`{other}` is not understood; {FORM}")),
            }
        }
        (self.place, self.subject) = (place, subject);
        Ok(())
    }
}

fn of_tool(text: &str) -> Result<Asked, String> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let tool = match word {
        "run" => {
            let mut words = rest.split_whitespace().map(|word| word.as_bytes().to_vec());
            let program = words.next().ok_or("give a program and its arguments after `:run`")?;
            let action = Action::Execute(Execute::program(program, words.collect()));
            return Ok(Asked { tool: "execute_command", action });
        }
        "read" => "read_file",
        "units" => return of_unit(Reading::List, rest),
        "status" => return of_unit(Reading::Status, rest),
        "journal" => return of_unit(Reading::Journal, rest),
        "write" => "write_file",
        "list" => "list_directory",
        "search" => "search_files",
        "look" => "check_command_exists",
        "info" => "get_system_info",
        "hosts" => "list_hosts",
        other => {
            return Err(format!(
                "`:{other}` is not understood; there are :run, :read, :write, :list, :search, \
                 :look, :info, :hosts, :units, :status and :journal"
            ));
        }
    };
    let object = (!rest.is_empty()).then(|| rest.as_bytes().to_vec());
    let action = action_of(tool, object, None)
        .map_err(|_| format!("give a path or a name after `:{word}`"))?;
    Ok(Asked { tool, action })
}

fn of_unit(what: Reading, unit: &str) -> Result<Asked, String> {
    if unit.is_empty() {
        return Err("give a unit, such as `nginx.service`, or after `:units` a glob".to_owned());
    }
    let action = Action::ReadService { what, unit: unit.to_owned() };
    Ok(Asked { tool: "read_service", action })
}

/// `ann@web-1 in shop`.
impl fmt::Display for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.subject.user.is_empty() { "nobody" } else { &self.subject.user })?;
        if !self.place.host.is_empty() {
            write!(out, "@{}", self.place.host)?;
        }
        if !self.place.project.is_empty() {
            write!(out, " in {}", self.place.project)?;
        }
        Ok(())
    }
}
