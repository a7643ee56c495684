"""`fashion-api evaluate`: score a model on the test set."""

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.settings import Settings


@with_settings(Settings, "model_path", "data_dir", "cache_dir", "digits_file")
def evaluate(settings: Settings) -> Status:
    """Score a model on the test set, and write its card."""
    from fashion_api.training.evaluate.evaluation import evaluate_model  # noqa: PLC0415  # TensorFlow

    print(evaluate_model(settings).summary())
    return Status.SUCCESS
