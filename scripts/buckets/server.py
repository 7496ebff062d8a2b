"""A server that speaks as much of S3 as object stores are asked here: HTTP/1.1, path style.

Objects are in memory, signatures are not looked at. Each answer is late by so many seconds as is
wanted, and any request can be made to fail: see ``Fault``.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import parse_qs, unquote, urlsplit

from buckets.contents import Bucket, document, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REASONS: Final = {200: "OK", 204: "No Content", 206: "Partial Content", 403: "Forbidden"}
_MISSING: Final = refusal("NoSuchKey", "The specified key does not exist.")
_NO_BUCKET: Final = refusal("NoSuchBucket", "The specified bucket does not exist")


class Request(NamedTuple):
    """A request: of which method, for what, with what."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer; ``length`` is that of a body that is not sent."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request.

    Attributes:
        status: it is refused with that; 0: it is not.
        code: what the refusal is called.
        seconds: the answer comes later by so many.
        cut: the body ends after that share of it, and so does the connection.
        reset: the connection ends without an answer.
        stall: the body stops halfway for so many seconds.

    """

    status: int = 0
    code: str = "SlowDown"
    seconds: float = 0.0
    cut: float | None = None
    reset: bool = False
    stall: float = 0.0


class Store:
    """The store.

    Attributes:
        buckets: by their names.
        delay: seconds by which each answer is late.
        trouble: tells what goes wrong with a request.
        requests: how many there have been of each method.
        most_at_once: most of them that were under way together.

    """

    def __init__(self, *names: str, delay: float = 0.0) -> None:
        self.buckets = {name: Bucket() for name in names}
        self.delay = delay
        self.trouble: Callable[[Request], Fault | None] = lambda _: None
        self.requests: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0

    def answer(self, request: Request) -> Answer:
        """Do what is asked."""
        self.requests[request.method] += 1
        if request.method == "PUT" and not request.key:
            self.buckets.setdefault(request.bucket, Bucket())
            return Answer()
        bucket = self.buckets.get(request.bucket)
        if bucket is None:
            return Answer(404, _NO_BUCKET.encode())
        if not request.key:
            return self._of_bucket(bucket, request)
        method = _METHODS.get(request.method)
        if method is None:
            return Answer(405, refusal("MethodNotAllowed", "").encode())
        return method(bucket, request)

    def _of_bucket(self, bucket: Bucket, request: Request) -> Answer:
        query = request.query
        if "delete" in query:
            keys = request.body.decode().split("<Key>")[1:]
            for each in keys:
                bucket.delete(each.partition("</Key>")[0])
            return Answer(body=document("DeleteResult", "").encode())
        after = query.get("continuation-token") or query.get("start-after", "")
        most = int(query.get("max-keys", "1000"))
        page = bucket.listed(query.get("prefix", ""), after, query.get("delimiter", ""), most)
        return Answer(body=page.encode())


def _get(bucket: Bucket, request: Request) -> Answer:
    stored = bucket.objects.get(request.key)
    if stored is None:
        return Answer(404, _MISSING.encode())
    marks = (
        ("ETag", stored.tag),
        ("Last-Modified", formatdate(stored.moment, usegmt=True)),
        ("Accept-Ranges", "bytes"),
    )
    size = len(stored.body)
    if request.method == "HEAD":
        return Answer(200, b"", marks, size)
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes="):
        return Answer(200, stored.body, marks)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start = int(first) if first else size - int(last)
    stop = min(int(last) + 1 if first and last else size, size)
    span = f"bytes {start}-{stop - 1}/{size}"
    return Answer(206, stored.body[start:stop], (*marks, ("Content-Range", span)))


def _put(bucket: Bucket, request: Request) -> Answer:
    upload = request.query.get("uploadId")
    if upload is None:
        return Answer(headers=(("ETag", bucket.put(request.key, request.body).tag),))
    bucket.uploads[upload][int(request.query["partNumber"])] = request.body
    return Answer(headers=(("ETag", f'"{len(request.body)}"'),))


def _post(bucket: Bucket, request: Request) -> Answer:
    if "uploads" in request.query:
        begun = f"<UploadId>{bucket.begin()}</UploadId>"
        return Answer(body=document("InitiateMultipartUploadResult", begun).encode())
    stored = bucket.complete(request.query["uploadId"], request.key)
    done = f"<ETag>{stored.tag.replace(chr(34), '&quot;')}</ETag>"
    return Answer(body=document("CompleteMultipartUploadResult", done).encode())


def _delete(bucket: Bucket, request: Request) -> Answer:
    if "uploadId" in request.query:
        bucket.uploads.pop(request.query["uploadId"], None)
    else:
        bucket.delete(request.key)
    return Answer(204)


_METHODS: Final = {"GET": _get, "HEAD": _get, "PUT": _put, "POST": _post, "DELETE": _delete}


class Connection(asyncio.Protocol):
    """A connection: one request after another."""

    def __init__(self, store: Store, connections: set[Connection]) -> None:
        self._store = store
        self._connections = connections
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._connections.add(self)
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - it is over
        """Forget it."""
        self._connections.discard(self)

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what has come; answer when it is a whole request."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if headers.get("expect") and len(self._received) == end + 4:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        stop = end + 4 + int(headers.get("content-length", "0"))
        if len(self._received) < stop:
            return
        body = bytes(self._received[end + 4 : stop])
        del self._received[:stop]
        self._begin(_parsed(first, headers, body))

    def _begin(self, request: Request) -> None:
        store = self._store
        store.at_once += 1
        store.most_at_once = max(store.most_at_once, store.at_once)
        fault = store.trouble(request) or Fault()
        late = store.delay + fault.seconds
        if late:
            asyncio.get_running_loop().call_later(late, self._end, request, fault)
        else:
            self._end(request, fault)

    def _end(self, request: Request, fault: Fault) -> None:
        store = self._store
        store.at_once -= 1
        if fault.reset:
            self._transport.abort()
            return
        if fault.status:
            store.requests[f"{request.method} refused"] += 1
            self._send(Answer(fault.status, refusal(fault.code, "as ordered").encode()), fault)
            return
        self._send(store.answer(request), fault)

    def _send(self, answer: Answer, fault: Fault) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        head = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}"]
        head += [f"{name}: {value}" for name, value in answer.headers]
        head += [f"Content-Length: {length}", "x-amz-request-id: 1", "", ""]
        start = "\r\n".join(head).encode("latin-1")
        half = len(answer.body) // 2
        if fault.cut is not None:
            self._transport.write(start + answer.body[: int(fault.cut * len(answer.body))])
            self._transport.close()
        elif fault.stall:
            self._transport.write(start + answer.body[:half])
            rest = answer.body[half:]
            asyncio.get_running_loop().call_later(fault.stall, self._transport.write, rest)
        else:
            self._transport.write(start + answer.body)


def _parsed(first: str, headers: dict[str, str], body: bytes) -> Request:
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(parts.query, True).items()}  # noqa: FBT003 - of the library
    return Request(method, bucket, key, query, headers, body)


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Serve a store on a thread; gives its address, on this machine only."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = Future()
    thread = threading.Thread(target=_serve, args=[store, started], daemon=True)
    thread.start()
    loop, enough, address = started.result()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(enough.set)
        thread.join()


def _serve(
    store: Store, started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]]
) -> None:
    connections: set[Connection] = set()

    async def serve() -> None:
        loop, enough = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(
            lambda: Connection(store, connections), "127.0.0.1", 0, backlog=1024
        )
        port = server.sockets[0].getsockname()[1]
        started.set_result((loop, enough, f"http://127.0.0.1:{port}"))
        await enough.wait()
        server.close()
        for each in tuple(connections):
            each.abort()
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(serve())


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
