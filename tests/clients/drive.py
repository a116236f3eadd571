"""Drives a gateway with the official Python SDK: real git, grep and a compiler
in a real repository. Prints one line a step; ends with an error at the first
step that is not as it should be.

usage: drive.py MODE MCP_URL WORKSPACE   (MODE: auto or legacy; COFFERDAM_TOKEN)
"""

import asyncio
import json
import os
import subprocess
import sys
import time

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

TOOLS = {
    "execute_command",
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
    "list_hosts",
}


def check(condition, what, seen=None):
    if not condition:
        sys.exit(f"not as it should be: {what}\n{json.dumps(seen, indent=1, default=str)[:4000]}")
    print(f"ok: {what}", flush=True)


async def call(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    text = "".join(block.text for block in result.content if block.type == "text")
    return result.is_error, result.structured_content or {}, text


async def main(mode, url, workspace):
    headers = {"Authorization": f"Bearer {os.environ['COFFERDAM_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            print(f"protocol {client.protocol_version}")
            await tools(client)
            await runs(client, workspace)
            await files(client)
            await refusals(client)
            await time_and_progress(client)


async def tools(client):
    listed = (await client.list_tools()).tools
    check({tool.name for tool in listed} >= TOOLS, "every tool is listed", [t.name for t in listed])
    complete = all(
        tool.title and tool.description and tool.input_schema and tool.output_schema and tool.annotations
        for tool in listed
    )
    check(complete, "every tool has title, description, schemas and annotations")


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

    started = time.monotonic()
    result = await client.call_tool(
        "execute_command",
        {"program": "sleep", "arguments": ["100"], "timeout_seconds": 2},
        progress_callback=progress,
    )
    taken = time.monotonic() - started
    outcome = (result.structured_content or {}).get("outcome", {})
    check(outcome.get("kind") == "timed_out" and taken < 15, "the time limit holds", result.structured_content)


asyncio.run(main(*sys.argv[1:]))
