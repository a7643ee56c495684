"""The page for people: static files, which ask the API as any other caller does."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.types import Scope

from fashion_api.rest.static_files import CompressedFiles
from fashion_api.wire.json_body import JSON

router = APIRouter(include_in_schema=False)
alive_router = APIRouter(include_in_schema=False)
"""What is at the page's address where the page is not shown: clients of KServe look there whether a service is up."""

STATIC_PATH: Final = "/static/page"

_FOLDER = Path(str(files("fashion_api.rest") / "page"))
_INDEX = "index.html"
_ALIVE = {"status": "alive"}
_HTML = "text/html"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # a browser asks whether its copy is still the newest
}


class _PageFiles(CompressedFiles):
    """The files that the page loads, with its headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


def make_static_files() -> CompressedFiles:
    """Serve what the page loads."""
    return _PageFiles(_FOLDER)


@router.get("/")
async def show_page(request: Request) -> Response:
    """Show the page to who asks for HTML; others learn that the service is alive."""
    headers = {**_HEADERS, "Vary": "Accept"}
    if _prefers_html(request.headers.get("accept", "")):
        return FileResponse(_FOLDER / _INDEX, media_type=_HTML, headers=headers)
    return JSONResponse(_ALIVE, headers={"Vary": "Accept"})


@alive_router.get("/")
async def show_life() -> dict[str, str]:
    """Tell anyone that the service is alive."""
    return _ALIVE


def _prefers_html(accept: str) -> bool:
    """Whether an `Accept` header names HTML, and gives JSON no greater weight (RFC 9110, section 12.5.1)."""
    weights = {_HTML: 0.0, JSON: 0.0}
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if media_type in weights:
            weights[media_type] = max(_read_weight(parameters), weights[media_type])
    return weights[_HTML] > 0 and weights[_HTML] >= weights[JSON]


def _read_weight(parameters: list[str]) -> float:
    given = [parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q=")]
    try:
        return float(given[0]) if given else 1.0
    except ValueError:
        return 0.0
