"""`fashion-api serve`: run the HTTP service."""

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.settings import Settings


@with_settings(Settings, "host", "port", "workers", "root_path", "model_path", "data_dir", "cache_dir")
def serve(settings: Settings) -> Status:
    """Run the HTTP service."""
    from fashion_api.server.processes import run_server  # noqa: PLC0415  # only where it runs

    return Status.SUCCESS if run_server(settings) else Status.FAILED
