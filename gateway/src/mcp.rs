//! The MCP face: what this server says of itself, its tools, and the way from a
//! protocol message to a [`Call`].
//!
//! Both eras of the protocol arrive here alike: requests of a session that
//! began with `initialize`, and requests of 2026-07-28 that carry everything
//! themselves.

mod changes;
mod hosts_changed;
mod subscribed;
mod tasks;

use std::sync::Arc;

use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorCode, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, InitializeResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::call::{Call, Origin};
use crate::caller::Caller;
use crate::completion;
use crate::elicit::{Again, Person};
use crate::gateway::Gateway;
use crate::http::{SESSION, STATELESS};
use crate::pipeline;
use crate::progress::Progress;
use crate::prompts;
use crate::resources;
use crate::tools::{definitions, offered};
use crate::trace::{self, TraceContext};
use subscribed::Subscribed;
pub(crate) use tasks::{MOMENT, RunTask, now, of_run, task_of};

/// Characters of a client's name that are kept.
const MAX_CLIENT: usize = 128;

const INSTRUCTIONS: &str = "Cofferdam runs commands and works on files of real Linux hosts, each \
    call in a sandbox, by rules that the hosts' owners and the platform team wrote, and records \
    every call. Start with list_hosts to see hosts and projects; without `host` and `project` the \
    defaults are used. Relative paths start at the project's workspace. A refusal says which rule \
    refused and what is allowed instead: do that, or ask the person you work for; trying the same \
    in another way will be refused too. describe_access tells what you may do.";

/// Serves MCP requests.
#[derive(Debug)]
pub(crate) struct Mcp {
    gateway: Arc<Gateway>,
    /// What its session is subscribed to.
    subscribed: Subscribed,
}

impl Mcp {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, subscribed: Subscribed::default() }
    }
}

impl ServerHandler for Mcp {
    fn get_info(&self) -> ServerConfig {
        let server = Implementation::new("cofferdam", env!("CARGO_PKG_VERSION"))
            .with_title("Cofferdam gateway");
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_tasks()
            .build();
        InitializeResult::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    /// Resources that the caller may not hear of have left the request already: see
    /// [`crate::http`].
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let origin = origin(context.request_context(), "subscriptions/listen".to_owned())?;
        changes::listen(&self.gateway, &origin, &context).await
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let parts = context.extensions.get::<Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Arc<Caller>>()).cloned();
        if let Some(caller) = caller {
            let info = context.peer.peer_info();
            let info = info.as_ref().map(|info| &info.client_info);
            let client = info.map(|info| name_of(&info.name, &info.version)).unwrap_or_default();
            let origin = to_be_told(caller, client);
            tokio::spawn(changes::tell(Arc::clone(&self.gateway), origin, context.peer));
        }
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        only_page(page)?;
        let origin = origin(&context, String::new())?;
        Ok(ListToolsResult::with_all_items(offered(&self.gateway, &origin)))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        definitions().iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let origin = origin(&context, request.name.into_owned())?;
        let again = Again::new(request.request_state, request.input_responses);
        let again = again.map_err(|bad| {
            self.gateway.recorder().failure(&origin, "INVALID_REQUEST", &bad.to_string());
            ErrorData::invalid_params(bad.to_string(), None)
        })?;
        let progress = match context.meta.get_progress_token() {
            Some(token) => Progress::tell(context.peer.clone(), token),
            None => Progress::silent(),
        };
        let person = Person::of(&context, is_in_session(&context), again);
        let takes_task = tasks::are_taken(&context);
        let (arguments, cancelled) = (request.arguments, context.ct);
        let budget = self.gateway.config().limits.result_bytes.get();
        let call = Call {
            origin,
            arguments,
            profile: None,
            budget,
            cancelled,
            progress,
            person,
            takes_task,
        };
        let span = trace::span(&call.origin.run_id, call.origin.trace.as_ref());
        pipeline::serve(&self.gateway, call).instrument(span).await
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        only_page(page)?;
        let origin = origin(&context, String::new())?;
        Ok(ListPromptsResult::with_all_items(prompts::offered(&self.gateway, &origin)))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let origin = origin(&context, "prompts/get".to_owned())?;
        let prompt = prompts::get(&self.gateway, &origin, &request.name, request.arguments);
        prompt.map(GetPromptResponse::from)
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let origin = origin(&context, "resources/list".to_owned())?;
        let cursor = page.and_then(|page| page.cursor);
        resources::list::list(&self.gateway, &origin, cursor.as_deref(), &context.ct).await
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        only_page(page)?;
        let origin = origin(&context, String::new())?;
        let templates = resources::templates::offered(&self.gateway, &origin);
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let origin = origin(&context, "resources/read".to_owned())?;
        let read = resources::read::read(&self.gateway, &origin, &request.uri, &context.ct);
        read.await.map(ReadResourceResponse::from)
    }

    #[allow(deprecated, reason = "clients of the revisions before 2026-07-28 subscribe so")]
    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let origin = origin(&context, "resources/subscribe".to_owned())?;
        if !is_in_session(&context) {
            let message = "there is no way to tell you of changes without a session: `initialize` \
                           one first, or use subscriptions/listen of 2026-07-28";
            return Err(ErrorData::invalid_request(message, None));
        }
        self.subscribed.add(&self.gateway, &origin, &request.uri, context.peer).await
    }

    #[allow(deprecated, reason = "clients of the revisions before 2026-07-28 do it so")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribed.remove(&request.uri);
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let origin = origin(&context, "completion/complete".to_owned())?;
        completion::complete(&self.gateway, &origin, request, &context.ct).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let call = tasks::question(&self.gateway, &context, "tasks/get", &request.task_id)?;
        tasks::get(&self.gateway, call, &request.task_id).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let call = tasks::question(&self.gateway, &context, "tasks/update", &request.task_id)?;
        tasks::update(&self.gateway, call, &request.task_id).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let call = tasks::question(&self.gateway, &context, "tasks/cancel", &request.task_id)?;
        tasks::cancel(&self.gateway, call, &request.task_id).await
    }

    /// Gets every request that is none of MCP's, and also a `tools/call` whose
    /// parameters are not of its shape.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let error = custom_request_error(&request, is_stateless(&context));
        let name = request.params.as_ref().and_then(|params| params.get("name"));
        let tool = name.and_then(|name| name.as_str()).unwrap_or(&request.method);
        let origin = origin(&context, tool.chars().take(MAX_CLIENT).collect())?;
        self.gateway.recorder().failure(&origin, "INVALID_REQUEST", &error.message);
        Err(error)
    }
}

/// Lists that have one page: a cursor for another is none of ours.
fn only_page(page: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor) {
        None => Ok(()),
        Some(_) => Err(resources::list::no_cursor()),
    }
}

fn no_method(method: &str) -> ErrorData {
    ErrorData::new(
        ErrorCode::METHOD_NOT_FOUND,
        format!("there is no method `{method}`; server/discover or initialize tells what there is"),
        None,
    )
}

/// Whether the request is of the revision that has no `initialize`, or a later one.
fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    let parts = context.extensions.get::<Parts>();
    let version = parts.and_then(|parts| parts.headers.get("mcp-protocol-version"));
    version.and_then(|version| version.to_str().ok()).is_some_and(|version| version >= STATELESS)
}

/// Whether the request names a session; only one of the caller's own is still
/// named here.
fn is_in_session(context: &RequestContext<RoleServer>) -> bool {
    let parts = context.extensions.get::<Parts>();
    parts.is_some_and(|parts| parts.headers.contains_key(SESSION))
}

fn custom_request_error(request: &CustomRequest, stateless: bool) -> ErrorData {
    let CustomRequest { method, params, .. } = request;
    match method.as_str() {
        "tools/call"
        | "tools/list"
        | "resources/list"
        | "resources/templates/list"
        | "resources/read"
        | "prompts/list"
        | "prompts/get"
        | "completion/complete" => {}
        "initialize" | "resources/subscribe" | "resources/unsubscribe" if !stateless => {}
        _ => return no_method(method),
    }
    let problem = match params {
        None => "it has no `params`",
        Some(params) if method == "tools/call" => {
            match (params.get("name"), params.get("arguments")) {
                (None, _) => "`params.name` is missing; tools/list shows the names",
                (Some(name), _) if !name.is_string() => "`params.name` must be a string",
                (_, Some(arguments)) if !arguments.is_object() => {
                    "`params.arguments` must be an object, with one member for each argument"
                }
                _ => "its `params` have a member of a wrong type",
            }
        }
        Some(_) => "its `params` have a member of a wrong type",
    };
    ErrorData::invalid_params(format!("the `{method}` request is not right: {problem}"), None)
}

/// Who calls. The caller was put there by [`crate::http`]; a request without one
/// never gets here.
fn authenticated(
    context: &RequestContext<RoleServer>,
) -> Result<(&Parts, &Arc<Caller>), ErrorData> {
    let parts = context.extensions.get::<Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<Arc<Caller>>());
    let nobody = || ErrorData::internal_error("the request was not authenticated", None);
    parts.zip(caller).ok_or_else(nobody)
}

/// Who calls and from where.
fn origin(context: &RequestContext<RoleServer>, tool: String) -> Result<Origin, ErrorData> {
    let (parts, caller) = authenticated(context)?;
    // Only a session that is the caller's own is still named here.
    let session = parts.headers.get(SESSION).and_then(|value| value.to_str().ok());
    Ok(Origin {
        // Random all over: it is the secret part of a process's handle, too.
        run_id: uuid::Uuid::new_v4().to_string(),
        caller: Arc::clone(caller),
        client: client(context, session.is_some()),
        session: match session {
            Some(session) => session.to_owned(),
            // Two people's tokens may be for users of the same name.
            None => format!("token/{}", caller.token_id),
        },
        tool,
        trace: TraceContext::of(&context.meta),
    })
}

/// The client as it introduced itself: in the request, or when it opened the
/// session that the request belongs to.
fn client(context: &RequestContext<RoleServer>, in_session: bool) -> String {
    let introduced = if in_session { context.client_info() } else { context.meta.client_info() };
    introduced.map(|info| name_of(&info.name, &info.version)).unwrap_or_default()
}

fn name_of(name: &str, version: &str) -> String {
    let text = format!("{name} {version}");
    text.trim().chars().filter(|c| !c.is_control()).take(MAX_CLIENT).collect()
}

/// Who listens, by a request that the protocol layer has not seen yet.
pub(crate) fn listener(caller: &Arc<Caller>, request: &Value) -> Origin {
    let info = request.pointer("/params/_meta/io.modelcontextprotocol~1clientInfo");
    let said = |name: &str| info.and_then(|info| info.get(name)?.as_str()).unwrap_or_default();
    to_be_told(Arc::clone(caller), name_of(said("name"), said("version")))
}

/// Somebody who is told of changes, without a call of theirs.
fn to_be_told(caller: Arc<Caller>, client: String) -> Origin {
    Origin {
        run_id: uuid::Uuid::new_v4().to_string(),
        session: format!("token/{}", caller.token_id),
        caller,
        client,
        tool: "subscriptions/listen".to_owned(),
        trace: None,
    }
}

/// The answer to a call of a tool that there is not.
pub(crate) fn unknown_tool(name: &str) -> ErrorData {
    let names: Vec<&str> = definitions().iter().map(|tool| &*tool.name).collect();
    ErrorData::invalid_params(
        format!("there is no tool `{name}`; there are: {}", names.join(", ")),
        Some(json!({ "reason": "UNKNOWN_TOOL", "tools": names })),
    )
}
