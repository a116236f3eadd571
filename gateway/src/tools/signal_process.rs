//! `signal_process`: sends a process a signal, or ends it.

use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{RunSignal, RunSignalKind, RunSignalled};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::Provenance;
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::process::run_of;
use crate::record::RecordedIntent;
use crate::result::Answer;

const SIGNALS: [(&str, RunSignalKind); 11] = [
    ("HUP", RunSignalKind::Hup),
    ("INT", RunSignalKind::Int),
    ("QUIT", RunSignalKind::Quit),
    ("TERM", RunSignalKind::Term),
    ("KILL", RunSignalKind::Kill),
    ("USR1", RunSignalKind::Usr1),
    ("USR2", RunSignalKind::Usr2),
    ("CONT", RunSignalKind::Cont),
    ("STOP", RunSignalKind::Stop),
    ("TSTP", RunSignalKind::Tstp),
    ("WINCH", RunSignalKind::Winch),
];

pub(crate) struct SignalProcess;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle of the process.
    process: String,
    /// HUP, INT, QUIT, TERM, KILL, USR1, USR2, CONT, STOP, TSTP or WINCH, with or
    /// without SIG. KILL ends the process with everything that it started; the others
    /// go to the foreground of its terminal, or without one to its process group.
    signal: String,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    process: String,
    /// The signal that was sent.
    signal: &'static str,
    #[serde(flatten)]
    provenance: Provenance,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        None
    }
    fn host(&self) -> Option<&str> {
        None
    }
    fn process(&self) -> Option<&str> {
        Some(&self.process)
    }
}

impl HostTool for SignalProcess {
    type Input = Input;
    type Wire = RunSignal;
    type Output = Output;

    const ABOUT: About = About {
        name: "signal_process",
        title: "Signal a process",
        description: "Sends a signal to a process that you started: INT as ctrl-c does, TERM to \
             ask it to end, KILL to end it with everything that it started. wait_process then \
             tells how it ended.",
        effect: Effect::Executes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<RunSignal>, BadInput> {
        let Input { process, signal } = input;
        let name = signal.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        let Some((_, kind)) = SIGNALS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = SIGNALS.iter().map(|(name, _)| *name).collect();
            let message = format!("`signal` is none of {}", names.join(", "));
            return Err(BadInput::field("signal", message));
        };
        let wire = RunSignal { run_id: run_of(&process), signal: (*kind).into() };
        Ok(Asked { wire, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<RunSignal>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let RunSignalled { signal: _ } = answer;
        let sent = intent.action().signal();
        let answer = Output {
            process: crate::process::handle(job.host.name(), &intent.action().run_id),
            signal: SIGNALS.iter().find(|(_, kind)| *kind == sent).map_or("", |(name, _)| name),
            provenance: job.provenance,
        };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        format!("sent {} to {}", self.signal, self.process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(signal: &str) -> Result<RunSignalKind, BadInput> {
        let place = Place {
            project: "p".into(),
            host: "h".into(),
            labels: std::collections::BTreeMap::new(),
            layers: None,
            workspace: "/srv/p".into(),
        };
        let input = Input { process: "h/x".to_owned(), signal: signal.to_owned() };
        SignalProcess::ask(input, &place).map(|asked| asked.wire.signal())
    }

    #[test]
    fn signals_are_named_with_or_without_sig_and_others_are_refused() {
        assert_eq!(ask("int").unwrap(), RunSignalKind::Int);
        assert_eq!(ask("SIGKILL").unwrap(), RunSignalKind::Kill);
        for wrong in ["", "9", "SEGV", "SIGSIGINT"] {
            assert_eq!(ask(wrong).unwrap_err().field, "signal", "{wrong}");
        }
    }
}
