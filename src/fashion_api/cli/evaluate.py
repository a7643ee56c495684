"""`fashion-api evaluate`: score a model on the test set."""

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.settings import Settings


@with_settings(
    Settings,
    "digits_file",
    model_path="The Keras `.h5` to score; its manifest is the `.json` beside it, which gets the scores",
    engine="What is scored: onnx, the model's compiled form, as it is served, or keras, the model as it is",
    data_dir="The directory that has the data set; unset: the cache, Keras's cache or Debian's package.",
    cache_dir="The cache, which has what was downloaded and compiled; unset: the user's cache directory.",
)
def evaluate(settings: Settings) -> Status:
    """Score a model on the test set, and write its card."""
    from fashion_api.training.evaluate.evaluation import evaluate_model  # noqa: PLC0415  # TensorFlow

    print(evaluate_model(settings).summary())
    return Status.SUCCESS
