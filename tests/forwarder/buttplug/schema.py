"""The reference's JSON schema, by spec version: would a strict client take this frame?"""

from __future__ import annotations

import functools
import json

from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # for one call

from tests.shared import shared


@functools.cache
def _validator(version: int, text: str) -> Draft7Validator:
    schema = json.loads(text)
    del schema["anyOf"]
    schema["allOf"] = [{"$ref": f"#/specs/MessageSpecV{version}"}]
    return Draft7Validator(schema)


# Every version sends it, and the schema forgets it in two.
_FORGOTTEN = {"ScanningFinished": (0, 1)}


def assert_valid(frame: str, version: int) -> None:
    """Skips the test where the schema is not at hand."""
    value = json.loads(frame)
    if version in _FORGOTTEN.get(next(iter(value[0])), ()):
        version = 2
    text = shared("data", "buttplug-schema.json").read_text()
    problems = [error.message for error in _validator(version, text).iter_errors(value)]
    assert not problems, f"v{version}: {frame}: {problems}"
