"""Calls every method of the official SDK for Python: `openrouter_sdk.py plan.json`."""

import inspect
import json
import os
import re
import sys
import traceback

from openrouter import OpenRouter
from openrouter.utils import BackoffStrategy, RetryConfig

plan = json.load(open(sys.argv[1]))
key, url = os.environ["OPENROUTER_API_KEY"], os.environ["OPENROUTER_BASE_URL"]
once = RetryConfig("none", BackoffStrategy(1, 1, 1, 1), False)
client = OpenRouter(api_key=key, server_url=url, retry_config=once, timeout_ms=20_000)


def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower().replace("-", "_")


def methods(owner, path, seen):
    """Methods by path, through the parts of the client."""
    parts = list(getattr(owner, "_sub_sdk_map", {})) + [name for name in vars(owner) if not name.startswith("_")]
    for name, method in inspect.getmembers(type(owner), inspect.isfunction):
        found = re.search(r'operation_id="(\w+)"', inspect.getsource(method))
        if found and not name.startswith("_") and not name.endswith("_async"):
            yield f"{path}{name}", getattr(owner, name), found[1]
    for name in parts:
        part = getattr(owner, name)
        if type(part).__module__.startswith("openrouter.") and id(part) not in seen and name not in ("parent_ref", "sdk_configuration"):
            seen.add(id(part))
            yield from methods(part, f"{path}{name}.", seen)


def arguments(method, given):
    """The required arguments of a method, by its signature."""
    values = {snake(name): value for name, value in given["parameters"].items()}
    values["security"] = {"bearer": key}
    body = given["form"] if method.__name__.endswith("multipart") or given["form"] == given["body"] else given["body"]
    if isinstance(body, dict):
        values.update({snake(name): value for name, value in body.items() if snake(name) not in values})
    values["file"] = {"file_name": "file.txt", "content": b"A file"}
    own = inspect.signature(method).parameters
    wanted = {name for name, parameter in own.items() if parameter.default is inspect.Parameter.empty}
    # Without a file, a form would not be sent in parts.
    wanted |= {"file"} & own.keys()
    if given["elsewhere"]:
        wanted, values["server_url"] = wanted | {"server_url"}, url.removesuffix("/api/v1")

    def value(name):
        # Names that are taken in Python end with an underscore.
        known = next((values[known] for known in (name, name.rstrip("_")) if known in values), None)
        # What is left is a field that this version of the SDK requires, or the whole body.
        return known if known is not None else "a text" if own[name].annotation is str else body

    return {name: value(name) for name in wanted}


def use(result):
    """Reads all that a call returned."""
    if hasattr(result, "next") and callable(result.next):
        pages = 1
        while result is not None and (result := result.next()) is not None:
            pages += 1
            assert pages < 20, "pages without end"
    elif hasattr(result, "read"):
        assert result.read()
    elif hasattr(result, "__iter__") and not isinstance(result, (dict, list, str, tuple)) and hasattr(result, "__enter__"):
        with result as stream:
            assert list(stream)


called, failures = set(), []
for name, method, operation in methods(client, "", set()):
    operation = operation.removesuffix("_multipart")
    given = plan.get(operation)
    if given is None:
        print(f"  {name}: {operation} is not in the document")
        continue
    takes_stream = "stream" in inspect.signature(method).parameters
    for stream in [False, True] if given["streams"] and takes_stream else [None]:
        try:
            use(method(**arguments(method, given), **({} if stream is None else {"stream": stream})))
        except Exception:
            failures.append(f"{name} ({operation}, stream {stream}): {traceback.format_exc(limit=-1)}")
    called.add(operation)
print(f"openrouter for Python: {len(called)} operations, {len(failures)} failures")
print("\n".join(failures), end="\n" if failures else "")
sys.exit(bool(failures))
