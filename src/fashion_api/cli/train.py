"""`fashion-api train`: train a model."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashion_api.cli.flags import DATA_FLAGS, with_settings
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting
from fashion_api.files import write_as_text
from fashion_api.settings import Settings, TrainingSettings

if TYPE_CHECKING:
    from fashion_api.cli.invocation import Invocation

_OWN_FIELDS = [field for field in TrainingSettings.model_fields if field not in Settings.model_fields]


def _list_recipes(is_asked: bool) -> None:  # noqa: FBT001  # Typer's callbacks take the value alone
    if is_asked:
        from fashion_api.training.recipes import list_recipes  # noqa: PLC0415  # only where it runs

        print(list_recipes())
        raise typer.Exit


@with_settings(
    TrainingSettings,
    *_OWN_FIELDS,
    recipe="The recipe: compact, standard, teacher, small or tutorial; --list describes them",
    is_service=False,
    **DATA_FLAGS,
    cache_dir="The cache, which has what was downloaded, and teachers compiled; unset: the user's cache directory.",
)
def train(
    settings: TrainingSettings,
    context: typer.Context,
    *,
    model_path: Annotated[
        str,
        typer.Option(
            metavar="PATH.h5",
            show_default=False,
            help="Where the model is written. [default: models/RECIPE.h5, or RECIPE_2.h5 and on where that is taken]",
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a model that is there already.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of this run.")] = False,
    _list: Annotated[
        bool,
        typer.Option("--list", is_eager=True, callback=_list_recipes, help="List the recipes, and do nothing else."),
    ] = False,
) -> Status:
    """Train a model by a recipe.

    The data set is Fashion-MNIST, or what --data-dir names: folders of pictures, whose names are the classes
    (DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS), an .npz with x_train, y_train, x_test and y_test, or IDX files.
    Ctrl-C ends the run, and writes the model of the best epoch so far; --resume continues it.

    Examples:
        fashion-api train
        fashion-api train --data-dir flowers --image-height 32 --image-width 32 --model-path models/flowers.h5
        fashion-api train --recipe small --model-path models/mine.h5
        fashion-api train --recipe tutorial --optimizer adadelta --learning-rate 1 --epochs 40
        fashion-api train --resume
    """
    with Waiting("importing TensorFlow"):
        from fashion_api.cli.run_view import RunView, describe_outcome  # noqa: PLC0415  # only where it runs
        from fashion_api.training.fit.training import train_model  # noqa: PLC0415  # TensorFlow

    invocation: Invocation = context.obj
    arguments = [argument for argument in invocation.arguments if argument not in ("--force", "--resume")]
    with Waiting("reading the data", shows_log=True) as waiting:
        outcome = train_model(
            settings,
            command=write_as_text(shlex.join(["fashion-api", *arguments])),
            model_path=Path(model_path) if model_path else None,
            resume=resume,
            force=force,
            observer=RunView(waiting),
        )
    print("\n".join(["", *describe_outcome(outcome, data_dir=settings.data_dir)]))
    return Status.INTERRUPTED if outcome.is_interrupted else Status.SUCCESS
