"""The service with fake parts, served as `fashion-api serve` does: writes its port to standard output."""

import os
import signal
import sys
import threading
from pathlib import Path

import uvicorn

from fashion_api.rest.app import create_app
from fashion_api.server.connection import Connections
from fashion_api.server.grpc_port import bind
from fashion_api.server.logs import configure_logging
from fashion_api.server.process import own_process
from fashion_api.server.worker import make_config
from fashion_api.settings import Settings, load_settings
from tests.fakes import NovelClassifier, load_fake_test_set, model_loader


def main() -> None:
    """Serve until SIGTERM, or until standard input ends: libFuzzer ends without a word."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    settings = load_settings(Settings, env_file=Path(os.devnull))
    configure_logging(settings)
    app = create_app(
        settings, load_model=model_loader(NovelClassifier()), load_test_set=load_fake_test_set, lifespan=own_process
    )
    config = make_config(settings, Connections(settings), lambda: app)
    with bind("127.0.0.1", 0) as sock:
        sys.stdout.write(f"{sock.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[sock])


def _end_with_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
