"""The OpenAPI description of the API, made from its table of routes."""

from __future__ import annotations

import inspect
import re

import msgspec

from forwarder.api.access import Right
from forwarder.api.dashboard.stream import CallerMessage, Change
from forwarder.api.documents.model import Problem
from forwarder.api.places import PREFIX
from forwarder.api.routes import ROUTES, Route

VERSION = "1.0.0"
_REF = "#/components/schemas/{name}"
_INTRO = """State of a Buttplug Forwarder hub, and everything that can be done with it.

Whoever changes something sends the admin token (file admin.token in the state folder), or a token
made by `forwarder token new`, as `Authorization: Bearer …`. Programs on the hub's machine may read
without one. Pages of other sites are refused, unless a person has allowed them (POST /origins);
then they need a token, on this machine too."""
_WHO = {
    Right.LOOK: "Open on this machine; any token beyond.",
    Right.READ: "Open on this machine; the admin token beyond.",
    Right.DRIVE: "Any token.",
    Right.ADMIN: "The admin token.",
    Right.STOP: "Open on this machine; any token beyond.",
}

OpenApiTree = dict[str, object]


def describe() -> OpenApiTree:
    """The whole document, as plain JSON values."""
    types = [kind for route in ROUTES for kind in (route.answer, route.body) if kind is not None]
    _, schemas = _schemas([*types, Problem, Change, CallerMessage])
    paths: dict[str, OpenApiTree] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    paths[f"{PREFIX}/events"] = {"get": _events()}
    paths[f"{PREFIX}/events/stream"] = {"get": _stream()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Buttplug Forwarder", "version": VERSION, "description": _INTRO},
        "servers": [{"url": "http://127.0.0.1:12346"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def text() -> str:
    """The document as it is served, and as it stands in docs/openapi.json."""
    encoded = msgspec.json.encode(describe(), order="deterministic")
    return msgspec.json.format(encoded, indent=1).decode() + "\n"


def _operation(route: Route) -> OpenApiTree:
    operation: OpenApiTree = {
        "operationId": route.act.__name__,
        "summary": route.summary,
        "description": _WHO[route.right],
        "responses": {str(route.status.value): _answer(route), "default": _problem()},
    }
    if route.right in Right.LOOK | Right.READ | Right.STOP:
        operation["security"] = [{}, {"token": []}]
    parameters = [*_in_path(route.path), *(_in_query(name, is_) for name, is_ in route.query)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(route.body)}
    return operation


def _answer(route: Route) -> OpenApiTree:
    if route.answer is None:
        return {"description": "Done."}
    return {"description": "Done.", "content": _json(route.answer)}


def _json(kind: object) -> OpenApiTree:
    (schema,), _ = _schemas([kind])
    return {"application/json": {"schema": schema}}


def _schemas(kinds: list[object]) -> tuple[tuple[OpenApiTree, ...], OpenApiTree]:
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    for component in components.values():
        # Python 3.13 takes the indentation off docstrings, earlier ones leave it.
        if description := component.get("description"):
            component["description"] = inspect.cleandoc(description)
        for member in component.get("properties", {}).values():
            # msgspec says it from 0.23 on; the document is the same whichever made it.
            member.pop("propertyNames", None)
    return schemas, components


def _problem() -> OpenApiTree:
    return {"description": "What is wrong, and what to do about it.", "content": _json(Problem)}


def _in_path(path: str) -> list[OpenApiTree]:
    numbers = ("index", "feature")
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if name in numbers else "string"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _in_query(name: str, meaning: str) -> OpenApiTree:
    return {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}


def _events() -> OpenApiTree:
    return {
        "operationId": "events",
        "summary": "A websocket: the whole state, then changes, ten times a second at most",
        "description": (
            "The first message from the caller is Hello, with a token unless the upgrade had one."
            " Answers are Change. With a token that may drive, the caller sends Drive and Release;"
            " what it drives is stopped when the websocket closes, or when nothing was heard from"
            " it for 3 seconds."
        ),
        "security": [{}, {"token": []}],
        "responses": {
            "101": {"description": "A websocket.", "content": _json(Change)},
            "426": {"description": "This is a websocket."},
            "default": _problem(),
        },
    }


def _stream() -> OpenApiTree:
    return {
        "operationId": "stream",
        "summary": "The same state and changes as server-sent events, for scripts",
        "description": _WHO[Right.LOOK],
        "security": [{}, {"token": []}],
        "responses": {
            "200": {
                "description": "Each event is a Change.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "default": _problem(),
        },
    }
