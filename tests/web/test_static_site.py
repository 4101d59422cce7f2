"""The page on somebody's public https site, the hub at home without any certificate; and the page
from the hub's own https with a self-signed certificate.

All servers are on 127.0.0.1; the browser is told other names and address spaces for them.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.link.messages import Advertisements, Connected, Hello, Interests, Packet
from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_emulation import Chooser, Emulated
from tests.doubles.chromium_hub import WebHub

pytestmark = pytest.mark.chromium

SITE = "relay.pages.example"
HUB = "192.168.77.7"
SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"
TX = "0000fff2-0000-1000-8000-00805f9b34fb"
TABLE = {SERVICE: {TX: ("write", "writeWithoutResponse")}}


def self_signed(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """A server's context, and the flag value by which the browser takes this certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return context, base64.b64encode(hashlib.sha256(spki).digest()).decode()


async def drive(hub: WebHub, toy: Emulated, page: Page) -> None:
    """From the page's first link to a byte at the toy."""
    link = await hub.link()
    await link.hear(Hello)
    link.tell(Interests((SERVICE,), ("LVS-*",)))
    await page.until("!document.getElementById('add').disabled")
    await page.click("#add")
    address = (await link.hear(Advertisements)).items[0].address
    answer = await link.connect(1, address)
    assert isinstance(answer, Connected)
    handle = answer.services[0].characteristics[0].handle
    await link.arm(1, Packet(handle, b"off"))
    await link.output(1, Packet(handle, b"on", keys=(0,)))
    assert toy.writes == [(TX, b"on", "write-without-response")]


async def test_a_public_site_reaches_the_hub_at_home_with_one_permission(tmp_path: Path) -> None:
    context, spki = self_signed(tmp_path, SITE)
    async with WebHub(tls=context, with_link=False) as site, WebHub() as hub:
        flags = [
            "--enable-features=WebBluetooth",
            f"--ignore-certificate-errors-spki-list={spki}",
            f"--host-resolver-rules=MAP {SITE} 127.0.0.1,MAP {HUB} 127.0.0.1",
            f"--ip-address-space-overrides=127.0.0.1:{site.port}=public,"
            f"127.0.0.1:{hub.port}=private",
        ]
        async with Chromium(flags) as browser:
            toy = await Emulated(browser, TABLE).start()
            page = await browser.page()
            await page.phone()
            await Chooser(page).start()
            address = f"{site.url(host=SITE)}#{hub.secret()}&h={HUB}:{hub.port}"
            await browser.root.call(
                "Browser.grantPermissions",
                origin=site.url("", SITE),
                permissions=["localNetwork"],
            )
            await page.goto(address)
            await drive(hub, toy, page)
            assert await page.evaluate("location.href") == site.url(host=SITE)
            await page.goto(site.url(host=SITE))
            await (await hub.link()).hear(Hello)


async def test_without_the_permission_the_page_says_where_to_give_it(tmp_path: Path) -> None:
    context, spki = self_signed(tmp_path, SITE)
    async with WebHub(tls=context, with_link=False) as site, WebHub() as hub:
        flags = [
            "--enable-features=WebBluetooth",
            f"--ignore-certificate-errors-spki-list={spki}",
            f"--host-resolver-rules=MAP {SITE} 127.0.0.1,MAP {HUB} 127.0.0.1",
            f"--ip-address-space-overrides=127.0.0.1:{site.port}=public,"
            f"127.0.0.1:{hub.port}=private",
        ]
        async with Chromium(flags) as browser:
            page = await browser.page()
            await page.phone()
            await browser.root.call(
                "Browser.setPermission",
                origin=site.url("", SITE),
                permission={"name": "local-network"},
                setting="denied",
            )
            await page.goto(f"{site.url(host=SITE)}#{hub.secret()}&h={HUB}:{hub.port}")
            await page.until(
                "document.getElementById('notice').innerText.includes('allow Local network')", 20
            )


async def test_a_public_name_without_tls_cannot_be_called_and_the_page_says_so(
    tmp_path: Path,
) -> None:
    context, spki = self_signed(tmp_path, SITE)
    async with WebHub(tls=context, with_link=False) as site, WebHub() as hub:
        flags = [
            "--enable-features=WebBluetooth",
            f"--ignore-certificate-errors-spki-list={spki}",
            f"--host-resolver-rules=MAP {SITE} 127.0.0.1,MAP hub.example 127.0.0.1",
        ]
        async with Chromium(flags) as browser:
            page = await browser.page()
            await page.goto(f"{site.url(host=SITE)}#{hub.secret()}&h=hub.example:{hub.port}")
            await page.until(
                "document.getElementById('notice').innerText.includes('private addresses only')"
            )


async def test_the_hubs_own_https_with_a_certificate_that_somebody_waved_through(
    tmp_path: Path,
) -> None:
    context, spki = self_signed(tmp_path, "desk.local")
    async with WebHub(tls=context) as hub:
        flags = [
            "--enable-features=WebBluetooth",
            f"--ignore-certificate-errors-spki-list={spki}",
            "--host-resolver-rules=MAP desk.local 127.0.0.1",
        ]
        async with Chromium(flags) as browser:
            toy = await Emulated(browser, TABLE).start()
            page = await browser.page()
            await page.phone()
            await Chooser(page).start()
            await page.goto(f"{hub.url(host='desk.local')}#{hub.secret()}")
            await drive(hub, toy, page)
            assert page.errors == []


async def test_a_hub_that_is_gone_may_be_one_with_another_certificate(tmp_path: Path) -> None:
    """Browsers tell pages neither; only loading the page again asks about the certificate."""
    context, spki = self_signed(tmp_path, "desk.local")
    async with WebHub(tls=context) as hub:
        flags = [
            "--enable-features=WebBluetooth",
            f"--ignore-certificate-errors-spki-list={spki}",
            "--host-resolver-rules=MAP desk.local 127.0.0.1",
        ]
        async with Chromium(flags) as browser:
            page = await browser.page()
            await page.phone()
            await page.goto(f"{hub.url(host='desk.local')}#{hub.secret()}")
            await (await hub.link()).hear(Hello)
            hub._tls, _ = self_signed(tmp_path, "desk.local")
            await hub.stop()
            await hub.start()
            await page.until(
                "document.getElementById('notice').innerText.includes('another certificate')", 20
            )
            assert await page.evaluate("document.getElementById('notice-other').innerText") == (
                "Load again"
            )
            loaded = page.expect("Page.frameStartedNavigating")
            await page.click("#notice-other")
            await loaded


async def test_plain_http_on_the_network_is_refused_with_the_way_out() -> None:
    flags = ["--enable-features=WebBluetooth", "--host-resolver-rules=MAP desk.local 127.0.0.1"]
    async with WebHub() as hub, Chromium(flags) as browser:
        page = await browser.page()
        await page.goto(f"{hub.url(host='desk.local')}#{hub.secret()}")
        await page.until("document.getElementById('notice').innerText.includes('https pages only')")
