"""Holds every result of every tool, errors too, to the tool's own published
outputSchema, with a validator that is not ours (jsonschema, draft 2020-12).
A tool that is listed and not tried here is an error.

usage: schemas.py MCP_URL WORKSPACE   (COFFERDAM_TOKEN)
"""

import json
import os
import sys
import urllib.request

from jsonschema import Draft202012Validator

HEADERS = {
    "Authorization": f"Bearer {os.environ['COFFERDAM_TOKEN']}",
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}


def ask(url, method, params):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(url, json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=120) as response:
        text = response.read().decode()
    events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    answer = json.loads(events[-1] if events else text)
    if "result" not in answer:
        sys.exit(f"{method} {params}: {answer}")
    return answer["result"]


def main(url, workspace):
    tools = {tool["name"]: tool for tool in ask(url, "tools/list", {})["tools"]}
    validators = {}
    for name, tool in tools.items():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            Draft202012Validator.check_schema(schema)
        validators[name] = Draft202012Validator(tool["outputSchema"])
    counted = {name: [0, 0] for name in tools}

    def call(name, /, **arguments):
        result = ask(url, "tools/call", {"name": name, "arguments": arguments})
        wrong = sorted(validators[name].iter_errors(result["structuredContent"]), key=str)
        if wrong:
            what = "\n".join(f"{list(it.absolute_path)}: {it.message[:500]}" for it in wrong)
            shown = json.dumps(result["structuredContent"], indent=1)[:4000]
            sys.exit(f"{name} {arguments} breaks its own schema:\n{what}\n{shown}")
        counted[name][bool(result.get("isError"))] += 1
        return result["structuredContent"]

    for name, arguments in good(call, workspace):
        # Where no rule could permit a tool it is not listed.
        if name in tools:
            call(name, **arguments)
    for name in tools:
        for arguments in wrong(name):
            call(name, **arguments)
    for name, (fine, failed) in sorted(counted.items()):
        print(f"{name}: {fine} results and {failed} errors are as published")
        if not fine and name != "check_approval":
            sys.exit(f"no call of {name} came to a result: add one to schemas.py")
        if not failed:
            sys.exit(f"no call of {name} failed: add one to schemas.py")


def good(call, workspace):
    """Calls of each tool that come to a result, in each shape that it has."""
    with open(os.path.join(workspace, "a.png"), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with open(os.path.join(workspace, "latin"), "wb") as file:
        file.write(b"caf\xe9\n" * 10)
    os.symlink("latin", os.path.join(workspace, "link"))
    yield "execute_command", {"command": "echo out; echo err >&2; exit 3"}
    yield "execute_command", {"command": "kill -SEGV $$"}
    yield "execute_command", {"command": "sleep 5", "timeout_seconds": 1}
    yield "execute_command", {"command": "cat /etc/shadow; printf '\\377\\000'"}
    yield "execute_command", {"command": "seq 1 100000"}
    yield "execute_command", {"program": "true", "hosts": [call("list_hosts")["hosts"][0]["name"]]}
    yield "execute_command", {"program": "true", "host_labels": {"none": "has this"}}
    yield "execute_command", {"command": "sleep 5", "wait_seconds": 0}
    process = call("start_process", command="cat; echo ends", stdin_open=True)["process"]
    terminal = call("start_process", program="sh", terminal={})["process"]
    yield "write_process", {"process": process, "text": "typed\n"}
    yield "write_process", {"process": terminal, "keys": ["ctrl-c"]}
    yield "resize_process", {"process": terminal, "rows": 30, "columns": 90}
    yield "read_process", {"process": process, "pattern": "typed"}
    yield "read_process", {"process": process, "grep": "t", "context": 1, "wait_seconds": 0}
    yield "list_processes", {}
    yield "wait_process", {"process": process, "wait_seconds": 0}
    yield "signal_process", {"process": terminal, "signal": "KILL"}
    yield "write_process", {"process": process, "end": True}
    yield "wait_process", {"process": process}
    yield "wait_process", {"process": terminal}
    yield "read_process", {"process": process, "tail": 1}
    yield "list_processes", {"state": "ended"}
    yield "write_file", {"path": "dir/new.txt", "content": "one\ntwo\nthree\n", "make_parents": True}
    yield "read_file", {"path": "dir/new.txt", "first_line": 2, "lines": 1}
    yield "read_file", {"path": "latin", "encoding": "latin-1", "tail": 2}
    yield "read_file", {"path": "a.png"}
    yield "read_files", {"paths": ["dir/new.txt", "missing", "a.png"]}
    yield "edit_file", {"path": "dir/new.txt", "edits": [{"old_text": "two", "new_text": "2"}]}
    yield "edit_file", {"path": "dir/new.txt", "edits": [{"old_text": "2", "new_text": "two"}], "dry_run": True}
    yield "stat_file", {"path": "link"}
    yield "stat_file", {"path": "dir/new.txt", "digest": True}
    yield "make_directory", {"path": "made/deep", "make_parents": True}
    yield "make_directory", {"path": "made/deep", "make_parents": True}
    yield "copy_file", {"from": "dir", "to": "copy", "recursive": True}
    yield "move_file", {"from": "copy/new.txt", "to": "copy/moved.txt"}
    yield "delete_file", {"path": "copy", "recursive": True}
    yield "list_directory", {"path": ".", "depth": 3}
    yield "list_directory", {"path": ".", "max_entries": 1}
    yield "search_files", {"path": ".", "content": "t", "context": 1}
    yield "search_files", {"path": ".", "name": "*.txt"}
    yield "watch_files", {"timeout_seconds": 1}
    yield "get_system_info", {}
    yield "check_command_exists", {"program": "git", "version": True}
    yield "check_command_exists", {"program": "no-such-program"}
    yield "read_service", {"what": "list"}
    session = call("open_session")["session"]
    yield "execute_command", {"program": "true", "session": session}
    yield "list_sessions", {}
    yield "close_session", {"session": session}
    yield "list_hosts", {}
    yield "describe_access", {}


def wrong(name):
    """Arguments that no tool takes, or that name what there is not."""
    nobody = {"process": "dev/00000000-0000-4000-8000-000000000000"}
    special = {
        "read_process": nobody,
        "wait_process": nobody,
        "write_process": {**nobody, "text": "x"},
        "resize_process": {**nobody, "rows": 1, "columns": 1},
        "signal_process": {**nobody, "signal": "NONE"},
        "read_file": {"path": "/etc/shadow"},
        "read_files": {"paths": []},
        "write_file": {"path": "../outside", "content": ""},
        "edit_file": {"path": "dir/new.txt", "edits": [{"old_text": "not there", "new_text": ""}]},
        "stat_file": {"path": "missing"},
        "make_directory": {"path": "a.png"},
        "move_file": {"from": "missing", "to": "x"},
        "copy_file": {"from": "missing", "to": "x"},
        "delete_file": {"path": "missing"},
        "list_directory": {"path": "missing"},
        "search_files": {"path": "missing", "content": "("},
        "watch_files": {"path": "missing", "timeout_seconds": 1},
        "execute_command": {"program": "true", "host": "nowhere"},
        "start_process": {"program": "no-such-program-at-all", "wait_seconds": 5},
        "check_command_exists": {"program": "a\0b"},
        "get_system_info": {"host": "nowhere"},
        "read_service": {"what": "status", "unit": "no-such.service"},
        "close_session": {"session": "nobody's"},
        "check_approval": {"approval": "ap-000000000000"},
    }
    yield {"no such argument": 1}
    if name in special:
        yield special[name]


main(*sys.argv[1:])
