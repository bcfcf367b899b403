"""A place where the processes of a test meet."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A port where nobody listens, below those that the system gives away by itself: between this call and the moment
    when a process listens there, one of those might go to another test."""
    rng = random.Random()
    while True:
        port = rng.randrange(20_000, 32_000)
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
