"""Runs libFuzzer on one target: `python -m tests.fuzz.engine TARGET FLAGS_OF_LIBFUZZER`."""

import importlib
import resource
import sys

import atheris

# The modules whose lines count as reached: our readers, and what they read with.
_WATCHED = [
    "fashion_api.inference.h5_walk",
    "fashion_api.inference.keras_config",
    "fashion_api.pictures",
    "fashion_api.rest.content_coding",
    "fashion_api.wire",
    "PIL",
    "h11",
    "python_multipart",
]


def main() -> None:
    """Fuzz until the time is over, or something is found."""
    _, name, *flags = sys.argv
    with atheris.instrument_imports(include=_WATCHED):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    if targets[name].most_data_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (targets[name].most_data_bytes,) * 2)
    with targets[name].open() as target:
        atheris.Setup([name, *flags], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
