from __future__ import annotations

import pytest

from forwarder.access.admission import (
    AdmissionRefused,
    Admitted,
    Gatekeeper,
    HostNames,
    HttpVisitor,
    OriginPolicy,
    Verdict,
)
from forwarder.access.bounds import MAX_ASKED

HERE = "127.0.0.1:12345"


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        ("localhost", True),
        ("LOCALHOST:12345", True),
        ("localhost.:12345", True),
        ("app.localhost", True),
        ("127.0.0.1:12345", True),
        ("[::1]:12345", True),
        ("192.168.1.20", True),
        ("hub.home:12346", True),
        ("Hub.Home", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("xlocalhost", False),
        ("", False),
        ("[::1", False),
        ("a:b:c", False),
        ("127.0.0.1%.evil.example", False),
        ("127.0.0.1%25.evil.example:12345", False),
        ("[::1%25evil.example]", False),
        ("[fe80::1%.evil.example]:12345", False),
        ("%localhost", False),
    ],
)
def test_host_names_that_only_this_machine_can_have(host: str, accepted: bool) -> None:
    assert HostNames(["Hub.Home."]).accepts(host) is accepted


@pytest.mark.parametrize(
    ("origin", "verdict"),
    [
        ("http://localhost", Verdict.ALLOW),
        ("http://localhost:3000", Verdict.ALLOW),
        ("https://127.0.0.1:8443", Verdict.ALLOW),
        ("http://[::1]:8080", Verdict.ALLOW),
        ("https://example.com", Verdict.ALLOW),
        ("HTTPS://EXAMPLE.COM/", Verdict.ALLOW),
        ("https://deep.sub.example.net", Verdict.ALLOW),
        ("https://example.net", Verdict.DENY),
        ("http://sub.example.net", Verdict.DENY),
        ("https://sub.example.net.evil.example", Verdict.DENY),
        ("https://evilexample.net", Verdict.DENY),
        ("http://example.com", Verdict.DENY),
        ("https://example.com:8443", Verdict.DENY),
        ("http://localhost.evil.example", Verdict.DENY),
        ("http://localhost@evil.example", Verdict.DENY),
        ("http://127.0.0.1%.evil.example", Verdict.DENY),
        ("http://[::1%25.evil.example]", Verdict.DENY),
        ("file://", Verdict.DENY),
        ("file://localhost", Verdict.DENY),
        ("null", Verdict.DENY),
        ("", Verdict.DENY),
        ("http://[", Verdict.DENY),
        ("chrome-extension://abcdef", Verdict.DENY),
        ("tauri://localhost", Verdict.ALLOW),
        ("app://-", Verdict.ALLOW),
        ("capacitor://localhost", Verdict.ALLOW),
        ("ionic://localhost", Verdict.ALLOW),
        ("vscode-webview://0d3hf6", Verdict.ALLOW),
        ("http://tauri.localhost", Verdict.ALLOW),
        ("://localhost", Verdict.DENY),
        ("tauri", Verdict.DENY),
        ("ta uri://x", Verdict.DENY),
    ],
)
def test_pages_of_this_machine_and_allowed_ones_come_in(origin: str, verdict: Verdict) -> None:
    policy = OriginPolicy(["https://example.com", "https://*.example.net/"])
    assert policy.judge(origin, HERE) is verdict


def test_a_page_from_this_very_server_comes_in_where_nobody_else_can_have_been() -> None:
    policy = OriginPolicy(hosts=HostNames(["hub.home"]))
    assert policy.judge("http://192.168.1.20:12346", "192.168.1.20:12346") is Verdict.ALLOW
    assert policy.judge("https://hub.home:12347", "hub.home:12347") is Verdict.ALLOW
    # Whoever answered for this name in mDNS or DNS a moment ago has given out the page.
    assert policy.judge("http://hub.home:12346", "hub.home:12346") is Verdict.DENY
    assert policy.judge("http://192.168.1.20:80", "192.168.1.20:12346") is Verdict.DENY
    # DNS rebinding: the page's own name leads to this machine, and it is not one of ours.
    assert policy.judge("http://evil.example:12346", "evil.example:12346") is Verdict.DENY
    assert policy.judge("http://localhost", "evil.example:12346") is Verdict.DENY


def test_star_allows_every_page_and_null_those_opened_from_a_file() -> None:
    assert OriginPolicy(["*"]).judge("https://any.example", HERE) is Verdict.ALLOW
    assert OriginPolicy(["null"]).judge("null", HERE) is Verdict.ALLOW


def test_unknown_pages_are_asked_about_and_come_in_once_allowed() -> None:
    policy = OriginPolicy(on_origin=lambda origin: Verdict.ASK)
    for _ in range(3):
        assert policy.judge("https://app.example", HERE) is Verdict.ASK
    assert policy.judge("https://other.example", HERE) is Verdict.ASK
    assert policy.asked == {"https://app.example": 3, "https://other.example": 1}
    policy.allow("https://app.example/")
    policy.forget("https://other.example")
    assert policy.asked == {}
    assert policy.judge("https://app.example", HERE) is Verdict.ALLOW
    policy.forget("https://app.example")
    assert policy.judge("https://app.example", HERE) is Verdict.ASK


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("file://", "file://"),
        ("file:///home/me/page.html", "file://"),
        ("", "(empty)"),
        ("null", "null"),
        ("chrome-extension://abc", "chrome-extension://abc"),
        ("moz-extension://abc", "moz-extension://abc"),
        ("safari-web-extension://abc", "safari-web-extension://abc"),
        ("content://downloads", "content://downloads"),
        ("isolated-app://abc", "isolated-app://abc"),
    ],
)
def test_what_may_be_from_anywhere_is_asked_about_once(origin: str, shown: str) -> None:
    policy = OriginPolicy(on_origin=lambda origin: Verdict.ASK)
    assert policy.judge(origin, HERE) is Verdict.ASK
    assert policy.asked == {shown: 1}
    policy.allow(shown)
    assert policy.judge(origin, HERE) is Verdict.ALLOW
    # A yes to one is no yes to another: a page of any site can have the origin null.
    others = {"null", "", "file://"} - {origin, shown}
    assert all(policy.judge(other, HERE) is Verdict.ASK for other in others)


def test_a_program_with_pages_of_its_own_is_named_when_it_is_first_seen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    policy = OriginPolicy(on_origin=lambda origin: Verdict.ASK)
    for _ in range(3):
        assert policy.judge("tauri://localhost", HERE) is Verdict.ALLOW
    assert policy.judge("app://-", HERE) is Verdict.ALLOW
    assert [record.getMessage() for record in caplog.records] == [
        "let in: the program of this machine whose page is tauri://localhost",
        "let in: the program of this machine whose page is app://-",
    ]
    assert policy.asked == {}
    # By a name that is not this machine's, nobody comes in.
    assert policy.judge("tauri://localhost", "evil.example") is Verdict.DENY


def test_the_list_of_pages_to_ask_about_is_bounded() -> None:
    policy = OriginPolicy(on_origin=lambda origin: Verdict.ASK)
    for number in range(MAX_ASKED + 5):
        policy.judge(f"https://{number}.example", HERE)
    assert len(policy.asked) == MAX_ASKED
    assert "https://0.example" not in policy.asked
    assert f"https://{MAX_ASKED + 4}.example" in policy.asked


def tokens(visitor: HttpVisitor) -> str | None:
    return "grant" if set(visitor.tokens) == {"good"} else None


@pytest.mark.parametrize(
    ("visitor", "expected"),
    [
        (HttpVisitor("127.0.0.1"), None),
        (HttpVisitor("127.8.9.1"), None),
        (HttpVisitor("::1"), None),
        (HttpVisitor("::ffff:127.0.0.1"), None),
        (HttpVisitor("127.0.0.1", tokens=("bad",)), 401),
        (HttpVisitor("::1", tokens=("",)), 401),
        (HttpVisitor("127.0.0.1", tokens=("bad", "good")), 401),
        (HttpVisitor("127.0.0.1", tokens=("good",)), "grant"),
        (HttpVisitor("127.0.0.1", host=HERE, origin="http://localhost", tokens=("bad",)), 401),
        (HttpVisitor("192.168.1.20", tokens=("good",)), "grant"),
        (HttpVisitor("192.168.1.20", tokens=("bad",)), 401),
        (HttpVisitor("fe80::1%eth0"), 401),
        (HttpVisitor("", tokens=()), 401),
        (HttpVisitor("127.0.0.1", forwarded=True), 401),
        (HttpVisitor("127.0.0.1", host=HERE, origin="https://evil.example"), 403),
        (HttpVisitor("127.0.0.1", origin="https://any.example", tokens=("good",)), "grant"),
        (HttpVisitor("192.168.1.20", host=HERE, origin="http://localhost"), 401),
    ],
)
def test_who_comes_in_where_there_are_tokens(
    visitor: HttpVisitor, expected: str | int | None
) -> None:
    decision = Gatekeeper(authorise=tokens).admit(visitor)
    if isinstance(expected, int):
        assert isinstance(decision, AdmissionRefused)
        assert decision.status == expected
    else:
        assert decision == Admitted(visitor, expected, who=expected)


def test_without_tokens_only_this_machine_comes_in() -> None:
    decision = Gatekeeper().admit(HttpVisitor("192.168.1.20", tokens=("good",)))
    assert decision == AdmissionRefused(403, "only programs on this machine may connect here")
    given = Gatekeeper().admit(HttpVisitor("127.0.0.1", tokens=("good",)))
    assert given == AdmissionRefused(401, "the token is unknown, revoked or expired")


def test_a_refusal_says_which_page_it_was() -> None:
    gatekeeper = Gatekeeper(OriginPolicy(on_origin=lambda origin: Verdict.ASK))
    decision = gatekeeper.admit(HttpVisitor("::1", host=HERE, origin="https://app.example"))
    assert decision == AdmissionRefused(403, "the web page https://app.example waits to be allowed")


def test_a_preflight_is_answered_like_the_visit_it_announces() -> None:
    gatekeeper = Gatekeeper(OriginPolicy(["https://app.example"]))
    assert gatekeeper.admit_page(HttpVisitor("::1", host=HERE, origin="https://app.example"))
    assert not gatekeeper.admit_page(HttpVisitor("::1", host=HERE, origin="https://evil.example"))
    assert not gatekeeper.admit_page(HttpVisitor("::1", host=HERE))
    far = HttpVisitor("192.168.1.20", host=HERE, origin="https://app.example")
    assert not gatekeeper.admit_page(far)
    assert Gatekeeper(authorise=tokens).admit_page(far)


def test_a_trusted_machine_needs_no_token_and_its_pages_are_judged_like_those_here() -> None:
    gate = Gatekeeper(authorise=lambda visitor: None, trusted=["192.168.1.30"])
    for address in ("192.168.1.30", "::ffff:192.168.1.30"):
        assert isinstance(gate.admit(HttpVisitor(address)), Admitted)
    page = HttpVisitor("192.168.1.30", host="127.0.0.1:12345", origin="https://evil.example")
    assert isinstance(gate.admit(page), AdmissionRefused)
    assert isinstance(gate.admit(HttpVisitor("192.168.1.31")), AdmissionRefused)
    # A proxy there speaks for anybody, and a bad token is no better than anywhere.
    assert isinstance(gate.admit(HttpVisitor("192.168.1.30", forwarded=True)), AdmissionRefused)
    assert isinstance(gate.admit(HttpVisitor("192.168.1.30", tokens=("bad",))), AdmissionRefused)
