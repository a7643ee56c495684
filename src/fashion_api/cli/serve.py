"""`fashion-api serve`: run the HTTP service."""

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.settings import Settings


@with_settings(
    Settings,
    "host",
    "port",
    "workers",
    "root_path",
    "model_path",
    "engine",
    is_service=True,
    data_dir="The directory of the test images; unset: the cache, Keras's cache or Debian's package.",
    cache_dir="The cache, which has what was downloaded and compiled; unset: the user's cache directory.",
)
def serve(settings: Settings) -> Status:
    """Run the HTTP service.

    Its page is at /, its documentation at /docs. Ctrl-C stops it, and lets it finish what is under way.
    .env.example has every setting, those of other inference protocols and of gRPC too.

    Examples:
        fashion-api serve
        fashion-api serve --port 8123 --workers 2
    """
    from fashion_api.server.processes import run_server  # noqa: PLC0415  # only where it runs

    try:
        return Status.SUCCESS if run_server(settings) else Status.FAILED
    except KeyboardInterrupt:  # how it is stopped, which its log says
        return Status.INTERRUPTED
