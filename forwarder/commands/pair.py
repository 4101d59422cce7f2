"""`forwarder pair`: a one-time code as link and QR code, and what became of it."""

from __future__ import annotations

import argparse
import io
import queue
import sys
import textwrap
import threading
import time

import segno

from forwarder.api.documents.pairing import (
    WAYS,
    ComparedBody,
    ComparingView,
    PairingBody,
    PairingState,
    PairingView,
)
from forwarder.commands.api_client import ApiClient, HubRefused, in_path
from forwarder.commands.base import FINE, Subcommand, add_state, admin_of
from forwarder.commands.bounds import ASK_EVERY_S, LOOK_S
from forwarder.errors import ConfigError


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--phone",
        nargs="+",
        metavar=("WAY", "URL"),
        help="how a phone gets its page: meet (from a meeting point, the default if there is one),"
        " https (this hub's own), localhost (USB, adb reverse), or site URL (made with `forwarder"
        " relay-page`)",
    )
    parser.add_argument(
        "--away",
        action="store_true",
        help="for a relay in another home: by meeting point or direct path, without this hub's"
        " addresses",
    )
    parser.add_argument(
        "--code",
        action="store_true",
        help="for another computer in this network, where `relay pair` says the rest: compare a"
        " code on both screens",
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the relay")
    add_state(parser)


def _pair(options: argparse.Namespace) -> int:
    if options.code:
        if options.phone or options.away or options.no_wait:
            raise ConfigError("--code goes alone: it needs no link, and somebody who looks.")
        return _compare(admin_of(options))
    way, *more = options.phone or [None]
    if way not in (*WAYS, None) or len(more) != (way == "site"):
        raise ConfigError(
            "--phone: say meet, https, lan, localhost, or site with its https address."
        )
    if options.away and way not in ("meet", None):
        raise ConfigError("--away leads to a meeting point, which is where the page comes from.")
    admin = admin_of(options)
    body = PairingBody(phone=way, site=more[0] if more else None, away=options.away)
    code = admin.send("POST", "/pairing", PairingView, body)
    print("\n".join(instructions(code)), flush=True)
    if options.no_wait:
        return FINE
    try:
        return _wait(admin, code)
    except KeyboardInterrupt:
        admin.tell("DELETE", f"/pairing/{in_path(code.id)}")
        print("\nThe code is withdrawn.")
        raise


def instructions(code: PairingView) -> list[str]:
    """What a person does now; the first line is the link for `relay pair`, alone. A QR code that
    cannot work is not shown."""
    works = code.page_url is not None and not code.problems
    lines: list[str] = [code.link, ""]
    if works:
        assert code.page_url is not None
        lines += [
            "To lend a phone's Bluetooth to this hub, scan this and open it in Chrome:",
            "",
            qr_terminal(code.page_url),
            f"  {code.page_url}",
        ]
    else:
        lines += ["A phone cannot be paired this way yet:"]
        lines += [f"  • {problem}" for problem in code.problems]
    for hint in code.hints if works else ():
        lines += textwrap.wrap(hint, 78, initial_indent="  ", subsequent_indent="  ")
    if works and code.certificate is not None:
        lines += ["", *(f"    {line}" for line in fingerprint_lines(code.certificate))]
    lines += [
        "",
        "To lend this computer's own Bluetooth by a relay beside the hub, run this:"
        if "//127.0.0.1:" in code.link and "m=" not in code.link
        else "To lend another computer's Bluetooth, run this there:",
        "",
        f"  relay pair '{code.link}'",
        "",
        f"The code works once, for {code.valid_s:.0f} s. Who has it can move your devices:"
        " show it to nobody else.",
    ]
    return lines


def fingerprint_lines(certificate: str) -> list[str]:
    """All of it, with the first and the last four pairs on lines of their own."""
    pairs = certificate.split()
    middle = pairs[4:-4]
    return [
        " ".join(part)
        for part in (pairs[:4], middle[: len(middle) // 2], middle[len(middle) // 2 :], pairs[-4:])
    ]


def qr_terminal(text: str) -> str:
    """The code as a picture of characters, or nothing where the terminal cannot show it."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=out, border=2, compact=True)
    picture = out.getvalue().rstrip("\n") + "\n"
    try:
        picture.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "  (this terminal cannot show a QR code; the dashboard does)\n"
    return picture


def _compare(admin: ApiClient) -> int:
    """Have a person compare the code of a relay in this network."""
    admin.send("POST", "/comparing", ComparingView)
    print("Say `relay run` at the other computer, and choose this hub. Waiting…", flush=True)
    asked = 0
    try:
        while True:
            view = admin.get("/comparing", ComparingView)
            if view.state == "joined":
                print(f"{view.relay} has joined.")
                return FINE
            if view.state == "closed" or (view.state == "waiting" and view.tries_left == 0):
                raise HubRefused("Nobody was paired; run `forwarder pair --code` again.")
            if view.attempt is not None and view.attempt != asked:
                asked = view.attempt
                _ask(admin, view)
            time.sleep(ASK_EVERY_S)
    finally:
        admin.tell("DELETE", "/comparing")


def _ask(admin: ApiClient, view: ComparingView) -> None:
    print(f"\n  {view.code}\n\n{view.relay} wants to join. Does its screen show this code?")
    # The dialog is open while somebody looks at it: also while they read.
    said = Spoken("[y/n] ")
    while (answer := said.within(LOOK_S)) is None:
        admin.get("/comparing", ComparingView)
    same = answer.strip().casefold() in ("y", "yes", "j", "ja")
    path = "/comparing/same" if same else "/comparing/different"
    admin.send("POST", path, ComparingView, ComparedBody(attempt=view.attempt or 0))
    print("Waiting for the other side to say the same…" if same else "Nothing is kept.", flush=True)


class Spoken:
    """A line of standard input, read beside other things. An end of the input is an empty line."""

    def __init__(self, prompt: str) -> None:
        print(prompt, end="", flush=True)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def within(self, seconds: float) -> str | None:
        """The line, or None if there is none yet."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def _read(self) -> None:
        self._lines.put(sys.stdin.readline())


def _wait(admin: ApiClient, code: PairingView) -> int:
    print("Waiting for the relay…", flush=True)
    while True:
        state = admin.get(f"/pairing/{in_path(code.id)}", PairingState)
        if state.state == "joined":
            print(f"{state.relay} has joined.")
            return FINE
        if state.state == "over":
            raise HubRefused("The code has expired without a relay; run `forwarder pair` again.")
        time.sleep(ASK_EVERY_S)


COMMANDS = {
    "pair": Subcommand(_add, _pair),
}
