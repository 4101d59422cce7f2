"""Findings: every check is made, and nothing of a person leaves in a bundle."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.checks.bundle import write_bundle
from relay.checks.findings import Finding, Mark, Redactor, bad, failed, good, lines, run_checks


def test_a_check_that_fails_is_a_finding_and_the_others_are_made() -> None:
    def broken() -> list[Finding]:
        raise OSError("the disk is on fire")

    found = list(
        run_checks([("first", broken), ("second", lambda: [good("Fine."), good("Fine.")])])
    )
    assert [one.mark for one in found] == [Mark.BAD, Mark.GOOD]
    assert "first" in found[0].text
    assert failed(found)
    assert list(lines(found))[-1] == "1 problem found."


def test_what_others_have_named_cannot_move_the_terminal() -> None:
    (found,) = run_checks([("x", lambda: [bad("a\x1b[2Jb\nc")])])
    assert "\x1b" not in found.text
    assert "\n" not in found.text


SECRETS = (
    "192.168.1.20", "[fe80::1]:12346", "2001:db8::7", "AA:BB:CC:DD:EE:FF", "aa-bb-cc-dd-ee-ff",
    ":".join(["AB"] * 32), "bpft_" + "x" * 43, "0f" * 32, "ws://desk.local:12346/link",
    "bpforward://10.0.0.1:1/#" + "s" * 43, "Attic", "ATTIC", socket.gethostname(),
)  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_addresses_names_and_keys_are_taken_out(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "bundle.txt"
    findings = [bad(f"The radio of {secret} is off: see {secret}.")]
    write_bundle(path, "doctor", findings, tmp_path, [("Attic", "<relay 1>")])
    text = path.read_text()
    assert not re.search(rf"(?<!\w){re.escape(secret.strip('[]'))}(?!\w)", text, re.IGNORECASE)
    assert "is off" in text
    assert path.stat().st_mode & 0o077 == 0


def test_what_every_machine_has_stays() -> None:
    text = "ws://x at 127.0.0.1, ::1, since 12:34:56; aiohttp 3.14.5, format 99"
    assert Redactor([])("at 127.0.0.1 and ::1, since 12:34:56; aiohttp 3.14.5") == (
        "at 127.0.0.1 and ::1, since 12:34:56; aiohttp 3.14.5"
    )
    assert "ws://x" not in Redactor([])(text)


@given(st.lists(st.ip_addresses().map(str) | st.text("0123456789abcdefXYZ:. ", max_size=30)))
def test_what_was_redacted_leaks_nothing(words: list[str]) -> None:
    redact = Redactor([("xyz", "<name>")])
    said = redact(" ".join(words))
    assert not redact.leaks(said)
    assert not re.search(r"\b(?!127\.|0\.0)\d{1,3}(\.\d{1,3}){3}\b", said)
