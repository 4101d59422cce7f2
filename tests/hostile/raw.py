"""Peers that are sockets and nothing else: cheap enough that a thousand keep ten acts a second.

A peer acts at its turns, ten a second, whatever the other end does: it opens a connection and says
the first thing, or says the next thing on the one it has. What the other end says is thrown away.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile.pace import HOST, Target

# A turn that comes later than the next one is due is missed, and not made up for.
_READ_BYTES = 1 << 18
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of peer does. Called with how many acts there were before: which port it
    dials, what it says first, and what it says at each later turn; None: it opens a new connection
    instead. `tls`: the handshake is finished before anything is said."""

    port: Callable[[int], int]
    first: Callable[[int], bytes]
    then: Callable[[int], bytes | None] | None = None
    tls: bool = False


class _Peer:
    __slots__ = ("left", "shaking", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | ssl.SSLSocket | None = None
        self.left = memoryview(b"")  # not sent yet
        self.shaking = False


def crowd(kind: Kind, target: Target, seconds: float) -> None:
    """Have the peers of this process act for so many seconds; counts into `target.acts`."""
    _Crowd(kind, target).run(seconds)


class _Crowd:
    def __init__(self, kind: Kind, target: Target) -> None:
        self._kind = kind
        self._target = target
        self._peers = [_Peer() for _ in range(target.peers)]
        self._epoll = select.epoll()
        self._by_fd: dict[int, _Peer] = {}
        self._scratch = bytearray(_READ_BYTES)
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def run(self, seconds: float) -> None:
        every = 1 / (self._target.rate_hz * len(self._peers))
        began = now = time.monotonic()
        turn = 0
        while now < began + seconds:
            due = int((now - began) / every)
            # Who is a whole round behind has missed what it did not do.
            turn = max(turn, due - len(self._peers))
            for number in range(turn, min(due, turn + _BATCH)):
                self._turn(self._peers[number % len(self._peers)])
                turn = number + 1
            wait = 0.0 if turn < due else max(0.0, began + (turn + 1) * every - time.monotonic())
            for fd, event in self._epoll.poll(wait, _BATCH):
                if fd in self._by_fd:
                    self._ready(self._by_fd[fd], event)
            now = time.monotonic()

    def _turn(self, peer: _Peer) -> None:
        if peer.sock is not None and self._kind.then is not None:
            if peer.left or peer.shaking:
                self._target.held += 1
                return  # the other end reads slowly, or has not answered yet
            said = self._kind.then(self._target.acts)
            if said is not None:
                self._say(peer, said)
                return
        self._close(peer)
        self._open(peer)

    def _open(self, peer: _Peer) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # So that ends leave nothing behind: a minute of TIME_WAIT would use up all ports.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.sock, peer.shaking = sock, self._kind.tls
        number = self._target.acts
        sock.connect_ex((HOST, self._kind.port(number)))  # on loopback it is there at once
        self._by_fd[sock.fileno()] = peer
        self._epoll.register(sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        self._say(peer, self._kind.first(number))

    def _say(self, peer: _Peer, what: bytes) -> None:
        self._target.acts += 1
        peer.left = memoryview(what)
        self._flush(peer)

    def _flush(self, peer: _Peer) -> None:
        assert peer.sock is not None
        try:
            if peer.shaking:
                self._shake(peer)
            while peer.left:
                peer.left = peer.left[peer.sock.send(peer.left) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self._close(peer)

    def _shake(self, peer: _Peer) -> None:
        if not isinstance(peer.sock, ssl.SSLSocket):
            assert peer.sock is not None
            try:
                peer.sock.getpeername()
            except OSError:
                raise BlockingIOError from None  # the queue is full
            peer.sock = self._tls.wrap_socket(peer.sock, do_handshake_on_connect=False)
        peer.sock.do_handshake()
        peer.shaking = False

    def _ready(self, peer: _Peer, event: int) -> None:
        if event & (select.EPOLLHUP | select.EPOLLERR):
            self._close(peer)
            return
        if peer.left or peer.shaking:
            self._flush(peer)
        if peer.sock is not None and event & select.EPOLLIN and not peer.shaking:
            self._read(peer)

    def _read(self, peer: _Peer) -> None:
        try:
            while peer.sock is not None:
                if not peer.sock.recv_into(self._scratch):
                    self._close(peer)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self._close(peer)

    def _close(self, peer: _Peer) -> None:
        if peer.sock is None:
            return
        del self._by_fd[peer.sock.fileno()]
        with contextlib.suppress(OSError):
            peer.sock.close()
        peer.sock, peer.left, peer.shaking = None, memoryview(b""), False
