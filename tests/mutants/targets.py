"""Which modules are changed, and whose tests must notice: those of the same module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """`modules` that are one part, and `tests` of that part; files or folders, from the root.
    `but`: of these tests the ones that ask about tests themselves."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    but: tuple[str, ...] = ()

    @property
    def selection(self) -> tuple[str, ...]:
        """For pytest's command line."""
        return (*self.tests, *(f"--deselect={one}" for one in self.but))


_MACHINE = "actions driver gate history limits machine outcomes runs slots stops timed voice worker"
_TRANSCRIPTS = "tests/relay/peripheral/test_transcripts.py"

GROUPS = (
    Group(
        "machine",
        tuple(f"relay/peripheral/{name}.py" for name in _MACHINE.split()),
        ("tests/relay/peripheral",),
        (
            f"{_TRANSCRIPTS}::test_the_vectors_are_current",
            f"{_TRANSCRIPTS}::test_the_vectors_reach_every_line_of_the_machine",
            f"{_TRANSCRIPTS}::test_random_scripts_get_everywhere",
        ),
    ),
    Group(
        "hub",
        tuple(
            f"forwarder/hub/{name}.py"
            for name in ("hub", "loop_guard", "drove", "scanning", "sharing", "subscriptions")
        ),
        (
            "tests/forwarder/hub/test_hub.py",
            "tests/forwarder/hub/test_drove.py",
            "tests/forwarder/hub/test_loop_guard.py",
            "tests/forwarder/hub/test_scanning.py",
            "tests/forwarder/hub/test_sharing.py",
            "tests/forwarder/hub/test_subscriptions.py",
            "tests/forwarder/stop/test_person.py",
        ),
    ),
    Group("truth", ("forwarder/hub/truth.py",), ("tests/forwarder/hub/test_truth.py",)),
    Group(
        "stop",
        tuple(f"forwarder/stop/{name}.py" for name in ("hold", "hold_file", "person")),
        ("tests/forwarder/stop",),
    ),
    Group(
        "grants",
        (
            "forwarder/hub/grants.py",
            "forwarder/clients/token_sessions.py",
            "forwarder/access/tokens.py",
        ),
        (
            "tests/forwarder/hub/test_grants.py",
            "tests/forwarder/clients/test_token_sessions.py",
            "tests/forwarder/access/test_tokens.py",
        ),
    ),
    Group(
        "trust",
        ("forwarder/access/relay_keys.py",),
        ("tests/forwarder/access/test_relay_keys.py",),
    ),
    Group(
        "outboxes",
        ("relay/hub_link/outbox.py", "forwarder/clients/outbox.py"),
        ("tests/relay/hub_link/test_outbox.py", "tests/forwarder/clients/test_outbox.py"),
    ),
    Group(
        "handshake",
        ("relay/link/security/handshake.py",),
        (
            "tests/relay/link/security/test_handshake.py",
            "tests/relay/link/test_handshake_under_attack.py",
        ),
    ),
)
