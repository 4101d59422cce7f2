"""What a running hub says of itself, as findings: each with the next step."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from forwarder.api.documents.model import (
    HubView,
    MeetingView,
    OriginsView,
    RadioPartView,
    RadioView,
    RelayView,
    StatusView,
)
from forwarder.api.documents.seen import SeenList, SeenView
from forwarder.api.documents.stop import HoldView, KeptView, MissingView, MutedView
from forwarder.checks.running import HubReport, hub_checks, running_checks
from forwarder.config import Config, Link
from forwarder.sources.relays.choosing.seen import WhyNotHere
from relay.checks.findings import Finding, Mark, run_checks

HUB = HubView(
    name="Desk", version="1", client_url="ws://127.0.0.1:12345", dashboard_url="http://127.1.2.3:1",
    page_url="https://localhost:12347/relay/", fingerprint=None, lan=True, scanning=False, up_s=1,
    stall_ms=0.0, stall_in="",
    meetings=(), direct=None,
)  # fmt: skip
FREE = HoldView(mode="free", by=None, since=None, muted=(), unsaved=None, missing=(), kept=())
BLUEZ = RadioView(kind="bluetooth", name="hci0", on=True, text="", parts=())
ATTIC = RelayView(
    name="Attic", paired=True, connected=True, platform="", software="", path=None,
    round_trip_ms=None, radio=BLUEZ, paused=False, stopped=False, blocked=None, ceilings=(),
    max_run_s=0, devices=(), free_slots=1,
)  # fmt: skip
STATUS = StatusView(hub=HUB, hold=FREE, relays=(ATTIC,), devices=(), clients=())


def found(report: HubReport, config: Config | None = None) -> list[Finding]:
    return list(run_checks(hub_checks(config or Config(), report)))


def seen(*toys: tuple[str, str | None, WhyNotHere]) -> SeenList:
    views = tuple(
        SeenView(
            address="AA", name=name, model=model, index=None, reason=reason, text="Do something.",
            again_s=None, heard=(), services=(), manufacturer={}, relays=(),
        )
        for name, model, reason in toys
    )  # fmt: skip
    return SeenList(listening=False, lately_s=120, toys=views)


def worse(findings: list[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.mark is not Mark.GOOD]


def test_a_hub_that_is_well_has_good_news_only() -> None:
    findings = found(HubReport(STATUS, seen(), OriginsView(allowed=(), asked={})))
    assert {finding.mark for finding in findings} == {Mark.GOOD}
    assert "Relays that are connected: 1." in [finding.text for finding in findings]
    assert {finding.about for finding in findings} == {"hub", "relays"}


def test_a_port_for_phones_that_was_taken_is_told() -> None:
    (bad,) = worse(found(HubReport(replace(STATUS, hub=replace(HUB, page_url=None)))))
    assert "port 12347 was taken" in bad
    config = Config(link=Link(https_port=0))
    assert not worse(found(HubReport(replace(STATUS, hub=replace(HUB, page_url=None))), config))


def test_whatever_keeps_toys_still_or_running_is_told_with_what_ends_it() -> None:
    hold = replace(
        FREE,
        mode="stopped",
        by="Ann",
        unsaved="No space left on device",
        muted=(MutedView(name="Game", by="Ann", since=0),),
        missing=(MissingView(name="Edge", relay="Attic"),),
        kept=(KeptView(name="Hush", why="The wearer paused it."),),
    )
    texts = "\n".join(worse(found(HubReport(replace(STATUS, hold=hold)))))
    for part in (
        "stopped by Ann: `forwarder resume`", "Make room", "Game is muted",
        "Edge may be running, and Attic has lost it: switch it off", "Hush is kept by its wearer",
    ):  # fmt: skip
        assert part in texts


def test_relays_that_are_away_blocked_or_without_a_radio_are_told() -> None:
    off = RadioPartView(kind="bluetooth", name="hci1", on=False, text="It is off: switch it on.")
    relays = (
        replace(ATTIC, radio=replace(BLUEZ, parts=(off,))),
        replace(ATTIC, name="Bath", radio=replace(BLUEZ, on=False, text="No adapter: plug one.")),
        replace(ATTIC, name="Cellar", blocked="Cellar is paused by its wearer."),
        replace(ATTIC, name="Den", connected=False, radio=None),
    )
    texts = "\n".join(worse(found(HubReport(replace(STATUS, relays=relays)))))
    for part in (
        "The radio hci1 of Attic is off: It is off: switch it on.",
        "The radio of Bath is off: No adapter", "Cellar is paused", "Den is paired, and away",
    ):  # fmt: skip
        assert part in texts
    (none,) = worse(found(HubReport(replace(STATUS, relays=()))))
    assert "forwarder pair" in none


def test_a_meeting_point_that_cannot_be_reached_is_told_with_its_trouble() -> None:
    met = MeetingView(url="wss://a.example", registered=True, trouble="")
    lost = MeetingView(url="wss://b.example", registered=False, trouble="it does not answer")
    status = replace(STATUS, hub=replace(HUB, meetings=(met, lost)))
    (bad,) = worse(found(HubReport(status)))
    assert "wss://b.example (it does not answer)" in bad


def test_known_models_that_are_heard_and_not_here_are_told_with_the_reason() -> None:
    toys = seen(
        ("LVS-P36", "Lovense Edge", WhyNotHere.DENIED),
        ("LVS-S", "Lovense Hush", WhyNotHere.CONNECTED),
        ("Television", None, WhyNotHere.UNKNOWN),
    )
    (note,) = worse(found(HubReport(STATUS, toys)))
    assert note == "LVS-P36 (Lovense Edge) is heard and not connected: Do something."
    crowd = seen(*((f"T{n}", "Lovense Edge", WhyNotHere.FULL) for n in range(12)))
    notes = worse(found(HubReport(STATUS, crowd)))
    assert len(notes) == 9
    assert notes[-1].startswith("4 more: `forwarder seen`")


def test_a_web_page_that_waits_for_an_answer_is_told() -> None:
    pages = OriginsView(allowed=(), asked={"https://game.example": 3})
    (note,) = worse(found(HubReport(STATUS, None, pages)))
    assert "https://game.example wants to connect" in note


def test_a_hub_looks_at_its_folder_settings_clock_and_network_too(tmp_path: Path) -> None:
    names = [name for name, _ in running_checks(Config(state=tmp_path), HubReport(STATUS))]
    assert {"settings", "state folder", "clock", "Bluetooth", "network"} <= set(names)
