"""Buttplug frames of a hostile client or server, in each spec version: answered, never a crash.

The first byte chooses the version of a client (0 to 4), none at all (5), or a server (6, 7).
"""

from __future__ import annotations

import json
import sys

from tests.fuzz.engine import fuzz, instrumented

with instrumented("forwarder"):
    from forwarder.buttplug.client import ClientSession
    from forwarder.buttplug.server import ClientRequest, ServerSession
    from forwarder.errors import ForwarderError

# Answers may be this much longer than what they answer: 16 errors of a few hundred characters.
_MOST_ANSWER = 8_192


def buttplug_json(data: bytes) -> None:
    if not data:
        return
    kind, frame = data[0] % 8, data[1:].decode("utf-8", "surrogateescape")
    if kind < 6:
        _server(None if kind == 5 else kind, frame)
    else:
        _client(4 if kind == 6 else 3, frame)


def _server(version: int | None, frame: str) -> None:
    session = ServerSession("fuzzed", max_ping_ms=1000, devices=dict)
    if version is not None:
        field = "ProtocolVersionMajor" if version == 4 else "MessageVersion"
        greeting = {"Id": 1, "ClientName": "fuzzer", field: version, "ProtocolVersionMinor": 0}
        session.receive(json.dumps([{"RequestServerInfo": greeting}]), 0.0)
    said = 0
    for action in session.receive(frame, 0.5):
        match action:
            case str():
                said += len(action)
            case ClientRequest():
                said += len(session.fail(action, ForwarderError("no")))
    assert said <= _MOST_ANSWER + 4 * len(frame)
    session.tick(9.0)


def _client(version: int, frame: str) -> None:
    session = ClientSession("fuzzer", version=version)
    session.hello(0.0)
    session.receive(frame, 0.1)
    session.receive(
        '[{"ServerInfo":{"Id":1,"ServerName":"s","MaxPingTime":0,"MessageVersion":3}}]', 1
    )
    session.receive(frame, 2.0)
    session.tick(99.0)


SEEDS = (
    b'\4[{"StopCmd":{"Id":2,"DeviceIndex":0}},{"OutputCmd":{"Id":3,"DeviceIndex":0,'
    b'"FeatureIndex":0,"Command":{"Vibrate":{"Value":9}}}}]',
    b'\3[{"ScalarCmd":{"Id":2,"DeviceIndex":0,"Scalars":[{"Index":0,"Scalar":0.5,'
    b'"ActuatorType":"Vibrate"}]}}]',
    b'\2[{"LinearCmd":{"Id":2,"DeviceIndex":0,"Vectors":[{"Index":0,"Duration":5,"Position":1}]}}]',
    b'\1[{"VibrateCmd":{"Id":2,"DeviceIndex":0,"Speeds":[{"Index":0,"Speed":0.5}]}}]',
    b'\0[{"SingleMotorVibrateCmd":{"Id":2,"DeviceIndex":0,"Speed":0.5}}]',
    b'\5[{"RequestServerInfo":{"Id":1,"ClientName":"x","MessageVersion":1}}]',
    b'\6[{"ServerInfo":{"Id":1,"ServerName":"s","MaxPingTime":100,"ProtocolVersionMajor":4,'
    b'"ProtocolVersionMinor":0}},{"DeviceList":{"Id":2,"Devices":{}}}]',
    b'\7[{"DeviceAdded":{"Id":0,"DeviceIndex":1,"DeviceName":"x","DeviceMessages":{}}}]',
)

if __name__ == "__main__":
    sys.exit(fuzz(buttplug_json, sys.argv, SEEDS))
