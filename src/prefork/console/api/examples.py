"""An example beside each body in the API's document, put together from those of the models: tools show them with the call."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
PROBLEM = "application/problem+json"


def fill(document: dict[str, Any]) -> dict[str, Any]:
    """The document, in which each body of a call has its example."""
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        for call in path.values():
            for body in (call.get("requestBody", {}), *call["responses"].values()):
                for kind, media in body.get("content", {}).items():
                    if kind in {JSON, PROBLEM}:
                        media["example"] = shown(schemas, media["schema"])
    return document


def shown(schemas: dict[str, Any], schema: dict[str, Any]) -> Any:
    """What a schema looks like: as its model says, or its parts do. A part that nobody has given a value is null."""
    if "$ref" in schema:
        return shown(schemas, schemas[schema["$ref"].rpartition("/")[2]])
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return shown(schemas, schema["anyOf"][0])
    if "properties" in schema:
        return {name: shown(schemas, part) for name, part in schema["properties"].items()}
    return [shown(schemas, schema["items"])] if schema.get("type") == "array" else None
