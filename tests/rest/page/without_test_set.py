"""The service where there is no test set, for an ASGI server to run."""

from fashion_api.rest.app import create_app
from fashion_api.server.logs import configure_logging
from fashion_api.server.process import own_process
from fashion_api.settings import Settings
from tests.fakes import find_no_test_set

_settings = Settings(_env_file=None)
configure_logging(_settings)
app = create_app(_settings, load_test_set=find_no_test_set, lifespan=own_process)
