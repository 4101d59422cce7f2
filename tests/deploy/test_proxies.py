"""The lines for proxies in docs/faq.md, in the real programs, in front of a real hub."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace
from yarl import URL

from forwarder.config import Link
from tests.doubles.running_hub import RunningHub, config_for, running_hub
from tests.needs import needs
from tests.system.processes import free_ports, until

PAGE = Path(__file__).parents[2] / "docs" / "faq.md"
NAME = "hub.example.org"


def lines(program: str) -> str:
    """What the page says for this proxy."""
    found = re.search(rf"^    # {program}\n((?:    .*\n)+)", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    assert "127.0.0.1:12346" in found[1]
    return found[1]


def nginx(folder: Path, port: int, hub: int) -> list[str]:
    server = lines("nginx").replace("12346", str(hub))
    config = folder / "nginx.conf"
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {places}\n"
        f"server {{ listen 127.0.0.1:{port}; server_name {NAME};\n{server}}} }}\n"
    )
    program = needs("nginx", "/usr/sbin/nginx")
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(config)]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    return command


def caddy(folder: Path, port: int, hub: int) -> list[str]:
    server = lines("Caddy").replace("12346", str(hub)).replace(NAME, f"http://{NAME}:{port}")
    config = folder / "Caddyfile"
    config.write_text(f"{{\n\tadmin off\n}}\n{server}")
    program = needs("caddy")
    tried = subprocess.run(
        [program, "validate", "--adapter", "caddyfile", "--config", str(config)],
        capture_output=True, text=True, check=False, env=_home(folder),
    )  # fmt: skip
    assert tried.returncode == 0, tried.stderr
    return [program, "run", "--adapter", "caddyfile", "--config", str(config)]


def _home(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin"}


@asynccontextmanager
async def proxied(folder: Path, command: list[str], port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, env=_home(folder), stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    def listens() -> bool:
        places = (Path("/proc/net", name).read_text() for name in ("tcp", "tcp6"))
        return any(f":{port:04X} " in text for text in places)

    try:
        await until(listens, "the proxy listens")
        yield
    finally:
        process.terminate()
        await process.wait()


async def made_token(hub: RunningHub) -> str:
    _, made = await hub.ask("POST", "/tokens", {"name": "guest"})
    assert isinstance(made, dict)
    return str(made["token"])


@pytest.mark.parametrize("made", [nginx, caddy], ids=["nginx", "Caddy"])
async def test_what_the_page_says_brings_people_and_websockets_to_the_hub(
    made: object, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    link = Link(port=0, https_port=0, names=(NAME,))
    config = replace(config_for(tmp_path / "hub", ("Lovense Edge",)), link=link)
    (tmp_path / "hub").mkdir(mode=0o700)
    async with running_hub(tmp_path / "hub", config=config) as hub:
        assert callable(made)
        command = made(tmp_path, port, URL(hub.url).port or 0)
        token = await made_token(hub)
        url, host = f"http://127.0.0.1:{port}/api/v1", {"Host": NAME}
        async with proxied(tmp_path, command, port):
            # Who comes by a proxy is not this machine.
            async with hub.http.get(f"{url}/devices", headers=host) as response:
                assert response.status == 401
            known = {**host, "Authorization": f"Bearer {token}"}
            async with hub.http.get(f"{url}/devices", headers=known) as response:
                assert response.status == 200
            async with hub.http.get(f"{url}/devices", headers=known | {"Host": "x.example"}) as no:
                assert await no.read() != b"[]"
            async with hub.http.ws_connect(f"{url}/events", headers=host) as socket:
                await socket.send_json({"t": "hello", "token": token})
                assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
