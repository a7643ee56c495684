"""The service with fake parts, for ASGI servers in processes of their own: `uvicorn tests.served_app:app`.

The environment variable GATE names the socket at which its classifier asks; see `tests.gate`.
"""

import os
from pathlib import Path

from fashion_api.rest.app import create_app
from fashion_api.server.logs import configure_logging
from fashion_api.server.process import own_process
from fashion_api.settings import Settings, load_settings
from tests.fakes import NovelClassifier, load_fake_test_set, model_loader
from tests.gate import GatedClassifier

_settings = load_settings(Settings, env_file=Path(os.devnull))
_gate = os.environ.get("GATE")
configure_logging(_settings)

app = create_app(
    _settings,
    load_model=model_loader(GatedClassifier(Path(_gate)) if _gate else NovelClassifier()),
    load_test_set=load_fake_test_set,
    lifespan=own_process,
)
