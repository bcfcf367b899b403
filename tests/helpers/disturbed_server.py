"""A server that breaks in every way that servers do: it refuses, hangs, resets, answers with errors or garbage, dies.

`DisturbedServer(answer, fault)` asks `fault(number)` for each request, by its number from 0 on, what goes wrong.
"""

from __future__ import annotations

import http.client
import http.server
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Answer = tuple[int, bytes]

BEFORE = ("hang", "reset", "429", "500", "502", "503", "garbage", "page", "empty json", "not json", "closed")
"""Faults in which nothing was done that the request asks for."""
AFTER = ("answer lost", "answer cut")
"""Faults in which all was done, and the one who asked does not get to know it."""
FAULTS = BEFORE + AFTER
HANG = 1.0
"""Seconds for which a request hangs; a client's patience is to be shorter."""


def no_fault(number: int) -> str:
    return ""


class DisturbedServer:
    """Answers HTTP requests on a port of this machine by `answer(method, path, body)`, as far as `fault` lets it."""

    def __init__(self, answer: Callable[[str, str, bytes], Answer], fault: Callable[[int], str] = no_fault) -> None:
        self.answer = answer
        self.fault = fault
        self.met = 0
        """Requests that a fault has met."""
        self.requests = 0
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._server: http.server.ThreadingHTTPServer | None = None
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Takes requests, from now on or again."""
        until = time.monotonic() + 20
        while self._server is None:
            try:
                self._server = _Server(("127.0.0.1", self.port), _handler(self))
            except OSError:  # somebody's outgoing connection has got the port meanwhile
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def refuse(self) -> None:
        """Takes no connections any more, until `listen`."""
        server, self._server = self._server, None  # at once: a window of refusals may end in another thread
        if server is not None:
            server.shutdown()
            server.server_close()

    def close(self) -> None:
        self.ended.set()
        self.refuse()

    def next_fault(self) -> str:
        with self._lock:
            fault = self.fault(self.requests)
            self.requests += 1
            self.met += bool(fault)
        return fault


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: connections are broken on purpose."""


def _handler(server: DisturbedServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True

        def do_any(self) -> None:
            fault = server.next_fault()
            if fault in ("reset", "refuse"):
                self._reset()
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault == "hang":
                server.ended.wait(HANG)
            if fault in ("hang", "closed"):
                self.close_connection = True
                return
            if fault in BEFORE:
                self._send(*_wrong(fault))
                return
            status, content = server.answer(self.command, self.path, body)
            if fault == "answer lost":
                self._reset()
            else:
                self._send(status, content, {}, cut=fault == "answer cut")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815 (names of the library)

        def _send(self, status: int, content: bytes, headers: dict[str, str], cut: bool = False) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) + 20 * cut))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = cut

        def _reset(self) -> None:
            # closing with a linger time of zero sends a reset instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RD)
            self.connection.close()

        def log_message(self, form: str, *arguments: object) -> None:
            """Says nothing."""

    return Handler


def _wrong(fault: str) -> tuple[int, bytes, dict[str, str]]:
    if fault.isdigit():
        return int(fault), b"<html>try later</html>", {"Retry-After": "3600"}
    garbage = random.Random(7).randbytes(300)
    return {
        "garbage": (200, garbage, {}),
        "page": (400, b"<html>the gateway is starting</html>", {"Content-Type": "text/html"}),
        "empty json": (500, b"{}", {}),
        "not json": (200, b'{"run": {"info": {"run_id": "', {}),
    }[fault]


class Windows:
    """Outages by time: `count` of them spread over `seconds`, each a share of its slot, of kinds in random order.

    In a window of kind "refuse" nothing listens at all.
    """

    def __init__(self, count: int, seconds: float, share: float = 0.6, seed: int = 0) -> None:
        choice = random.Random(seed)
        self.kinds = [(*FAULTS, "refuse")[choice.randrange(len(FAULTS) + 1)] for _ in range(count)]
        self.slot = seconds / count
        self.share = share
        self.began = 0.0

    def begin(self) -> None:
        self.began = time.monotonic()

    def fault(self, number: int = 0) -> str:
        """The kind of the outage that there is now."""
        if not self.began:
            return ""
        index, place = divmod((time.monotonic() - self.began) / self.slot, 1.0)
        return self.kinds[int(index)] if index < len(self.kinds) and place < self.share else ""

    def run(self, server: DisturbedServer) -> None:
        """Closes and opens the server's port as the windows say, in a thread, until the last of them is over."""

        def follow() -> None:
            refusing = False
            while time.monotonic() - self.began < self.slot * len(self.kinds) and not server.ended.wait(0.01):
                refuse = self.fault() == "refuse"
                if refuse != refusing:
                    (server.refuse if refuse else server.listen)()
                    refusing = refuse
            if refusing and not server.ended.is_set():
                server.listen()

        self.begin()
        threading.Thread(target=follow, daemon=True).start()


def forward(port: int) -> Callable[[str, str, bytes], Answer]:
    """Answers by asking another server on this machine."""

    def answer(method: str, target: str, body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, target, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return answer
