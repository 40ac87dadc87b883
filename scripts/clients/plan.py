"""Prints arguments for each operation, by its name in the API: what it requires, made of the facts of the document."""

import json
import pathlib

facts = json.loads((pathlib.Path(__file__).parents[2] / "codegen/tests/api/facts.json").read_text())
schemas = facts["components"]["schemas"]

# Texts whose form the facts do not have.
TEXTS = {
    "id": "550e8400-e29b-41d4-a716-446655440000",
    "workspace_id": "550e8400-e29b-41d4-a716-446655440000",
    "author": "openai",
    "slug": "gpt-4o-mini",
    "model": "openai/gpt-4o-mini",
    "url": "https://example.com/",
    "callback_url": "https://example.com/",
    "version": "1",
}


def value(schema, name="", depth=0):
    """The smallest value of a schema."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next(item for item in schema["enum"] if item is not None)
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return value(next(branch for branch in schema[word] if branch.get("type") != "null"), name, depth)
    properties, required = {}, []
    for part in [*schema.get("allOf", []), schema]:
        while "$ref" in part:
            part = schemas[part["$ref"].rsplit("/", 1)[1]]
        properties.update(part.get("properties", {}))
        required.extend(part.get("required", []))
    if properties:
        return {name: value(properties[name], name, depth + 1) for name in dict.fromkeys(required)}
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")
    if kind == "array":
        return [value(schema["items"], name, depth + 1)]
    return {"string": TEXTS.get(name, "a text"), "integer": 1, "number": 1, "boolean": True}.get(kind, {})


plan = {}
for path, item in facts["paths"].items():
    for method, operation in item.items():
        if not isinstance(operation, dict) or "operationId" not in operation:
            continue
        parameters = [own for own in operation.get("parameters", []) if own.get("required")]
        content = operation.get("requestBody", {}).get("content", {})
        bodies = {kind: value(media["schema"]) for kind, media in content.items()}
        responses = [response.get("content", {}) for status, response in operation["responses"].items() if status[0] == "2"]
        streams = any("text/event-stream" in content for content in responses)
        body = content.get("application/json", {}).get("schema", {})
        while "$ref" in body:
            body = schemas[body["$ref"].rsplit("/", 1)[1]]
        plan[operation["operationId"]] = {
            "parameters": {own["name"]: value(own["schema"], own["name"]) for own in parameters},
            "body": next(iter(bodies.values()), None),
            "form": bodies.get("multipart/form-data"),
            # Operations of another server are not below `/api/v1`.
            "elsewhere": "servers" in operation or "servers" in item,
            "streams": streams and "stream" in body.get("properties", {}),
        }
print(json.dumps(plan))
