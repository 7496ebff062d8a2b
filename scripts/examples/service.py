"""A service that renders TIFFs over HTTP: send one, get a PNG.

    uvicorn --app-dir scripts/examples --factory service:create_app
    curl --data-binary @chip.tif 'localhost:8000/render?bands=8,4,3&high=3500' -o chip.png

Its memory is bounded: by ``max_renders`` uploads of ``max_bytes`` each, and ``Limits.memory``.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from asyncrgb import AsyncRgbError, Converter, Counters, FixedStretch, LimitError, Limits
from asyncrgb import RenderOptions as Options

SIGNATURES = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}  # of TIFF and BigTIFF
# All other errors are 422, also where a file takes too long or kills its worker: the next try
# would end the same, and what is a 5xx is tried again by clients and proxies.
STATUS = {LimitError: 413, ClientDisconnect: 499}


def create_app(
    converter: Converter | None = None,
    *,
    max_bytes: int = 8 * 2**20,
    max_renders: int = 64,
    upload_seconds: float = 30,
) -> FastAPI:
    """Make the service, which starts and ends its Converter."""
    converter = converter or Converter(limits=Limits(timeout=30))
    places = asyncio.Semaphore(max_renders)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with converter:
            yield

    app = FastAPI(title="asyncrgb", lifespan=lifespan)
    app.add_exception_handler(AsyncRgbError, explain)
    app.add_exception_handler(ClientDisconnect, explain)

    @app.post("/render")
    async def render(request: Request, options: Annotated[Options, Depends(wanted)]) -> Response:
        if places.locked():
            raise HTTPException(503, "all places are taken", {"Retry-After": "1"})
        async with places:
            data = await upload(request, max_bytes, upload_seconds)
            picture = await while_connected(request, converter.render(data, options))
        return Response(picture, media_type="image/png")

    @app.get("/healthz")
    async def healthz() -> Counters:
        return converter.counters()

    return app


async def while_connected(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Wait for ``work``, and cancel it if the client goes."""
    rendering, leaving = asyncio.create_task(work), asyncio.create_task(departure(request))
    try:
        await asyncio.wait((rendering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not rendering.done():
            raise ClientDisconnect
        return rendering.result()
    finally:
        rendering.cancel()
        leaving.cancel()


async def departure(request: Request) -> None:
    """Wait until the client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def upload(request: Request, most: int, seconds: float) -> bytearray:
    """Receive the body, a TIFF of up to ``most`` bytes; uvicorn throws away what is more."""
    too_large = HTTPException(413, f"more than {most} bytes")
    if int(request.headers.get("content-length", 0)) > most:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"no end after {seconds} s", {"Connection": "close"}) from None
    if bytes(data[:4]) not in SIGNATURES:
        raise HTTPException(415, "the body is no TIFF: send the file itself, not a form")
    return data


def wanted(
    bands: Annotated[str | None, Query(pattern=r"^\d{1,5}(,\d{1,5})*$")] = None,
    low: float | None = None,
    high: float | None = None,
) -> Options:
    """Read the options from the query: ``bands=4,3,2&low=0&high=4000``, or any of them."""
    numbers = tuple(int(band) for band in bands.split(",")) if bands else None
    ends = {"low": low, "high": high}
    given = {name: value for name, value in ends.items() if value is not None}
    return Options(bands=numbers, stretch=FixedStretch(**given) if given else None)


async def explain(_: Request, error: Exception) -> Response:
    """Tell the client, if it is still there, what is wrong with its TIFF or its query."""
    if type(error) is AsyncRgbError:
        raise error  # not about this image: a 500, with a traceback in the log
    return JSONResponse({"detail": str(error)}, STATUS.get(type(error), 422))
