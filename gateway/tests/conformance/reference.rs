//! The suite's server itself: every method that it asks for.
#![allow(deprecated, reason = "the suite tests what 2026-07-28 keeps for older clients")]

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    CompleteRequestParams, CompleteResult, ElicitRequest, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, Implementation, InitializeResult, InputRequiredResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ServerCapabilities, ServerConfig, ServerRequest,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{answers, asks};

/// Between two notifications of one call.
const PAUSE: Duration = Duration::from_millis(50);

/// The server; its copies share what changes.
#[derive(Clone, Default)]
pub(super) struct Reference {
    tools_changed: Arc<watch::Sender<()>>,
    prompts_changed: Arc<watch::Sender<()>>,
}

/// The SDK's type of what the suite asks for.
fn told<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(format!("the fixture is wrong: {error}"), None))
}

/// The same of a result, which is whole where it does not say otherwise.
fn result<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    if value.get("resultType").is_none() {
        value["resultType"] = json!("complete");
    }
    told(value)
}

fn tool_result(value: Value) -> Result<CallToolResponse, ErrorData> {
    if value["resultType"] == "input_required" {
        return Ok(told::<InputRequiredResult>(value)?.into());
    }
    Ok(result::<CallToolResult>(value)?.into())
}

fn capabilities(context: &RequestContext<RoleServer>) -> Value {
    serde_json::to_value(context.client_capabilities()).unwrap_or_default()
}

impl Reference {
    /// Tools that do something while they are called.
    async fn act(
        &self,
        tool: &str,
        arguments: &Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<Value, ErrorData> {
        let said = |text: &str| arguments[text].as_str().unwrap_or_default().to_owned();
        match tool {
            "test_tool_with_progress" => progress(context).await,
            "test_tool_with_logging" => log(context).await,
            // Nothing is logged for whom no level was set.
            "test_logging_tool" => Ok(answers::text("done")),
            "test_trigger_tool_change" => {
                self.tools_changed.send_replace(());
                Ok(answers::text("changed"))
            }
            "test_trigger_prompt_change" => {
                self.prompts_changed.send_replace(());
                Ok(answers::text("changed"))
            }
            "test_missing_capability" => {
                if capabilities(context)["sampling"].is_object() {
                    return Ok(answers::text("sampling is there"));
                }
                let lacking: ClientCapabilities = told(json!({ "sampling": {} }))?;
                Err(ErrorData::missing_required_client_capability(lacking))
            }
            "test_sampling" => sample(&said("prompt"), context).await,
            "test_elicitation" => {
                let schema = json!({
                    "type": "object",
                    "properties": {
                        "username": { "type": "string", "description": "User's response" },
                        "email": { "type": "string", "description": "User's email address" }
                    },
                    "required": ["username", "email"]
                });
                elicit("User response: ", &said("message"), schema, context).await
            }
            "test_elicitation_sep1034_defaults" => {
                elicit("Elicitation completed: ", "Defaults", defaults(), context).await
            }
            "test_elicitation_sep1330_enums" => {
                elicit("Elicitation completed: ", "Choices", choices(), context).await
            }
            other => Err(ErrorData::invalid_params(format!("there is no tool `{other}`"), None)),
        }
    }
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    for done in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let mut progress = ProgressNotificationParam::new(token, done);
            progress.total = Some(100.0);
            let _ = context.peer.notify_progress(progress).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(answers::text("done"))
}

async fn log(context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    for line in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let message = told(json!({ "level": "info", "data": line }))?;
        let _ = context.peer.notify_logging_message(message).await;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(answers::text("done"))
}

async fn sample(prompt: &str, context: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    let asked = told(json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "maxTokens": 100
    }))?;
    let answered = context.peer.create_message(asked).await;
    let answered = answered.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let answered = serde_json::to_value(answered).unwrap_or_default();
    let text = answered["content"]["text"].as_str().or(answered["content"][0]["text"].as_str());
    Ok(answers::text(&format!("LLM response: {}", text.unwrap_or_default())))
}

async fn elicit(
    before: &str,
    message: &str,
    schema: Value,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let form = told(json!({ "mode": "form", "message": message, "requestedSchema": schema }))?;
    let question = ServerRequest::ElicitRequest(ElicitRequest::new(form));
    let answered = context.peer.send_request(question).await;
    let answered = answered.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let answered = serde_json::to_value(answered).unwrap_or_default();
    let (action, form) = (answered["action"].as_str().unwrap_or_default(), &answered["content"]);
    Ok(answers::text(&format!("{before}action={action}, content={form}")))
}

fn defaults() -> Value {
    json!({ "type": "object", "properties": {
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true }
    } })
}

fn choices() -> Value {
    let titled = |first: &str, names: [&str; 3]| {
        let one = |(number, name): (usize, &str)| json!({ "const": format!("value{}", number + 1), "title": format!("{name} {first}") });
        names.into_iter().enumerate().map(one).collect::<Value>()
    };
    let plain = json!(["option1", "option2", "option3"]);
    json!({ "type": "object", "properties": {
        "untitledSingle": { "type": "string", "enum": plain },
        "titledSingle": {
            "type": "string", "oneOf": titled("Option", ["First", "Second", "Third"])
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"]
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
        "titledMulti": {
            "type": "array", "items": { "anyOf": titled("Choice", ["First", "Second", "Third"]) }
        }
    } })
}

impl ServerHandler for Reference {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        InitializeResult::new(capabilities).with_server_info(Implementation::new("fixture", "1"))
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut tools = self.tools_changed.subscribe();
        let mut prompts = self.prompts_changed.subscribe();
        loop {
            tokio::select! {
                _ = tools.changed() => {
                    let _ = context.sink().notify_tool_list_changed().await;
                }
                _ = prompts.changed() => {
                    let _ = context.sink().notify_prompt_list_changed().await;
                }
                () = context.cancelled() => return Ok(()),
            }
        }
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(told(answers::tools())?))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tools: Vec<Tool> = told(answers::tools()).ok()?;
        tools.into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let given = request.input_responses.unwrap_or_default();
        let (tool, state) = (&*request.name, request.request_state.as_deref());
        if let Some(answer) = answers::at_once(tool) {
            return tool_result(answer);
        }
        let asked = asks::answer(tool, &capabilities(&context), state, &given);
        let asked = asked.map_err(|asks::Tampered| {
            ErrorData::invalid_params("requestState is not ours", None)
        })?;
        if let Some(answer) = asked {
            return tool_result(answer);
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        tool_result(self.act(tool, &arguments, &context).await?)
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(told(answers::prompts())?))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let given = request.input_responses.unwrap_or_default();
        if request.name == "test_input_required_result_prompt" && given.is_empty() {
            return Ok(told::<InputRequiredResult>(asks::context())?.into());
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let prompt = answers::prompt(&request.name, &arguments)
            .ok_or_else(|| ErrorData::invalid_params("there is no such prompt", None))?;
        Ok(result::<GetPromptResult>(prompt)?.into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(told(answers::resources())?))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = json!([{
            "uriTemplate": "test://template/{id}/data",
            "name": "template",
            "mimeType": "application/json"
        }]);
        Ok(ListResourceTemplatesResult::with_all_items(told(template)?))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let resource = answers::resource(&request.uri)
            .ok_or_else(|| ErrorData::resource_not_found("there is no such resource", None))?;
        Ok(result::<ReadResourceResult>(resource)?.into())
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        result(
            json!({ "completion": { "values": ["paris", "park"], "total": 2, "hasMore": false } }),
        )
    }
}
