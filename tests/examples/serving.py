"""A service on the loopback, and clients for it that are well-behaved or not."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any

import uvicorn
from fastapi import FastAPI

SECONDS = 60  # after which something hangs


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def detail(self) -> str:
        return str(json.loads(self.body)["detail"])


class HeldExecutor(ThreadPoolExecutor):
    """Begins nothing before it is released; counts the images that it is given."""

    def __init__(self) -> None:
        super().__init__(1)
        self.released = threading.Event()
        self.images = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - as Executor has it
        def later() -> Any:  # noqa: ANN401 - whatever fn gives
            assert self.released.wait(SECONDS)
            return fn(*args, **kwargs)

        (order,) = args
        self.images += len(order.pieces)
        return super().submit(later)


@dataclass(frozen=True)
class Client:
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "image/tiff"})
            return answer_of(connection.getresponse())
        finally:
            connection.close()

    def render(self, data: bytes, query: str = "") -> Answer:
        return self.ask("POST", f"/render?{query}", data)

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = json.loads(self.ask("GET", "/healthz").body)
        return counters

    @contextmanager
    def request(self, *headers: str, body: bytes = b"") -> Iterator[socket.socket]:
        """Send the head of an upload, and as much of its body as one likes."""
        lines = ("POST /render HTTP/1.1", "Host: localhost", *headers, "", "")
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
            connection.sendall("\r\n".join(lines).encode() + body)
            yield connection


def answer_of(response: http.client.HTTPResponse) -> Answer:
    return Answer(response.status, response.headers, response.read())


def answer_on(connection: socket.socket) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return answer_of(response)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def serving(app: FastAPI) -> Iterator[Client]:
    """Run the service under uvicorn, in a thread; it ends as by SIGTERM."""
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        eventually(lambda: server.started or not thread.is_alive())
        assert server.started
        try:
            yield Client(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(SECONDS)
            assert not thread.is_alive()
