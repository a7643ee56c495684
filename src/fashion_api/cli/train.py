"""`fashion-api train`: train a model."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.settings import Settings, TrainingSettings

if TYPE_CHECKING:
    from fashion_api.cli.invocation import Invocation

_OWN_FIELDS = [field for field in TrainingSettings.model_fields if field not in Settings.model_fields]
_SHARED_FIELDS = ["data_dir", "cache_dir", "image_height", "image_width", "class_names"]


def _list_recipes(is_asked: bool) -> None:  # noqa: FBT001  # Typer's callbacks take the value alone
    if is_asked:
        from fashion_api.training.recipes import list_recipes  # noqa: PLC0415  # only where it runs

        print(list_recipes())
        raise typer.Exit


@with_settings(TrainingSettings, *_OWN_FIELDS, *_SHARED_FIELDS)
def train(
    settings: TrainingSettings,
    context: typer.Context,
    *,
    model_path: Annotated[
        str,
        typer.Option(
            metavar="PATH.h5", show_default=False, help="Where the model is written (default: models/RECIPE.h5)."
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a model that is there already.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of this run.")] = False,
    _list: Annotated[
        bool,
        typer.Option("--list", is_eager=True, callback=_list_recipes, help="List the recipes, and do nothing else."),
    ] = False,
) -> Status:
    """Train a model by a recipe, and write it with its manifest."""
    from fashion_api.training.fit.training import train_model  # noqa: PLC0415  # TensorFlow

    invocation: Invocation = context.obj
    arguments = [argument for argument in invocation.arguments if argument not in ("--force", "--resume")]
    outcome = train_model(
        settings,
        command=shlex.join(["fashion-api", *arguments]),
        model_path=Path(model_path) if model_path else None,
        resume=resume,
        force=force,
    )
    print(outcome.summary())
    return Status.INTERRUPTED if outcome.is_interrupted else Status.SUCCESS
