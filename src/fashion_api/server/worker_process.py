"""One of several worker processes: `python -m fashion_api.server.worker_process`, as `supervisor.py` starts it.

Its arguments are its slot, the number of slots, and the descriptors of the listening socket, of the connection table
and of the link to the supervisor. The settings come on standard input.
"""

import logging
import os
import pickle
import signal
import socket
import sys

from fashion_api.errors import SettingsError

STARTUP_FAILURE = 3
"""The exit status where the service cannot start; uvicorn's."""


def main() -> int:
    """Serve until told to stop; gives the exit status."""
    # The supervisor holds back the signals of a process that it starts. Until this one can drain, SIGTERM ends it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    from fashion_api.server.accepting import ConnectionTable  # noqa: PLC0415  # most of a second, with the next ones
    from fashion_api.server.log_queue import flush_log_queues, queue_log_lines  # noqa: PLC0415  # see above
    from fashion_api.server.logs import configure_logging  # noqa: PLC0415  # see above
    from fashion_api.server.metrics import remove_shared_metrics, share_metrics  # noqa: PLC0415  # see above
    from fashion_api.server.tls import check_certificate  # noqa: PLC0415  # see above
    from fashion_api.server.worker import Seat, Worker  # noqa: PLC0415  # see above

    slot, slots, listener, table, link = map(int, sys.argv[1:])
    settings = pickle.load(sys.stdin.buffer)  # noqa: S301  # the supervisor wrote it
    try:
        configure_logging(settings, worker=slot)
    except SettingsError as error:
        sys.stderr.write(f"fashion-api: {error}\n")
        return STARTUP_FAILURE
    queue_log_lines()
    share_metrics(slot)
    seat = Seat(slot, ConnectionTable(table, slots), socket.socket(fileno=link))
    seat.link.setblocking(False)  # noqa: FBT003  # the socket's own interface
    worker = Worker(settings, socket.socket(fileno=listener), seat=seat)
    try:
        check_certificate(settings)
        status = 0 if worker.run_until_stopped() else STARTUP_FAILURE
    except SettingsError as error:  # a file that they name has changed since the supervisor has read it
        logging.getLogger(__name__).critical("cannot start: %s", error)
        status = STARTUP_FAILURE
    if worker.is_alone:  # nobody else is there to do it
        remove_shared_metrics()
    if not flush_log_queues():  # nobody reads standard error; Python would wait for it
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
