"""The page that explains the kinds of problem, each at the anchor that a problem's `type` names."""

import base64
import hashlib
import re
from html import escape

from fastapi.responses import HTMLResponse

from fashion_api.rest.problems import KINDS, ProblemKind

_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 0 auto; padding: 1rem; }
h1 { line-height: 1.2; }
h2 { font-size: 1.1rem; margin: 2rem 0 0; }
h2 a { color: inherit; text-decoration: none; }
h2 a:hover, h2 a:focus-visible { text-decoration: underline; }
p { margin: 0.25rem 0; }
section { margin: 0 -1rem; padding: 0 0.75rem; border-inline-start: 0.25rem solid transparent; }
section:target { border-color: Highlight; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Problems – fashion-api</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Problems</h1>
<p>Errors are answered as <code>application/problem+json</code> (RFC 9457). The <code>type</code> of a problem names one
of these kinds, its <code>detail</code> says what is wrong with the request, and its <code>request_id</code> finds it in
the log.</p>
{sections}
</main>
</body>
</html>
"""
_SECTION = """\
<section id="{name}">
<h2><a href="#{name}">{title}</a></h2>
<p>{status} {phrase} · <code>{type}</code></p>
<p>{meaning}</p>
</section>"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def show_kinds() -> HTMLResponse:
    """Give the page."""
    page = _PAGE.format(style=_STYLE, sections="\n".join(map(_show_kind, KINDS)))
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _show_kind(kind: ProblemKind) -> str:
    return _SECTION.format(
        name=kind.name,
        type=kind.type,
        title=escape(kind.title),
        status=int(kind.status),
        phrase=escape(kind.status.phrase),
        meaning=re.sub("`([^`]+)`", r"<code>\1</code>", escape(kind.meaning)),
    )
