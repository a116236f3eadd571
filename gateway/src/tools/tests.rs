use serde_json::Value;

use super::*;

fn schema(tool: &Tool) -> Value {
    Value::Object(tool.output_schema.as_deref().cloned().unwrap())
}

#[test]
fn the_tools_have_the_names_that_users_know() {
    let names: Vec<&str> = definitions().iter().map(|tool| &*tool.name).collect();
    assert_eq!(
        names,
        [
            "execute_command",
            "start_process",
            "read_process",
            "write_process",
            "resize_process",
            "signal_process",
            "wait_process",
            "list_processes",
            "read_file",
            "read_files",
            "write_file",
            "edit_file",
            "stat_file",
            "make_directory",
            "move_file",
            "copy_file",
            "delete_file",
            "list_directory",
            "search_files",
            "watch_files",
            "get_system_info",
            "check_command_exists",
            "read_service",
            "open_session",
            "list_sessions",
            "close_session",
            "list_hosts",
            "describe_access",
            "check_approval",
        ]
    );
}

#[test]
fn every_tool_has_title_description_schemas_and_all_four_hints() {
    for tool in definitions() {
        assert!(tool.title.is_some(), "{}", tool.name);
        assert!(tool.description.as_ref().unwrap().len() > 40, "{}", tool.name);
        assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
        assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
        let hints = tool.annotations.as_ref().unwrap();
        assert!(hints.read_only_hint.is_some(), "{}", tool.name);
        assert!(hints.destructive_hint.is_some(), "{}", tool.name);
        assert!(hints.idempotent_hint.is_some(), "{}", tool.name);
        assert!(hints.open_world_hint.is_some(), "{}", tool.name);
    }
}

#[test]
fn every_argument_is_described_for_a_model() {
    for tool in definitions() {
        let Some(Value::Object(properties)) = tool.input_schema.get("properties") else {
            assert!(["list_hosts", "list_sessions"].contains(&&*tool.name), "{}", tool.name);
            continue;
        };
        for (name, property) in properties {
            assert!(property.get("description").is_some(), "{}: {name}", tool.name);
        }
    }
}

#[test]
fn an_output_schema_allows_a_complete_answer_or_an_error() {
    for tool in definitions() {
        let schema = schema(tool);
        assert_eq!(schema["type"], "object", "{}", tool.name);
        let required = schema["anyOf"][0]["required"].as_array().unwrap();
        assert!(required.iter().any(|name| name == "run_id"), "{}: {required:?}", tool.name);
        assert_eq!(schema["anyOf"][1]["required"][0], "error", "{}", tool.name);
        assert!(schema["properties"]["error"].is_object(), "{}", tool.name);
    }
}

#[test]
fn only_looking_tools_say_that_they_only_read() {
    for tool in definitions() {
        let reads = tool.annotations.as_ref().unwrap().read_only_hint.unwrap();
        assert_eq!(
            reads,
            !matches!(
                &*tool.name,
                "execute_command"
                    | "start_process"
                    | "write_process"
                    | "resize_process"
                    | "signal_process"
                    | "write_file"
                    | "edit_file"
                    | "make_directory"
                    | "move_file"
                    | "copy_file"
                    | "delete_file"
                    | "open_session"
                    | "close_session"
            ),
            "{}",
            tool.name
        );
    }
}

#[test]
fn whatever_acts_on_a_host_takes_a_session_and_some_of_it_several_hosts() {
    for tool in definitions() {
        let takes = |argument| takes(&tool.name, argument);
        let looks = matches!(&*tool.name, "open_session" | "describe_access");
        assert_eq!(takes("session") && takes("host"), takes("host") && !looks, "{}", tool.name);
        assert_eq!(takes("hosts"), takes("host_labels"), "{}", tool.name);
        let several = schema(tool)["properties"]["results"].is_object();
        assert_eq!(takes("hosts"), several, "{}", tool.name);
    }
    assert!(takes("execute_command", "hosts") && !takes("write_file", "hosts"));
}

#[test]
fn elements_beyond_the_budget_are_left_out_and_that_is_said() {
    let (kept, cut) = within_budget(["aaaa", "bbbb", "cccc"].into_iter(), 13);
    assert_eq!((kept, cut), (vec!["aaaa", "bbbb"], true));
    assert_eq!(within_budget(["a"].into_iter(), 13), (vec!["a"], false));
}
