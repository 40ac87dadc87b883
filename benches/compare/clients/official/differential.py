"""Makes the calls of the differential comparison through the official Python SDK: one case a line of the input, one
outcome a line of the output."""

import json
import os
import sys
from importlib.metadata import version

from openrouter import OpenRouter


def run(case):
    body = case["body"] or {}
    arguments = {("type_" if name == "type" else name): value for name, value in (case["parameters"] | body).items()}
    if case["operation"] == "files.upload":
        arguments["file"] = arguments["file"] | {"content": arguments["file"]["content"].encode()}
    called = OpenRouter(
        api_key="key",
        server_url=case["url"],
        http_referer="https://example.com",
        x_open_router_title="Crab",
        x_open_router_categories="cli-agent,creative-writing",
    )
    for part in case["operation"].split("."):
        called = getattr(called, part, None)
    if called is None:
        return "no such operation"
    events = 0
    try:
        result = called(**arguments)
        if not body.get("stream") or not hasattr(result, "__next__"):
            return "ok"
        for _ in result:
            events += 1
        outcome = "ok"
    except Exception as error:
        if os.environ.get("DIFFERENTIAL_ERRORS"):
            print(case["operation"], repr(error), file=sys.stderr)
        status = getattr(error, "status_code", None)
        outcome = f"error with status {status}" if status else "error without status"
    return f"{outcome} after {events} events" if events else outcome


print(version("openrouter"), flush=True)
for line in sys.stdin:
    print(run(json.loads(line)), flush=True)
