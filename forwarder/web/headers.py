"""Headers of every answer of the hub's web server: what a browser may do with it.

Never Strict-Transport-Security: it would remove the way past the warning about our own
certificate, which is how phones get the relay page.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from forwarder.web.pages import REFERENCE_PATH, RELAY_PATH, REMOTE_PATH

# Everything from here, nothing inline, nothing framed. The QR codes are pictures in the page.
DASHBOARD_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " manifest-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
# The pages of phones and of guests may have to dial a hub at another of its places.
RELAY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " manifest-src 'self'; worker-src 'self'; connect-src 'self' ws: wss:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


# The hub's own address. At another one of this machine the dashboard asks whether it is there.
HOME: web.AppKey[str] = web.AppKey("home", str)


async def guard_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`."""
    relay = request.path.startswith((RELAY_PATH, REMOTE_PATH))
    headers = response.headers
    policy = RELAY_POLICY if relay else DASHBOARD_POLICY
    if request.path in ("/", REFERENCE_PATH) and HOME in request.app:
        policy = policy.replace("connect-src 'self'", f"connect-src 'self' {request.app[HOME]}")
    headers["Content-Security-Policy"] = policy
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cache-Control"] = "no-store"
    headers["Server"] = "forwarder"
