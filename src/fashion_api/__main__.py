"""The entry point of `fashion-api` and of `python -m fashion_api`."""

import os
import sys

from fashion_api.server.signals import obey_early_signals


def open_standard_streams() -> None:
    """Open the standard streams that were closed by whoever started the process, for reading or writing nothing.

    Else sockets and files would get their numbers, and whatever libraries write to standard error would go there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest number, this one, unless it was taken meanwhile
            os.set_inheritable(opened, True)  # noqa: FBT003  # the function's own interface
            setattr(sys, name, open(opened, "w" if number else "r", closefd=False))  # noqa: SIM115  # stays open


def main() -> None:
    """Run the command line; the server obeys signals from the first moment on."""
    open_standard_streams()
    if "serve" in sys.argv[1:]:
        obey_early_signals()
    try:
        from fashion_api.cli.main import main as run  # noqa: PLC0415  # after the signals
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
