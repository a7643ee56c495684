"""The commands. Each imports what it needs when it runs: some of that takes seconds."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fashion_api.errors import FashionError, ImageError
from fashion_api.server.logs import configure_logging
from fashion_api.settings import Settings, SettingsT, TrainingSettings, load_settings

_INTERRUPTED = 130  # what a shell reports for a command ended by Ctrl-C


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 for success, 1 for an error that was told, 2 for a wrong call, 130 for Ctrl-C."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command and give its exit status."""
    arguments = make_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except FashionError as error:
        if arguments.debug:
            raise
        print(f"fashion-api: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("fashion-api: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return status


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="fashion-api",
        description="Classify Fashion-MNIST images: data, training, evaluation and the HTTP service.",
        epilog="Everything can also be set by FASHION_ variables and in .env; .env.example lists them.",
    )
    parser.add_argument("--version", action="version", version=f"fashion-api {version('fashion-api')}")
    parser.add_argument("--debug", action="store_true", help="show a traceback where there is an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_data(commands)
    _add_train(commands)

    evaluate = commands.add_parser("evaluate", help="score a model on the test set, once, and write its card")
    _add_setting_flags(evaluate, Settings, ["model_path", "data_dir", "digits_file"])
    evaluate.set_defaults(run=_evaluate)

    compile_ = commands.add_parser("compile", help="build the model's compiled form, ahead of the first start")
    _add_setting_flags(compile_, Settings, ["model_path", "cache_dir"])
    compile_.set_defaults(run=_compile)

    predict = commands.add_parser("predict", help="classify picture files")
    predict.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a picture file of the model's size")
    predict.add_argument("--json", action="store_true", help="print one JSON object a file")
    _add_setting_flags(predict, Settings, ["model_path"])
    predict.set_defaults(run=_predict)

    serve = commands.add_parser("serve", help="run the HTTP service")
    _add_setting_flags(serve, Settings, ["host", "port", "workers", "model_path"])
    serve.set_defaults(run=_serve)
    return parser


def _add_data(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    data = commands.add_parser("data", help="fetch, verify or show the data set")
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="download what is missing")
    fetch.set_defaults(run=_fetch_data)
    verify = actions.add_parser("verify", help="tell where the data set is, and whether it is whole")
    verify.set_defaults(run=_verify_data)
    show = actions.add_parser("show", help="draw an image in the terminal, with what it shows")
    show.add_argument("index", type=int, help="the image's place in its set, from 0")
    show.add_argument("--split", choices=("test", "train"), default="test", help="which set (default: test)")
    show.add_argument("--save", type=Path, metavar="FILE.png", help="write it as a PNG instead")
    show.add_argument("--scale", type=int, default=1, metavar="N", help="enlarge the PNG N times (default: 1)")
    show.set_defaults(run=_show_data)
    for action in (fetch, verify, show):
        _add_setting_flags(action, Settings, ["data_dir"])


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = commands.add_parser("train", help="train a model by a recipe")
    train.add_argument("--list", action="store_true", help="list the recipes, and do nothing else")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this run")
    own = [name for name in TrainingSettings.model_fields if name not in Settings.model_fields]
    shared = ["model_path", "data_dir", "image_height", "image_width", "class_names"]
    _add_setting_flags(train, TrainingSettings, own + shared)
    train.set_defaults(run=_train)


def _add_setting_flags(parser: argparse.ArgumentParser, settings: type[Settings], names: Sequence[str]) -> None:
    """Add a flag for each of these settings; the settings class reads and checks the value."""
    group = parser.add_argument_group("settings", "each also as FASHION_NAME, in the environment or in .env")
    for name in names:
        description = (settings.model_fields[name].description or "").replace("%", "%%")
        group.add_argument(f"--{name.replace('_', '-')}", default=None, metavar="VALUE", help=description)
    parser.set_defaults(setting_names=tuple(names))


def _read_settings(arguments: argparse.Namespace, cls: type[SettingsT]) -> SettingsT:
    given = {name: getattr(arguments, name) for name in arguments.setting_names}
    settings = load_settings(cls, overrides={name: value for name, value in given.items() if value is not None})
    configure_logging(settings)
    return settings


def _fetch_data(arguments: argparse.Namespace) -> int:
    from fashion_api.data.dataset import download, download_directory  # noqa: PLC0415  # see the module's docstring

    settings = _read_settings(arguments, Settings)
    directory = settings.data_dir or download_directory(settings.cache_dir)
    download(directory, quiet=not sys.stderr.isatty())
    print(f"the data set is in {directory}")
    return 0


def _verify_data(arguments: argparse.Namespace) -> int:
    from fashion_api.data.dataset import FILES, DataSource  # noqa: PLC0415  # see the module's docstring

    source = DataSource.from_settings(_read_settings(arguments, Settings))
    for name in FILES:
        split = source.load(name)
        height, width = split.images.shape[1:]
        print(f"{name}: {len(split)} images of {height}×{width}, whole, in {source.find(name)}")
    return 0


def _show_data(arguments: argparse.Namespace) -> int:
    from fashion_api.data.dataset import DataSource  # noqa: PLC0415  # see the module's docstring
    from fashion_api.files import write_atomically  # noqa: PLC0415
    from fashion_api.pictures.decoding import encode_png  # noqa: PLC0415
    from fashion_api.pictures.terminal import draw_colour, draw_plain  # noqa: PLC0415

    settings = _read_settings(arguments, Settings)
    split = DataSource.from_settings(settings).load(arguments.split)
    index = split.check_index(arguments.index)
    label = settings.class_names[int(split.labels[index])]
    if arguments.save is not None:
        write_atomically(arguments.save, encode_png(split.images[index], scale=arguments.scale))
        print(f"{arguments.split} image {index}, {label}: written to {arguments.save}")
        return 0
    has_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print((draw_colour if has_colour else draw_plain)(split.images[index]))
    print(f"{arguments.split} image {index}: {label}")
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from fashion_api.training.recipe import list_recipes  # noqa: PLC0415  # see the module's docstring

    if arguments.list:
        print(list_recipes())
        return 0
    from fashion_api.training.fit import training  # noqa: PLC0415  # TensorFlow, which the list does not need

    settings = _read_settings(arguments, TrainingSettings)
    command = shlex.join(["fashion-api", *(argument for argument in sys.argv[1:] if argument != "--resume")])
    outcome = training.train_model(settings, command=command, resume=arguments.resume)
    print(outcome.summary())
    return _INTERRUPTED if outcome.is_interrupted else 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from fashion_api.training.evaluate.evaluation import evaluate_model  # noqa: PLC0415  # see the module's docstring

    print(evaluate_model(_read_settings(arguments, Settings)).summary())
    return 0


def _compile(arguments: argparse.Namespace) -> int:
    from fashion_api.inference.loading import compile_model  # noqa: PLC0415  # see the module's docstring

    print(compile_model(_read_settings(arguments, Settings)))
    return 0


def _predict(arguments: argparse.Namespace) -> int:
    from fashion_api.inference.loading import load_model  # noqa: PLC0415
    from fashion_api.pictures.decoding import decode_image  # noqa: PLC0415  # see the module's docstring
    from fashion_api.wire.models import Prediction  # noqa: PLC0415  # the same
    from fashion_api.wire.predictions import describe_predictions  # noqa: PLC0415  # see the module's docstring

    status = 0
    model = load_model(_read_settings(arguments, Settings))
    for path in arguments.files:
        try:
            image = decode_image(path.read_bytes(), height=model.input.height, width=model.input.width)
        except (OSError, ImageError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            print(f"fashion-api: {path}: {reason}", file=sys.stderr)
            status = 1
            continue
        described = describe_predictions(model, model.classifier.classify(image[None]))
        prediction = Prediction.model_validate(described[0])
        if arguments.json:
            print(f'{{"file": {json.dumps(str(path))}, "prediction": {prediction.model_dump_json()}}}')
        else:
            doubt = "" if prediction.reason is None else f"; not accepted: {prediction.reason}"
            print(f"{path}: {prediction.label} ({prediction.probability:.1%}){doubt}")
    return status


def _serve(arguments: argparse.Namespace) -> int:
    from fashion_api.server.processes import run_server  # noqa: PLC0415  # see the module's docstring

    return 0 if run_server(_read_settings(arguments, Settings)) else 1
