"""A stand-in for the API of a model, on loopback: it has a coding client call what a
script says, and keeps what the client showed its model in return.

It speaks what the clients speak to real ones: the Messages API of Anthropic and the
chat completions of OpenAI, streamed. It holds no state of its own: how far the script
has come is the number of tool results in the conversation that a request carries. A
request that offers no tools (a title, a summary) is answered with a word.

Used by coding_client.py.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Call:
    """A turn that calls a tool. `arguments` may be a function of what was shown."""

    tool: str
    arguments: object


@dataclass
class Shown:
    """A tool's result as the client showed it to its model."""

    text: str
    is_error: bool


@dataclass
class Model:
    """`name_of`: what the client calls a tool of the gateway."""

    turns: list
    name_of: object
    shown: list = field(default_factory=list)
    offered: dict = field(default_factory=dict)
    strange: list = field(default_factory=list)

    def start(self):
        handler = type("Handler", (Handler,), {"model": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def next(self, offered, shown):
        """The next turn, for a conversation that has come to these results."""
        if not offered:
            return None
        self.offered, self.shown = offered, shown
        if len(shown) >= len(self.turns):
            return None
        turn = self.turns[len(shown)]
        try:
            arguments = turn.arguments(shown) if callable(turn.arguments) else turn.arguments
        except (TypeError, IndexError, KeyError) as error:
            # What was shown is not what the script wants: it ends here.
            self.strange.append(f"{turn.tool}: {error!r}")
            return None
        return self.name_of(turn.tool), arguments


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.split("?")[0]
        if path.endswith("/messages"):
            self.stream(anthropic(self.model, request))
        elif path.endswith("/chat/completions"):
            self.stream(openai(self.model, request))
        elif path.endswith("/count_tokens"):
            self.reply(200, "application/json", b'{"input_tokens": 1}')
        else:
            self.unknown()

    def do_GET(self):
        self.unknown()

    def do_HEAD(self):
        self.reply(200, "text/plain", b"")

    def unknown(self):
        self.model.strange.append(f"{self.command} {self.path}")
        self.reply(404, "application/json", b"{}")

    def stream(self, events):
        text = "".join(
            (f"event: {name}\n" if name else "") + f"data: {json.dumps(data) if data else '[DONE]'}\n\n"
            for name, data in events
        )
        self.reply(200, "text/event-stream", text.encode())

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def anthropic(model, request):
    """The answer to a request of https://docs.anthropic.com/en/api/messages."""
    offered = {tool["name"]: tool.get("description", "") for tool in request.get("tools", [])}
    shown = []
    for message in request["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        for block in blocks:
            if block["type"] == "tool_result":
                shown.append(Shown(plain(block.get("content", "")), block.get("is_error", False)))
    turn = model.next(offered, shown)
    usage = {"input_tokens": 1, "output_tokens": 1}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": []}
    yield "message_start", {"type": "message_start", "message": {**head, "stop_reason": None, "usage": usage}}
    if turn is None:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "done"}
    else:
        block = {"type": "tool_use", "id": f"toolu_{len(shown)}", "name": turn[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(turn[1])}
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}
    yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    reason = {"stop_reason": "tool_use" if turn else "end_turn", "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": reason, "usage": usage}
    yield "message_stop", {"type": "message_stop"}


def openai(model, request):
    """The answer to a request of https://platform.openai.com/docs/api-reference/chat."""
    functions = [tool["function"] for tool in request.get("tools", [])]
    offered = {function["name"]: function.get("description", "") for function in functions}
    shown = [
        # The protocol has no mark for errors.
        Shown(plain(message["content"]), False)
        for message in request["messages"]
        if message["role"] == "tool"
    ]
    turn = model.next(offered, shown)
    if turn is None:
        delta, reason = {"content": "done"}, "stop"
    else:
        function = {"name": turn[0], "arguments": json.dumps(turn[1])}
        call = {"index": 0, "id": f"call_{len(shown)}", "type": "function", "function": function}
        delta, reason = {"tool_calls": [call]}, "tool_calls"
    head = {"id": "chat_1", "object": "chat.completion.chunk", "created": 1, "model": request["model"]}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    said = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}
    yield None, {**head, "choices": [said]}
    yield None, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}
    yield None, None


def plain(content):
    """The text of a content that may be a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content)
