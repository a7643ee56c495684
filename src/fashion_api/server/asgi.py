"""The ASGI entry point for any server, as in `uvicorn fashion_api.server.asgi:app`.

Importing it reads the settings and sets up logging, as a process of its own needs.
"""

from fashion_api.errors import SettingsError
from fashion_api.rest.app import create_app
from fashion_api.server.log_queue import queue_log_lines
from fashion_api.server.logs import configure_logging
from fashion_api.server.process import own_process
from fashion_api.settings import Settings, load_settings

try:
    _settings = load_settings(Settings)
    configure_logging(_settings)
    queue_log_lines()
    app = create_app(_settings, lifespan=own_process)
except SettingsError as error:
    raise SystemExit(f"fashion-api: {error}") from None
