//! Secrets are replaced before a record exists: what stands in a journal stays
//! there for good.
//!
//! A secret becomes `[redacted sha256-salted:…]`, the digest of the record's
//! salt and the secret, so that the same secret shows as the same within one
//! record and nowhere else. What counts is a table of names and shapes
//! ([`patterns`]). Digests of contents that a record leaves out are salted, too:
//! a short content would be guessed, and the same one recognised. Over-long text is cut, so that one call cannot fill the disk.
//! Wrong guesses cost a word in a record, missed ones a secret: it redacts
//! rather more than less.

mod patterns;

use aws_lc_rs::rand;
use cofferdam_trust::{hex, sha256};
use serde_json::{Map, Value};

use crate::ending::Ending;
use crate::entry::{
    Approval, Call, Denial, Entry, Failure, Intent, Outcome, Peer, Policy, Subject,
};

use patterns::{is_secret_flag, is_secret_name};

/// Longer texts are cut to [`KEPT`].
const LONGEST: usize = 16 * 1024;
const KEPT: usize = 4 * 1024;
/// All texts of one record together.
const BUDGET: usize = 256 * 1024;
/// Values in one record.
const MAX_VALUES: usize = 8192;
/// Nesting of one action.
const MAX_DEPTH: usize = 48;

/// Replaces secrets for one record.
#[derive(Debug)]
pub(crate) struct Redactor {
    salt: String,
    used: bool,
    budget: usize,
    values: usize,
}

/// `text` as a record would have it.
pub fn redact_text(text: &str) -> String {
    Redactor::new().text(text)
}

/// `value` as a record would have it.
pub fn redact_value(value: Value) -> Value {
    Redactor::new().value(value, 0)
}

/// The entry without its secrets.
pub(crate) fn redact_entry(entry: Entry) -> Entry {
    let mut redactor = Redactor::new();
    match entry {
        Entry::Intent(Intent { call, rules, policy_digest, grant, gateway, approval }) => {
            let call = redactor.call(call);
            Entry::Intent(Intent { call, rules, policy_digest, grant, gateway, approval })
        }
        Entry::Denial(Denial { call, rules, reasons, policy_digest, gateway }) => {
            let reasons = redactor.texts(reasons);
            let call = redactor.call(call);
            Entry::Denial(Denial { call, rules, reasons, policy_digest, gateway })
        }
        Entry::Failure(Failure { call, reason, detail }) => {
            let detail = redactor.text(&detail);
            let call = redactor.call(call);
            Entry::Failure(Failure { call, reason, detail })
        }
        Entry::Outcome(outcome) => Entry::Outcome(redactor.outcome(outcome)),
        Entry::Approval(approval) => {
            let Approval { call, note, .. } = approval;
            let note = redactor.text(&note);
            let call = redactor.call(call);
            Entry::Approval(Approval { call, note, ..approval })
        }
        Entry::Policy(policy) => {
            let error = redactor.text(&policy.error);
            Entry::Policy(Policy { error, ..policy })
        }
        Entry::Peer(peer) => {
            let detail = redactor.text(&peer.detail);
            Entry::Peer(Peer { detail, ..peer })
        }
    }
}

impl Redactor {
    fn new() -> Self {
        let mut salt = [0; 16];
        // Without randomness the digest would tell: then nothing is shown of it.
        let salt = rand::fill(&mut salt).map_or_else(|_| String::new(), |()| hex(&salt));
        Self { salt, used: false, budget: BUDGET, values: MAX_VALUES }
    }

    fn call(&mut self, call: Call) -> Call {
        let Call {
            run_id,
            subject,
            project,
            host,
            session,
            tool,
            action,
            action_digest,
            shadow,
            policy_version,
            trace,
            salt: _,
        } = call;
        let mut call = Call {
            run_id: self.text(&run_id),
            subject: subject.map(|subject| self.subject(subject)),
            project: self.text(&project),
            host: self.text(&host),
            session: self.text(&session),
            tool: self.text(&tool),
            action: self.value(action, 0),
            action_digest,
            shadow,
            policy_version,
            trace,
            salt: String::new(),
        };
        call.salt = self.used_salt();
        call
    }

    fn subject(&mut self, subject: Subject) -> Subject {
        let Subject { user, groups, client, tenant, claims } = subject;
        let claims = claims.into_iter().map(|(name, values)| (name, self.texts(values))).collect();
        Subject { user, groups, client: self.text(&client), tenant, claims }
    }

    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        let Outcome {
            run_id,
            intent,
            ending,
            output_digest,
            usage,
            sandbox,
            moved,
            receipt,
            salt: _,
        } = outcome;
        let ending = self.ending(ending);
        let sandbox = sandbox.map(|sandbox| self.value(sandbox, 0));
        let salt = self.used_salt();
        Outcome { run_id, intent, ending, output_digest, usage, sandbox, moved, receipt, salt }
    }

    fn ending(&mut self, ending: Ending) -> Ending {
        match ending {
            Ending::DeniedBySandbox { detail } => {
                Ending::DeniedBySandbox { detail: self.text(&detail) }
            }
            Ending::FailedToStart { step, errno, detail } => {
                Ending::FailedToStart { step, errno, detail: self.text(&detail) }
            }
            Ending::Lost { reason } => Ending::Lost { reason: self.text(&reason) },
            Ending::Failed { reason, detail } => {
                Ending::Failed { reason, detail: self.text(&detail) }
            }
            Ending::Signalled { signal, name, sender, evidence } => {
                Ending::Signalled { signal, name, sender, evidence: self.text(&evidence) }
            }
            plain @ (Ending::Exited { .. }
            | Ending::TimedOut { .. }
            | Ending::OutOfMemory { .. }
            | Ending::LimitHit { .. }
            | Ending::Cancelled { .. }
            | Ending::GoesOn
            | Ending::Completed) => plain,
        }
    }

    /// The salt, if a digest in the record needs it.
    fn used_salt(&self) -> String {
        if self.used { self.salt.clone() } else { String::new() }
    }

    fn texts(&mut self, texts: Vec<String>) -> Vec<String> {
        texts.into_iter().map(|text| self.text(&text)).collect()
    }

    /// Replaces what looks like a secret, and cuts what is too long.
    fn text(&mut self, text: &str) -> String {
        let redacted = patterns::replace(text, &mut |secret| self.secret(secret));
        let allowed = if redacted.len() > LONGEST { KEPT } else { redacted.len() };
        let allowed = redacted.floor_char_boundary(allowed.min(self.budget));
        self.budget -= allowed;
        if allowed == redacted.len() {
            return redacted;
        }
        let digest = self.digest(&redacted);
        let cut = redacted.len() - allowed;
        format!("{}[cut {cut} bytes sha256-salted:{digest}]", &redacted[..allowed])
    }

    /// What stands for a secret.
    fn secret(&mut self, secret: &str) -> String {
        format!("[redacted sha256-salted:{}]", self.digest(secret))
    }

    fn digest(&mut self, text: &str) -> String {
        if self.salt.is_empty() {
            return "unavailable".to_owned();
        }
        self.used = true;
        hex(&sha256(&[self.salt.as_bytes(), text.as_bytes()].concat())[..16])
    }

    fn value(&mut self, value: Value, depth: usize) -> Value {
        if self.values == 0 || depth > MAX_DEPTH {
            return Value::from("[cut]");
        }
        self.values -= 1;
        match value {
            Value::String(text) => Value::from(self.text(&text)),
            // Canonical JSON has integers only.
            Value::Number(number) if number.is_f64() => Value::from(number.to_string()),
            Value::Array(items) => Value::from(self.items(items, depth)),
            Value::Object(fields) => Value::from(self.fields(fields, depth)),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    /// An array may be a command line: what follows `--password` is one.
    fn items(&mut self, items: Vec<Value>, depth: usize) -> Vec<Value> {
        let mut after_flag = false;
        let mut out = Vec::new();
        for item in items {
            if self.values == 0 {
                out.push(Value::from("[cut]"));
                break;
            }
            let flag = item.as_str().is_some_and(is_secret_flag);
            let next =
                if after_flag { self.hide(item, depth + 1) } else { self.value(item, depth + 1) };
            out.push(next);
            after_flag = flag;
        }
        out
    }

    fn fields(&mut self, fields: Map<String, Value>, depth: usize) -> Map<String, Value> {
        // `{"name": "API_TOKEN", "value": "…"}` names its value's kind itself.
        let named = ["name", "key", "header"]
            .iter()
            .any(|key| fields.get(*key).and_then(Value::as_str).is_some_and(is_secret_name));
        // `{"bytes": 8, "sha256": "…"}` stands for a content that a record leaves out.
        let stands_for_content = fields.contains_key("bytes") && fields.contains_key("sha256");
        let mut out = Map::new();
        for (key, field) in fields {
            if self.values == 0 {
                out.insert("[cut]".to_owned(), Value::Null);
                break;
            }
            if let (true, "sha256", Some(digest)) =
                (stands_for_content, key.as_str(), field.as_str())
            {
                out.insert("sha256-salted".to_owned(), Value::from(self.digest(digest)));
                continue;
            }
            let hidden = is_secret_name(&key) || (named && key == "value");
            let field =
                if hidden { self.hide(field, depth + 1) } else { self.value(field, depth + 1) };
            out.insert(self.text(&key), field);
        }
        out
    }

    /// Replaces every text and number within.
    fn hide(&mut self, value: Value, depth: usize) -> Value {
        if self.values == 0 || depth > MAX_DEPTH {
            return Value::from("[cut]");
        }
        self.values -= 1;
        match value {
            Value::String(text) => Value::from(self.secret(&text)),
            Value::Number(number) => Value::from(self.secret(&number.to_string())),
            Value::Array(items) => {
                items.into_iter().map(|item| self.hide(item, depth + 1)).collect()
            }
            Value::Object(fields) => {
                let mut out = Map::new();
                for (key, field) in fields {
                    out.insert(self.text(&key), self.hide(field, depth + 1));
                }
                Value::Object(out)
            }
            plain @ (Value::Null | Value::Bool(_)) => plain,
        }
    }
}
