//! What a host says of the sandbox of a run, as the gateway's record of the
//! outcome keeps it: the same keys as in the host's own record, but without the
//! layers that held, and without what is empty.

use cofferdam_journal::Digest;
use cofferdam_proto::exec::v1::{Connection, Denial, Layer, Sandbox};
use serde_json::{Map, Value, json};

use crate::line::one_line;

/// Denials, connections and weak layers that a record holds of each; what is
/// beyond is counted.
const RECORDED: usize = 64;
/// Characters of one text.
const TEXT: usize = 1024;

/// For the record.
pub(crate) fn recorded(sandbox: &Sandbox) -> Value {
    let Sandbox {
        layers,
        kernel,
        profile,
        profile_digest,
        ceiling_digest,
        denials,
        denials_untold,
        denials_unseen,
        connections,
        connections_untold,
    } = sandbox;
    let weak = layers.iter().filter(|layer| !layer.effective);
    let unrecorded = |all: usize| all.saturating_sub(RECORDED) as u64;
    let beyond: u64 = denials.iter().skip(RECORDED).map(|denial| u64::from(denial.count)).sum();
    let fields = [
        ("kernel", text(kernel)),
        ("profile", text(profile)),
        ("profile_digest", digest(profile_digest)),
        ("ceiling_digest", digest(ceiling_digest)),
        ("weak_layers", weak.take(RECORDED).map(layer).collect()),
        ("denials", denials.iter().take(RECORDED).map(denial).collect()),
        ("denials_untold", denials_untold.saturating_add(beyond).into()),
        ("denials_unseen", text(denials_unseen)),
        ("connections", connections.iter().take(RECORDED).map(connection).collect()),
        (
            "connections_untold",
            connections_untold.saturating_add(unrecorded(connections.len())).into(),
        ),
    ];
    let told = fields.into_iter().filter(|(_, value)| !is_empty(value));
    Value::Object(told.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn layer(layer: &Layer) -> Value {
    let Layer { name, effective: _, detail } = layer;
    json!({ "name": text(name), "detail": text(detail) })
}

fn denial(denial: &Denial) -> Value {
    let Denial { layer, operation, object, count, setting, remedy } = denial;
    let mut told = json!({
        "layer": text(layer),
        "operation": text(operation),
        "object": text(object),
        "count": count,
        "setting": text(setting),
    });
    if !remedy.is_empty() {
        told["remedy"] = text(remedy);
    }
    told
}

fn connection(connection: &Connection) -> Value {
    let Connection { protocol, name, port, address, refused, sent_bytes, received_bytes } =
        connection;
    json!({
        "protocol": text(protocol),
        "name": text(name),
        "port": port,
        "address": text(address),
        "refused": text(refused),
        "sent": sent_bytes,
        "received": received_bytes,
    })
}

fn text(text: &str) -> Value {
    one_line(text, TEXT).into()
}

/// Bytes that are no digest are not told as one.
fn digest(bytes: &[u8]) -> Value {
    Digest::from_wire(bytes).map_or(Value::Null, |digest| digest.to_string().into())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Bool(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_held_and_what_is_empty_is_left_out() {
        let held = Layer { name: "seccomp".into(), effective: true, detail: String::new() };
        let weak = Layer { name: "cgroup".into(), effective: false, detail: "none here".into() };
        let sandbox = Sandbox {
            layers: vec![held, weak],
            kernel: "6.18.0".into(),
            profile: "build".into(),
            profile_digest: vec![7; 32],
            ceiling_digest: vec![1; 5],
            ..Sandbox::default()
        };
        let expected = json!({
            "kernel": "6.18.0",
            "profile": "build",
            "profile_digest": "07".repeat(32),
            "weak_layers": [{ "name": "cgroup", "detail": "none here" }],
        });
        assert_eq!(recorded(&sandbox), expected);
    }

    #[test]
    fn however_much_a_host_tells_the_record_stays_small_and_counts_the_rest() {
        let denial = Denial { object: "x".repeat(100_000), count: 3, ..Denial::default() };
        let connection = Connection { refused: "é\n".repeat(50_000), ..Connection::default() };
        let sandbox = Sandbox {
            denials: vec![denial; 1000],
            denials_untold: 5,
            connections: vec![connection; 1000],
            connections_untold: u64::MAX,
            ..Sandbox::default()
        };
        let recorded = recorded(&sandbox);
        assert_eq!(recorded["denials"].as_array().unwrap().len(), RECORDED);
        assert_eq!(recorded["denials_untold"], 5 + 3 * (1000 - 64));
        assert_eq!(recorded["connections_untold"], u64::MAX);
        let text = recorded.to_string();
        assert!(text.len() < 400_000 && !text.contains("\\n"), "{}", text.len());
    }
}
