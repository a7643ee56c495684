"""`fashion-api compile`: build a model's compiled form."""

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.settings import Settings


@with_settings(
    Settings,
    model_path="The Keras `.h5` to compile; its manifest is the `.json` beside it",
    cache_dir="The cache, to which the compiled form is written; unset: the user's cache directory.",
)
def compile_model(settings: Settings) -> Status:
    """Build the model's compiled form ahead of the first start, and print its path."""
    from fashion_api.inference import loading  # noqa: PLC0415  # only where it runs

    print(loading.compile_model(settings))
    return Status.SUCCESS
