"""What the documents of the API are made of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

DeviceIndex = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Percent = Annotated[float, Meta(ge=-100, le=100)]
Share = Annotated[float, Meta(ge=0, le=100)]
ShownName = Annotated[str, Meta(min_length=1, max_length=128)]


class Document(Struct, frozen=True, kw_only=True, gc=False):
    pass


class RequestBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What a caller sends; a misspelt field is an error, not silence."""
