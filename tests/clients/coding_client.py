"""Drives a coding client headless against a gateway, with a stand-in for its model
(model.py): the real client lists and calls the real tools. What counts is what the
client showed its model, and what happened on the host. Prints one line a step; ends
with an error at the first step that is not as it should be.

usage: coding_client.py CLIENT TRANSPORT SCENARIO MCP_URL WORKSPACE COFFERDAM
    CLIENT     claude or opencode
    TRANSPORT  http or stdio
    SCENARIO   work, long or cancel
    COFFERDAM  the program, for stdio
    COFFERDAM_TOKEN in the environment
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from model import Call, Model

PROGRAMS = Path(__file__).parent / "node_modules/.bin"
PROMPT = "Do what has to be done."


class ClaudeCode:
    tool_prefix = "mcp__cofferdam__"
    environment = {
        "ANTHROPIC_API_KEY": "sk-ant-api03-none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        # All tools are shown to the model at once, instead of on its own search.
        "ENABLE_TOOL_SEARCH": "false",
    }

    def configure(self, run, transport, url, token, cofferdam):
        # As the README has it.
        if transport == "http":
            header = f"Authorization: Bearer {token}"
            server = ["--transport", "http", "cofferdam", url, "--header", header]
        else:
            variables = ["--env", f"COFFERDAM_URL={url}", "--env", f"COFFERDAM_TOKEN={token}"]
            server = ["cofferdam", *variables, "--", cofferdam, "mcp"]
        run([PROGRAMS / "claude", "mcp", "add", *server])

    def model(self, url):
        return {"ANTHROPIC_BASE_URL": url}

    def command(self):
        return [PROGRAMS / "claude", "-p", PROMPT, "--allowedTools", "mcp__cofferdam"]


class OpenCode:
    tool_prefix = "cofferdam_"
    environment = {
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }

    def configure(self, run, transport, url, token, cofferdam):
        # As the README has it.
        if transport == "http":
            server = {"type": "remote", "url": url, "headers": {"Authorization": f"Bearer {token}"}}
        else:
            variables = {"COFFERDAM_URL": url, "COFFERDAM_TOKEN": token}
            server = {"type": "local", "command": [cofferdam, "mcp"], "environment": variables}
        self.servers = {"cofferdam": server}

    def model(self, url):
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{url}/v1", "apiKey": "none"},
            "models": {"model": {"name": "model"}},
        }
        configuration = {"mcp": self.servers, "provider": {"stand-in": provider}}
        return {"OPENCODE_CONFIG_CONTENT": json.dumps(configuration)}

    def command(self):
        return [PROGRAMS / "opencode", "run", "--auto", "--model", "stand-in/model", PROMPT]


def check(condition, what, seen=None):
    if not condition:
        sys.exit(f"not as it should be: {what}\n{str(seen)[:6000]}")
    print(f"ok: {what}", flush=True)


class Client:
    """A client with a home of its own, for one script."""

    def __init__(self, kind, transport, turns, url, cofferdam):
        self.kind = {"claude": ClaudeCode, "opencode": OpenCode}[kind]()
        self.home = tempfile.TemporaryDirectory()
        self.place = Path(self.home.name) / "project"
        self.place.mkdir()
        self.log = Path(self.home.name) / "log"
        self.environment = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": self.home.name,
            # Whatever would leave this machine goes nowhere.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            **self.kind.environment,
        }
        self.kind.configure(self.run, transport, url, os.environ["COFFERDAM_TOKEN"], cofferdam)
        self.model = Model(turns, lambda tool: self.kind.tool_prefix + tool)
        self.environment |= self.kind.model(self.model.start())

    def run(self, words):
        done = subprocess.run(
            words, env=self.environment, cwd=self.place, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        check(done.returncode == 0, f"{Path(words[0]).name} takes its configuration", done)

    def start(self):
        log = self.log.open("w")
        return subprocess.Popen(
            self.kind.command(),
            env=self.environment,
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A shell that starts this test in its background has it ignore what a
            # person would press, and whoever it starts as well.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def finish(self, seconds):
        """Runs it through its script and gives what its model was shown."""
        process = self.start()
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = f"still there after {seconds} s"
        check(code == 0, "the client comes to the end of the script", (code, self.model, self.log.read_text()))
        check(len(self.model.shown) == len(self.model.turns), "each call was answered", self.model.shown)
        return self.model.shown


def handle(shown):
    """The handle of a process, as the client showed it."""
    return re.search(r"[\w.-]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", shown.text)[0]


def work(kind, transport, url, workspace, cofferdam):
    (workspace / "a.txt").write_text("one\ntwo\nthree\n")
    turns = [
        Call("list_hosts", {}),
        Call("execute_command", {"command": "echo to-out; echo to-err >&2; exit 7"}),
        Call("execute_command", {"command": "seq -f 'line %.0f' 1 100000"}),
        Call("read_process", lambda shown: {"process": handle(shown[2]), "grep": "^line 77777$"}),
        Call("read_file", {"path": "/etc/shadow"}),
        Call("edit_file", {"path": "a.txt", "edits": [{"old_text": "two", "new_text": "2"}]}),
        Call("read_file", {"path": "a.txt"}),
        Call("execute_command", {"command": "sleep 5; echo over", "wait_seconds": 1}),
        Call("wait_process", lambda shown: {"process": handle(shown[7])}),
    ]
    client = Client(kind, transport, turns, url, cofferdam)
    hosts, failed, long, found, denied, edited, read, running, ended = client.finish(120)
    prefix = client.kind.tool_prefix
    offered = {name.removeprefix(prefix): about for name, about in client.model.offered.items() if name.startswith(prefix)}
    check(len(offered) > 20 and all(offered.values()), "the model is offered the tools with descriptions", offered)
    check("local" in hosts.text, "list_hosts names the host", hosts)
    whole = all(word in failed.text for word in ("to-out", "to-err", "7"))
    check(whole, "both streams and the exit code are shown", failed)
    ends = "line 1\n" in long.text.replace("\\n", "\n") and "line 100000" in long.text and "read_process" in long.text
    check(ends and "line 50000" not in long.text, "a long output is shown with its two ends", long)
    check(len(long.text) < 60_000, "and not more than a client shows", len(long.text))
    check("line 77777" in found.text, "what was left out is found by its handle", found)
    check("no rule permits" in denied.text and "workspace" in denied.text, "a refusal says why, and what is allowed", denied)
    check("+2" in edited.text and "-two" in edited.text, "an edit shows its diff", edited)
    check("2" in read.text and "three" in read.text, "a file is shown", read)
    check((workspace / "a.txt").read_text() == "one\n2\nthree\n", "the file is edited on the host")
    check("read_process" in running.text, "what goes on says how to read on", running)
    check("over" in ended.text, "and is read to its end", ended)


def long(kind, transport, url, workspace, cofferdam):
    line = "for i in $(seq 1 13); do echo tick $i; sleep 5; done; echo finished"
    turns = [Call("execute_command", {"command": line, "wait_seconds": 110})]
    client = Client(kind, transport, turns, url, cofferdam)
    began = time.monotonic()
    (shown,) = client.finish(150)
    taken = time.monotonic() - began
    check(taken > 64, "it took longer than a minute", taken)
    check("tick 13" in shown.text and "finished" in shown.text, "the client waited for the end", shown)


def cancel(kind, transport, url, workspace, cofferdam):
    # A number that no other process on this machine has among its arguments.
    mark = f"{400_000 + os.getpid()}.25"
    line = f"setsid sleep {mark} & sleep {mark}"
    client = Client(kind, transport, [Call("execute_command", {"command": line, "wait_seconds": 600})], url, cofferdam)
    process = client.start()
    until(lambda: len(with_argument(mark)) >= 2, "the run is there", client)
    process.send_signal(signal.SIGINT)
    until(lambda: not with_argument(mark), "interrupted, the client's run ends with its tree", client)
    until(lambda: process.poll() is not None, "the client ends", client)


def with_argument(word):
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            pass
    return found


def until(holds, what, client):
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    check(holds(), what, (client.model, client.log.read_text()))


if __name__ == "__main__":
    kind, transport, scenario, url, workspace, cofferdam = sys.argv[1:]
    {"work": work, "long": long, "cancel": cancel}[scenario](kind, transport, url, Path(workspace), cofferdam)
