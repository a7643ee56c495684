"""Faults for a service under test: Python imports this module at its start where its folder is on the path."""  # noqa: INP001  # no package

import os
import signal
import sys
import time

signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))  # the main thread, and so the event loop, stands still

if "fashion_api.server.worker_process" in sys.orig_argv:
    time.sleep(float(os.environ.get("FAULT_START_S", "0")))

if held := os.environ.get("FAULT_OPEN"):

    def hold(event: str, arguments: tuple[object, ...]) -> None:
        """Keep the thread that opens a file waiting until there is one beside it, NAME.go."""
        if event == "open" and str(arguments[0]) == held:
            os.write(2, b"the file is opened\n")
            while not os.path.exists(f"{held}.go"):  # noqa: PTH110  # pathlib takes its time to import
                time.sleep(0.005)

    sys.addaudithook(hold)
