"""The service of a model in colour with fake parts, for an ASGI server to run."""

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.inference.loading import LoadedModel
from fashion_api.rest.app import create_app
from fashion_api.server.logs import configure_logging
from fashion_api.server.process import own_process
from fashion_api.settings import Settings
from tests.fakes import NovelClassifier, fake_colour_model, fake_test_set


def _load_test_set(_settings: Settings, model: LoadedModel) -> Split:
    """Give test images that have colours to look at."""
    split = fake_test_set(shape=model.input.shape)
    rows, columns = np.indices(model.input.size, dtype=np.uint8) * 8
    for index, image in enumerate(split.images):
        image[2:, :] = np.stack((rows, columns, np.full_like(rows, index * 8)), axis=-1)[2:]
        image[-1, -1] = 0  # is familiar
    return split


_settings = Settings(_env_file=None)
configure_logging(_settings)
app = create_app(
    _settings,
    load_model=lambda _settings: fake_colour_model(NovelClassifier()),
    load_test_set=_load_test_set,
    lifespan=own_process,
)
