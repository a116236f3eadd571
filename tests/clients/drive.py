"""Drives a gateway with the official Python SDK, every tool that it lists: real
git, grep and a compiler in a real repository. Prints one line a step; ends with an
error at the first step that is not as it should be. The SDK holds each structured
result to its tool's output schema.

usage: drive.py MODE MCP_URL WORKSPACE [COFFERDAM]
    MODE       auto (2026-07-28) or legacy (initialize)
    COFFERDAM  the program, which then serves the SDK over stdio: `cofferdam mcp`
    COFFERDAM_TOKEN in the environment
"""

import asyncio
import json
import os
import subprocess
import sys
import time

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

# What was called; a tool that is listed and never called is an error at the end.
called = set()


def check(condition, what, seen=None):
    if not condition:
        sys.exit(f"not as it should be: {what}\n{json.dumps(seen, indent=1, default=str)[:4000]}")
    print(f"ok: {what}", flush=True)


async def call(client, tool, **arguments):
    called.add(tool)
    result = await client.call_tool(tool, arguments)
    text = "".join(block.text for block in result.content if block.type == "text")
    return result.is_error, result.structured_content or {}, text


def server(url, http, cofferdam):
    if cofferdam is None:
        return streamable_http_client(url, http_client=http)
    environment = {"COFFERDAM_URL": url, "COFFERDAM_TOKEN": os.environ["COFFERDAM_TOKEN"]}
    return stdio_client(StdioServerParameters(command=cofferdam, args=["mcp"], env=environment))


async def main(mode, url, workspace, cofferdam=None):
    headers = {"Authorization": f"Bearer {os.environ['COFFERDAM_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(server(url, http, cofferdam), mode=mode) as client:
            print(f"protocol {client.protocol_version}")
            listed = await tools(client)
            await runs(client, workspace)
            await files(client)
            await processes(client)
            await terminals(client)
            await large_output(client)
            await sessions(client)
            await what_one_may(client, listed)
            await refusals(client)
            await time_and_progress(client)
            await cancellation(client)
            missed = sorted(listed - called)
            check(not missed, "every tool that is listed was called", missed)


async def tools(client):
    listed = (await client.list_tools()).tools
    complete = all(
        tool.title and tool.description and tool.input_schema and tool.output_schema and tool.annotations
        for tool in listed
    )
    check(listed and complete, "every tool has title, description, schemas and annotations")
    return {tool.name for tool in listed}


async def runs(client, workspace):
    head = subprocess.run(
        ["git", "-C", workspace, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    error, result, text = await call(
        client, "execute_command", program="git", arguments=["log", "-1", "--format=%H"]
    )
    check(not error and result["stdout"].strip() == head, "git log gives the real head", result)
    check(result["outcome"] == {"kind": "exited", "code": 0}, "the outcome is typed", result)
    check(head in text, "the text says the same as the structured content", text)

    line = "grep -rn 'fn main' --include=*.rs . | sort | head -n 5"
    error, result, _ = await call(client, "execute_command", command=line)
    check(not error and "fn main" in result["stdout"], "grep in a pipeline finds code", result)

    source = '#include <stdio.h>\nint main(void) { puts("hello from the cell"); return 7; }\n'
    error, result, _ = await call(client, "write_file", path="built/hello.c", content=source, make_parents=True)
    check(not error, "write_file writes a source file", result)
    error, result, _ = await call(
        client, "execute_command", command="cc -O1 -o built/hello built/hello.c && ./built/hello"
    )
    check(
        result.get("stdout") == "hello from the cell\n" and result["outcome"] == {"kind": "exited", "code": 7},
        "the compiler works and what it built runs",
        result,
    )
    error, result, _ = await call(client, "execute_command", program="cat", stdin="through the pipe")
    check(result.get("stdout") == "through the pipe", "standard input arrives", result)


async def files(client):
    error, result, text = await call(client, "read_file", path="built/hello.c")
    check(not error and "hello from the cell" in text, "read_file reads it back", result)
    error, result, text = await call(client, "list_directory", path="built")
    check(not error and "hello.c" in text, "list_directory lists it", result)
    error, result, text = await call(client, "search_files", path=".", content="hello from the cell")
    check(not error and "hello.c" in text, "search_files finds it", result)
    await more_files(client)
    error, result, text = await call(client, "get_system_info")
    check(not error and "kernel" in text.lower(), "get_system_info tells the kernel", result)
    error, result, _ = await call(client, "check_command_exists", program="git")
    check(not error and result["exists"] is True, "check_command_exists finds git", result)
    error, result, _ = await call(client, "check_command_exists", program="no-such-program")
    check(not error and result["exists"] is False, "check_command_exists misses what is not there", result)
    error, result, _ = await call(client, "list_hosts")
    check(not error and len(result["hosts"]) == 1, "list_hosts lists the host", result)


async def more_files(client):
    at = "built/files"
    error, result, _ = await call(client, "make_directory", path=f"{at}/deep", make_parents=True)
    check(not error and result["created"], "make_directory makes parents, too", result)
    lines = "".join(f"line {number}\n" for number in range(1, 101))
    await call(client, "write_file", path=f"{at}/a.txt", content=lines)
    error, result, _ = await call(client, "read_file", path=f"{at}/a.txt", first_line=7, lines=2)
    check(result["content"] == "line 7\nline 8\n" and result["total_lines"] == 100, "read_file reads lines", result)
    error, result, _ = await call(client, "read_file", path=f"{at}/a.txt", tail=1)
    check(result["content"] == "line 100\n", "read_file reads the tail", result)
    edits = [{"old_text": "line 7\n", "new_text": "seven\n"}]
    error, result, text = await call(
        client, "edit_file", path=f"{at}/a.txt", edits=edits, expected_sha256=result["sha256"]
    )
    check(not error and "-line 7\n+seven" in result["diff"] and "+seven" in text, "edit_file edits", result)
    error, result, text = await call(client, "edit_file", path=f"{at}/a.txt", edits=edits)
    check(error and "nearest" in text, "edit_file says what is nearest", result)
    error, result, text = await call(client, "read_files", paths=[f"{at}/a.txt", f"{at}/missing"])
    check(not error and "seven" in text and result["files"][1]["error"], "read_files reads what is there", result)
    error, result, _ = await call(client, "stat_file", path=f"{at}/a.txt", digest=True)
    check(result["kind"] == "regular" and len(result["sha256"]) == 64, "stat_file tells the digest", result)
    error, result, _ = await call(client, "copy_file", **{"from": at, "to": "built/copy", "recursive": True})
    check(not error and result["files"] == 1 and result["directories"] == 2, "copy_file copies a tree", result)
    error, result, text = await call(client, "move_file", **{"from": f"{at}/a.txt", "to": "built/copy/a.txt"})
    check(error and "overwrite" in text, "move_file replaces nothing unasked", result)
    error, result, _ = await call(client, "move_file", **{"from": f"{at}/a.txt", "to": f"{at}/b.txt"})
    check(not error and not result["replaced"], "move_file moves", result)
    error, result, _ = await call(client, "search_files", path="built", content="^seven$", types=["txt"])
    check([match["path"] for match in result["matches"]] == ["built/copy/a.txt", f"{at}/b.txt"], "search_files takes types", result)
    error, result, _ = await call(client, "list_directory", path="built", depth=3, max_entries=2)
    check(result["truncated"] and result["next"], "list_directory has pages", result)
    watching = asyncio.create_task(call(client, "watch_files", path="built", timeout_seconds=20))
    await asyncio.sleep(1)
    await call(client, "write_file", path="built/changed", content="x")
    error, result, _ = await watching
    check("built/changed" in str(result["changes"]), "watch_files tells of a change", result)
    error, result, text = await call(client, "delete_file", path="built/copy")
    check(error and "recursive" in text, "delete_file removes no full directory unasked", result)
    error, result, _ = await call(client, "delete_file", path="built/copy", recursive=True)
    check(not error and result["entries"] == 3, "delete_file counts what it removes", result)
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    await call(client, "write_file", path="built/a.png", content=png, encoding="base64")
    result = await client.call_tool("read_file", {"path": "built/a.png"})
    images = [block for block in result.content if block.type == "image"]
    check(images and images[0].data == png, "read_file shows an image", result.structured_content)


async def processes(client):
    error, result, _ = await call(client, "start_process", command="cat; exit 3", stdin_open=True)
    check(not error and result["outcome"]["kind"] == "running", "start_process starts", result)
    process = result["process"]
    error, result, _ = await call(client, "write_process", process=process, text="typed\n")
    check(not error and result["written"] == 6, "write_process writes", result)
    error, result, text = await call(client, "read_process", process=process, pattern="^typed$")
    check(result["matched"] == "typed" and "typed" in text, "read_process waits for a pattern", result)
    error, result, _ = await call(client, "list_processes", state="running")
    check(process in [it["process"] for it in result["processes"]], "list_processes lists it", result)
    await call(client, "write_process", process=process, end=True)
    error, result, _ = await call(client, "wait_process", process=process)
    check(result["outcome"] == {"kind": "exited", "code": 3}, "wait_process waits for the end", result)
    error, result, text = await call(client, "write_process", process=process, text="late")
    check(error and text, "nothing is written to what has ended", result)


async def terminals(client):
    error, result, _ = await call(client, "start_process", program="sh", terminal={"rows": 20, "columns": 70})
    process = result["process"]
    error, result, _ = await call(client, "resize_process", process=process, rows=33, columns=77)
    check(not error, "resize_process resizes", result)
    await call(client, "write_process", process=process, text="stty size; sleep 300", keys=["enter"])
    error, result, _ = await call(client, "read_process", process=process, pattern="^33 77")
    check(not error and result["matched"], "a program sees the new size", result)
    await call(client, "write_process", process=process, keys=["ctrl-c"])
    await call(client, "write_process", process=process, text="echo a$((6*7))b", keys=["enter"])
    error, result, _ = await call(client, "read_process", process=process, pattern="a42b")
    check(not error and result["matched"], "ctrl-c interrupts what runs, and the shell goes on", result)
    error, result, _ = await call(client, "signal_process", process=process, signal="KILL")
    check(not error, "signal_process signals", result)
    error, result, _ = await call(client, "wait_process", process=process)
    check(result["state"] == "ended" and result["outcome"]["kind"] == "cancelled", "KILL ends it", result)


async def large_output(client):
    error, result, text = await call(client, "execute_command", command="seq -f 'line %.0f' 1 200000; exit 1")
    left_out = result["truncated"]["stdout_omitted_bytes"]
    check(left_out > 1_000_000 and len(text) < 100_000, "a long output comes with its two ends", result)
    shown = result["stdout"].startswith("line 1\n") and result["stdout"].endswith("line 200000\n")
    check(shown and "line 200000" in text, "its beginning and its end are there", result["stdout"][:200])
    process = result["process"]
    error, result, _ = await call(client, "read_process", process=process, grep="^line 77777$")
    check(result["stdout"] == "line 77777\n", "what was left out can be searched", result)
    error, result, _ = await call(client, "read_process", process=process, tail=1)
    check(result["stdout"] == "line 200000\n", "and cut", result)


async def sessions(client):
    error, result, _ = await call(
        client, "open_session", working_directory="built", environment={"WHO": "me"}
    )
    check(not error and result["session"], "open_session opens one", result)
    session = result["session"]
    line = "basename $PWD; echo $WHO"
    error, result, _ = await call(client, "execute_command", command=line, session=session)
    check(not error and result["stdout"] == "built\nme\n", "calls carry what it carries", result)
    error, result, _ = await call(client, "list_sessions")
    check(not error and len(result["sessions"]) >= 1, "list_sessions lists it", result)
    error, result, _ = await call(client, "close_session", session=session)
    check(not error and result["state"] == "closed", "close_session closes it", result)
    error, result, text = await call(client, "execute_command", command=line, session=session)
    check(error and text, "a closed session is unknown", result)


async def what_one_may(client, listed):
    error, result, text = await call(client, "describe_access")
    check(not error and "execute_command" in text, "describe_access describes", result)
    error, result, text = await call(client, "check_approval", approval="ap-000000000000")
    check(error and text, "check_approval knows of no request", result)
    # The rules of `cofferdam dev` may name no service.
    error, result, text = await call(client, "read_service", what="list")
    check(text and error == ("read_service" not in listed), "read_service answers where it is listed", result)


async def refusals(client):
    for tool, arguments, why in [
        ("read_file", {"path": "/etc/shadow"}, "a file outside the workspace"),
        ("read_file", {"path": "../../etc/passwd"}, "a path that climbs out"),
        ("execute_command", {}, "neither program nor command"),
        ("execute_command", {"program": "true", "timeout_seconds": 0}, "a timeout of zero"),
        ("execute_command", {"program": "a\0b"}, "a NUL byte"),
        ("execute_command", {"program": "true", "host": "nowhere"}, "an unknown host"),
    ]:
        error, result, text = await call(client, tool, **arguments)
        check(error and text, f"refused with words: {why}", result)


async def time_and_progress(client):
    seen = []

    async def progress(done, total, message):
        seen.append((done, message))

    result = await client.call_tool(
        "execute_command",
        {"command": "for i in 1 2 3 4 5 6 7; do echo tick $i; sleep 1; done"},
        progress_callback=progress,
    )
    check("tick 7" in result.structured_content["stdout"], "a run of seconds ends", result)
    check(any("tick" in message for _, message in seen), "progress tells the last line", seen)
    started = time.monotonic()
    error, result, _ = await call(
        client, "execute_command", program="sleep", arguments=["100"], timeout_seconds=2
    )
    taken = time.monotonic() - started
    outcome = result.get("outcome", {})
    check(outcome.get("kind") == "timed_out" and taken < 15, "the time limit holds", result)


async def cancellation(client):
    # A number that no other process on this machine has among its arguments.
    mark = f"{300_000 + os.getpid()}.25"
    line = f"setsid sleep {mark} & sleep {mark}"
    running = asyncio.create_task(call(client, "execute_command", command=line, wait_seconds=300))
    await until(lambda: len(with_argument(mark)) >= 2, "the run is there")
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        pass
    await until(lambda: not with_argument(mark), "who cancels a call ends its whole tree")


def with_argument(word):
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                if word.encode() in line.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            pass
    return found


async def until(holds, what):
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"waited 20 seconds: {what}")
        await asyncio.sleep(0.05)
    print(f"ok: {what}", flush=True)


asyncio.run(main(*sys.argv[1:]))
