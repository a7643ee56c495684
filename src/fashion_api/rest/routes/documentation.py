"""The OpenAPI document, its pages for people, which need no internet, and the page of the kinds of problem."""

from importlib.resources import files
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response

from fashion_api.rest.problems import PROBLEMS_PATH
from fashion_api.rest.problems_page import show_kinds
from fashion_api.rest.static_files import CompressedFiles
from fashion_api.wire.json_body import JSON

router = APIRouter(include_in_schema=False)
problems_router = APIRouter(include_in_schema=False)
"""The page to which each error leads; it is there where the others are hidden, too."""

STATIC_PATH = "/static-docs"
# Both pages have inline scripts and styles, and ReDoc would load its maker's logo from elsewhere.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)

_WAY_BACK = b'<p style="margin: 1rem; font: 1rem sans-serif"><a href="./">Ask the model on its page</a></p>'


def make_static_files() -> CompressedFiles:
    """Serve the pages' scripts and styles; the package fastapi-offline carries them."""
    return CompressedFiles(Path(str(files("fastapi_offline") / "static")))


@router.get("/openapi.json")
def give_openapi(request: Request) -> Response:  # not `async`: the first has the document made, in 0.2 s
    """Give the OpenAPI document; its server is the address below which the caller has found it."""
    root = request.scope.get("root_path", "").rstrip("/")
    document = {**request.app.openapi(), "servers": [{"url": root or "/"}]}
    return Response(orjson.dumps(document), media_type=JSON)


@router.get("/docs")
async def show_swagger_ui(request: Request) -> HTMLResponse:
    """Show the routes, to be read and tried."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=request.app.title,
        swagger_js_url=f"{root}{STATIC_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{STATIC_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{root}{STATIC_PATH}/favicon.png",
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    return _finish(page)


@router.get("/redoc")
async def show_redoc(request: Request) -> HTMLResponse:
    """Show the routes, to be read."""
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title=request.app.title,
        redoc_js_url=f"{root}{STATIC_PATH}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{STATIC_PATH}/favicon.png",
        with_google_fonts=False,
    )
    return _finish(page)


def _finish(page: HTMLResponse) -> HTMLResponse:
    """Add the way back to the page where pictures are asked about, and the policy."""
    body = bytes(page.body).replace(b"<body>", b"<body>" + _WAY_BACK, 1)
    return HTMLResponse(body, headers={"Content-Security-Policy": _POLICY})


@problems_router.get(PROBLEMS_PATH)
async def explain_problems() -> HTMLResponse:
    """Explain the kinds of problem."""
    return show_kinds()
