"""The entry point of `fashion-api` and of `python -m fashion_api`."""

import sys

from fashion_api.server.signals import obey_early_signals


def main() -> None:
    """Run the command line; the server obeys signals from the first moment on."""
    if "serve" in sys.argv[1:]:
        obey_early_signals()
    try:
        from fashion_api.cli.main import main as run  # noqa: PLC0415  # after the signals
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
