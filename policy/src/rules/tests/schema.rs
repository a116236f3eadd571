//! The published schema says what the parser takes, neither more nor less.

use std::collections::BTreeSet;

use serde::de::value::{Error, MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::{Map, Value};

use super::super::condition::window::DAYS;
use super::super::file::KEYS;
use super::super::place::Mode;
use super::super::raw::*;
use super::super::rule::{Scope, Shell};
use super::EXAMPLE;
use crate::action::{Reading, TOOLS};
use crate::decision::Effect;
use crate::grant::{Limits, WorkspaceAccess};
use crate::rules::{LAYERS, PACKS};

fn schema() -> Value {
    serde_json::from_str(crate::SCHEMA).unwrap()
}

/// The words in backticks after «expected».
fn expected(error: &Error) -> BTreeSet<String> {
    let text = error.to_string();
    let (_, words) = text.split_once("expected").unwrap_or_else(|| panic!("{text}"));
    words.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys that a table of the language has.
fn keys<T: DeserializeOwned>() -> BTreeSet<String> {
    let odd = [("no such key", 1)].into_iter();
    expected(&T::deserialize(MapDeserializer::<_, Error>::new(odd)).err().unwrap())
}

/// The words that one value may be.
fn words<T: DeserializeOwned>() -> BTreeSet<String> {
    let odd: StrDeserializer<'_, Error> = "no such word".into_deserializer();
    expected(&T::deserialize(odd).err().unwrap())
}

/// What stands at a JSON pointer.
fn at(pointer: &str) -> Value {
    schema().pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing")).clone()
}

fn properties(pointer: &str) -> BTreeSet<String> {
    let Value::Object(object) = at(&format!("{pointer}/properties")) else { panic!("{pointer}") };
    object.keys().cloned().collect()
}

fn listed(pointer: &str) -> BTreeSet<String> {
    let Value::Array(list) = at(pointer) else { panic!("{pointer}") };
    list.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_schema_has_the_keys_of_the_parser() {
    for (pointer, keys) in [
        ("", KEYS.iter().map(|key| (*key).to_owned()).collect()),
        ("/$defs/rule", keys::<RawRule>()),
        ("/$defs/pack", keys::<RawPack>()),
        ("/$defs/subjects", keys::<RawSubjects>()),
        ("/$defs/hosts", keys::<RawHosts>()),
        ("/$defs/program", keys::<RawProgram>()),
        ("/$defs/opens", keys::<RawOpens>()),
        ("/$defs/path", keys::<RawPath>()),
        ("/$defs/argument_table", keys::<RawArgumentTable>()),
        ("/$defs/argument_table/properties/number", keys::<RawNumber>()),
        ("/$defs/valid", keys::<RawValid>()),
        ("/$defs/when", keys::<RawWhen>()),
        ("/$defs/approval", keys::<RawApproval>()),
        ("/$defs/grant", keys::<RawGrant>()),
        ("/$defs/grant/properties/limits", keys::<Limits>()),
        ("/$defs/test", keys::<RawTest>()),
        ("/$defs/call", keys::<RawCall>()),
    ] {
        assert_eq!(properties(pointer), keys, "{pointer}");
        assert_eq!(at(&format!("{pointer}/additionalProperties")), Value::Bool(false), "{pointer}");
    }
}

#[test]
fn the_schema_has_the_words_of_the_parser() {
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
    let packs: BTreeSet<String> = PACKS.iter().map(|pack| pack.name.to_owned()).collect();
    for (pointer, words) in [
        ("/$defs/rule/properties/effect/enum", words::<Effect>()),
        ("/$defs/rule/properties/scope/enum", words::<Scope>()),
        ("/$defs/rule/properties/shell/enum", words::<Shell>()),
        ("/$defs/path/properties/mode/enum", words::<Mode>()),
        ("/$defs/argument_table/properties/mode/enum", words::<Mode>()),
        ("/$defs/opens/properties/mode/enum", words::<Mode>()),
        ("/$defs/call/properties/what/enum", words::<Reading>()),
        ("/$defs/grant/properties/workspace_access/enum", words::<WorkspaceAccess>()),
        ("/$defs/rule/properties/tools/items/anyOf/0/enum", names(&TOOLS)),
        ("/$defs/call/properties/tool/enum", names(&TOOLS)),
        ("/$defs/rule/properties/require/items/anyOf/0/enum", names(&LAYERS)),
        ("/$defs/call/properties/layers/items/enum", names(&LAYERS)),
        ("/$defs/when/properties/days/items/enum", names(&DAYS.map(|(name, _)| name))),
        ("/properties/packs/items/enum", packs.clone()),
        ("/$defs/pack/properties/name/anyOf/0/enum", packs),
    ] {
        assert_eq!(listed(pointer), words, "{pointer}");
    }
}

#[test]
fn every_key_of_the_schema_is_described() {
    fn look(value: &Value, path: &str) {
        let Value::Object(object) = value else { return };
        if let Some(Value::Object(properties)) = object.get("properties") {
            for (key, value) in properties {
                assert!(value.get("description").is_some(), "{path}/{key}");
            }
        }
        object.iter().for_each(|(key, value)| look(value, &format!("{path}/{key}")));
    }
    look(&schema(), "");
}

#[test]
fn the_example_and_the_packs_are_valid_by_the_schema() {
    let texts = PACKS.iter().map(|pack| pack.text).chain([EXAMPLE]);
    for text in texts {
        let value: Value = toml::from_str(text).unwrap();
        let schema = schema();
        if let Err(problem) = validate(&schema, &schema, &value) {
            panic!("{problem}");
        }
    }
}

#[test]
fn what_the_parser_refuses_the_schema_refuses() {
    for bad in [
        "version = 2",
        "version = 1\ncolour = 1",
        "version = 1\nroles = { a = { user = [\"x\"] } }",
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"permit\"",
        "version = 1\n[[rule]]\nid = \"a\"",
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\nprograms = [{ name = \"a\", args = [3] }]",
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\nprograms = [{ name = \"a\", args = [{ rest = false }] }]",
        "version = 1\n[[rule]]\nid = \"a\"\neffect = \"deny\"\nwhen = { days = [\"monday\"] }",
        "version = 1\npacks = [\"no-such\"]",
    ] {
        let value: Value = toml::from_str(bad).unwrap();
        assert!(validate(&schema(), &schema(), &value).is_err(), "{bad}");
        assert!(super::parse(bad).is_err(), "{bad}");
    }
}

/// As much of JSON Schema as ours uses, `pattern` apart.
fn validate(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(schema) = schema else { return Ok(()) };
    let wrong = |what: &str| Err(format!("{what}: {value}"));
    if let Some(Value::String(name)) = schema.get("$ref") {
        return validate(root, root.pointer(&name[1..]).unwrap(), value);
    }
    if let Some(Value::Array(all)) = schema.get("anyOf")
        && !all.iter().any(|one| validate(root, one, value).is_ok())
    {
        return wrong("none of the alternatives");
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong("not the only value");
    }
    if let Some(Value::Array(all)) = schema.get("enum")
        && !all.contains(value)
    {
        return wrong("none of the words");
    }
    if !of_type(schema, value) {
        return wrong("of another type");
    }
    if let (Some(items), Value::Array(all)) = (schema.get("items"), value) {
        all.iter().try_for_each(|one| validate(root, items, one))?;
    }
    match value {
        Value::Object(object) => validate_object(root, schema, object),
        _ => Ok(()),
    }
}

fn of_type(schema: &Map<String, Value>, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    match schema.get("type") {
        None => true,
        Some(Value::Array(all)) => all.iter().any(|one| is(one.as_str().unwrap())),
        Some(one) => is(one.as_str().unwrap()),
    }
}

fn validate_object(
    root: &Value,
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
) -> Result<(), String> {
    for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !object.contains_key(key.as_str().unwrap()) {
            return Err(format!("{key} is missing"));
        }
    }
    let known = schema.get("properties").and_then(Value::as_object);
    for (key, value) in object {
        match (known.and_then(|known| known.get(key)), schema.get("additionalProperties")) {
            (Some(one), _) => validate(root, one, value).map_err(|it| format!("{key}: {it}"))?,
            (None, Some(Value::Bool(false))) => return Err(format!("{key} is unknown")),
            (None, Some(others)) => validate(root, others, value)?,
            (None, None) => {}
        }
    }
    Ok(())
}
