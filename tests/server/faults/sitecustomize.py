"""Faults for a service under test: Python imports this module at its start where its folder is on the path."""  # noqa: INP001  # no package

import os
import signal
import sys
import time

signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))  # the main thread, and so the event loop, stands still

if "fashion_api.server.worker_process" in sys.orig_argv:
    time.sleep(float(os.environ.get("FAULT_START_S", "0")))
