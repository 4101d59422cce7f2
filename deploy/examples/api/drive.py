"""python drive.py http://127.0.0.1:12346 TOKEN: drives what vibrates for a second, then stops it.

The hub's HTTP API with Python's own library alone. Every shape stands in docs/openapi.json.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any


class Hub:
    """`token`: of `forwarder token new`, or the owner's (`forwarder token admin`)."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The decoded answer. Raises urllib.error.HTTPError; its body says what to do."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def main(url: str, token: str) -> None:
    hub = Hub(url, token)
    hub.call("POST", "/scan", {"for_s": 5})
    deadline = time.monotonic() + 5
    while not (devices := hub.call("GET", "/devices")) and time.monotonic() < deadline:
        time.sleep(0.2)
    for device in devices:
        types = {kind for feature in device["features"] for kind in feature["outputs"]}
        print(device["shown_name"], *sorted(types))
        if "Vibrate" in types:
            # It ends by itself after for_ms; say it again before, to go on.
            value = {"type": "Vibrate", "percent": 50, "for_ms": 2000}
            hub.call("PUT", f"/devices/{device['index']}/outputs", value)
            time.sleep(1)
            hub.call("POST", "/stop", {"device": device["index"]})


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {json.loads(error.read())['error']}")
