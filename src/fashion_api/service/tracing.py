"""Whether requests are traced. OpenTelemetry's SDK is an extra, and is imported by `spans.py` only, where they are."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.service.spans import SpanWriter

INSTALL_OPENTELEMETRY = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
"""What installs the extra `tracing`."""
_MODULES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def check_tracing(settings: Settings) -> None:
    """Check that the settings can be obeyed.

    Raises:
        SettingsError: requests are to be traced, and OpenTelemetry is not installed.
    """
    if settings.tracing and not all(map(_is_installed, _MODULES)):
        raise settings.make_error("tracing", f"OpenTelemetry is not installed: {INSTALL_OPENTELEMETRY}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # not even the package that it would be in
        return False


def start_tracing(settings: Settings) -> "SpanWriter | None":
    """Give what writes the spans of this process, as the `OTEL_` variables say; `None` where nothing is traced.

    Raises:
        SettingsError: a variable cannot be obeyed.
    """
    if not settings.tracing:
        return None
    from fashion_api.service.spans import SpanWriter, make_processor  # noqa: PLC0415  # an extra

    processor = make_processor()
    return None if processor is None else SpanWriter(processor)
