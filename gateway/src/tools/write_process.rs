//! `write_process`: types into a process, or feeds it bytes.

mod keys;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{RunInput, RunInputTaken};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::Provenance;
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::process::{handle, run_of};
use crate::record::RecordedIntent;
use crate::result::Answer;

/// Bytes of one call.
const MAX_INPUT: usize = 256 * 1024;
/// Keys of one call.
const MAX_KEYS: usize = 256;

pub(crate) struct WriteProcess;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle of a process that has a terminal or was started with `stdin_open`.
    process: String,
    /// Text to write, exactly as it is: no line end is added.
    text: Option<String>,
    /// Instead of `text`: bytes, in base64.
    base64: Option<String>,
    /// Keys to press after that, by name: enter, tab, escape, space, backspace, delete,
    /// insert, up, down, left, right, home, end, page-up, page-down, f1 to f12, ctrl-a
    /// to ctrl-z, alt-a to alt-z.
    keys: Option<Vec<String>>,
    /// The end of the input after that; on a terminal as ctrl-d at the start of a line.
    end: Option<bool>,
    /// Where this input begins in all that the process was given: bytes that were taken
    /// before are not taken again, so that the same call can be made twice. Default:
    /// where the input is.
    offset: Option<u64>,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    process: String,
    /// Bytes that were taken.
    written: u64,
    /// Bytes that did not fit, because the process does not read; write them again from
    /// `next_offset` on when it does.
    left_out: u64,
    /// Where the process's input is now.
    next_offset: u64,
    /// Bytes that the process has not read yet.
    waiting: u64,
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

impl HostTool for WriteProcess {
    type Input = Input;
    type Wire = RunInput;
    type Output = Output;

    const ABOUT: About = About {
        name: "write_process",
        title: "Write to a process",
        description: "Writes text, bytes or keys to the standard input or terminal of a process \
             that you started: answer a prompt with `text` and `keys: [\"enter\"]`, interrupt with \
             `keys: [\"ctrl-c\"]`, end the input with `end`. read_process then waits for what it \
             prints. Input is taken in order and each byte once.",
        effect: Effect::Executes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<RunInput>, BadInput> {
        let Input { process, text, base64, keys, end, offset } = input;
        let mut data = match (text, base64) {
            (Some(_), Some(_)) => {
                let message = "`text` and `base64` are both given; give one of them";
                return Err(BadInput::field("base64", message));
            }
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => BASE64_STANDARD
                .decode(base64)
                .map_err(|error| BadInput::field("base64", format!("`base64` is none: {error}")))?,
            (None, None) => Vec::new(),
        };
        let keys = keys.unwrap_or_default();
        if keys.len() > MAX_KEYS {
            let message = format!("`keys` has {} keys; at most {MAX_KEYS}", keys.len());
            return Err(BadInput::too_large("keys", message));
        }
        for (index, key) in keys.iter().enumerate() {
            data.extend(keys::bytes(key).ok_or_else(|| unknown_key(index, key))?);
        }
        if data.len() > MAX_INPUT {
            let message = format!(
                "the input has {} bytes; at most {MAX_INPUT} are taken at once: write the rest with \
                 another call",
                data.len()
            );
            return Err(BadInput::too_large("text", message));
        }
        let end = end.unwrap_or_default();
        if data.is_empty() && !end {
            let message = "nothing is written; give `text`, `base64`, `keys` or `end`";
            return Err(BadInput::field("text", message));
        }
        Ok(Asked { wire: RunInput { run_id: run_of(&process), offset, data, end }, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<RunInput>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let RunInputTaken { offset, bytes, waiting } = answer;
        let RunInput { run_id, data, .. } = intent.action();
        let answer = Output {
            process: handle(job.host.name(), run_id),
            written: bytes,
            left_out: (data.len() as u64).saturating_sub(bytes),
            next_offset: offset,
            waiting,
            provenance: job.provenance,
        };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

fn unknown_key(index: usize, key: &str) -> BadInput {
    let shown: String = key.chars().filter(|c| !c.is_control()).take(32).collect();
    let message = format!(
        "`{shown}` is no key; there are {}, f1 to f12, ctrl-a to ctrl-z and alt-a to alt-z; text \
         belongs into `text`",
        keys::NAMES.map(|(name, _)| name).join(", ")
    );
    BadInput::field(format!("keys[{index}]"), message)
}

impl Answer for Output {
    fn headline(&self) -> String {
        let Self { process, written, left_out, .. } = self;
        match left_out {
            0 => format!("wrote {written} bytes to {process}"),
            left_out => format!(
                "wrote {written} bytes to {process}; {left_out} did not fit, because it does not \
                 read them"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn ask(arguments: Value) -> Result<RunInput, BadInput> {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        let place = Place {
            project: "p".into(),
            host: "h".into(),
            labels: BTreeMap::new(),
            layers: None,
            workspace: "/srv/p".into(),
        };
        let input = crate::input::parse(Some(arguments))?;
        WriteProcess::ask(input, &place).map(|asked| asked.wire)
    }

    #[test]
    fn text_comes_before_keys() {
        let wire = ask(json!({"process": "h/r", "text": "yes", "keys": ["enter", "ctrl-c"]}));
        let wire = wire.unwrap();
        assert_eq!((wire.data.as_slice(), wire.run_id.as_str()), (&b"yes\r\x03"[..], "r"));
        assert!(!wire.end && wire.offset.is_none());
        let bytes = ask(json!({"process": "h/r", "base64": "AAH/", "end": true, "offset": 7}));
        let bytes = bytes.unwrap();
        assert_eq!((bytes.data, bytes.end, bytes.offset), (vec![0, 1, 255], true, Some(7)));
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_named() {
        for (arguments, field) in [
            (json!({"process": "h/r"}), "text"),
            (json!({"process": "h/r", "text": "a", "base64": "YQ=="}), "base64"),
            (json!({"process": "h/r", "base64": "%"}), "base64"),
            (json!({"process": "h/r", "keys": ["enter", "ctrl-1"]}), "keys[1]"),
            (json!({"process": "h/r", "text": "x".repeat(300_000)}), "text"),
            (json!({"process": "h/r", "keys": vec!["up"; 300]}), "keys"),
        ] {
            assert_eq!(ask(arguments).unwrap_err().field, field);
        }
    }
}
