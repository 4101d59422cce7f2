"""The description of the API: in step with the code, and a valid document."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs

from forwarder.api.documents import openapi
from forwarder.api.places import PREFIX
from forwarder.api.routes import ROUTES

ROOT = Path(__file__).resolve().parents[4]
DOCUMENT = ROOT / "docs" / "openapi.json"


def test_the_description_in_the_docs_is_that_of_the_code() -> None:
    # To write it anew:
    # python -c "from forwarder.api.documents import openapi; print(openapi.text(), end='')"
    assert DOCUMENT.read_text() == openapi.text()


def test_every_route_is_described_and_every_reference_leads_somewhere() -> None:
    text = openapi.text()
    tree = json.loads(text)
    for route in ROUTES:
        assert route.method.lower() in tree["paths"][PREFIX + route.path]
    schemas = tree["components"]["schemas"]
    for name in {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_each_operation_has_a_name_of_its_own() -> None:
    operations = [one for path in openapi.describe()["paths"].values() for one in path.values()]  # type: ignore[attr-defined]
    names = [operation["operationId"] for operation in operations]
    assert all(name.isidentifier() for name in names)
    assert len(set(names)) == len(names)


def test_the_human_text_names_every_path() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for route in ROUTES:
        assert f"{route.method} {PREFIX}{route.path}" in text
