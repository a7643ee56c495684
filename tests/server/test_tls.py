"""TLS: what is encrypted is answered as all else is, within the same limits, and certificates change while it runs."""

import os
import re
import signal
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from fashion_api.cli.main import run
from fashion_api.errors import SettingsError
from fashion_api.server.accepting import MAX_HANDSHAKES
from fashion_api.server.tls import check_certificate
from fashion_api.settings import Settings
from tests.server.raw_http import Caller, RunningServer, start_servers
from tests.server.service_process import Service, ask, begin_request, connect, finish_request, serve

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
HOST = "127.0.0.1"


class Certificates:
    """An authority, and the files of a service's certificate."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.context = ssl.create_default_context()
        """Of callers that trust the authority."""
        self._authority = trustme.CA()
        self._authority.configure_trust(self.context)

    def issue(self) -> None:
        """Write a new certificate with its key."""
        leaf = self._authority.issue_cert(HOST)
        leaf.cert_chain_pems[0].write_to_path(str(self.certificate))
        leaf.private_key_pem.write_to_path(str(self.key))

    @property
    def settings(self) -> Settings:
        return Settings(_env_file=None, tls_cert=self.certificate, tls_key=self.key)

    def connect(self, port: int) -> ssl.SSLSocket:
        return self.context.wrap_socket(connect(port), server_hostname=HOST)

    def read_own(self) -> bytes:
        """Give the certificate in the form in which a connection shows it."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates that no test changes."""
    certificates = Certificates(tmp_path_factory.mktemp("tls"))
    certificates.issue()
    return certificates


@pytest.fixture
def own(tmp_path: Path) -> Certificates:
    """Certificates that the test may change."""
    certificates = Certificates(tmp_path)
    certificates.issue()
    return certificates


@pytest.fixture(scope="module")
def server(shared: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    changes = {"cache_dir": tmp_path_factory.mktemp("cache"), "header_timeout_s": 0.5}
    with start_servers(shared.settings.model_copy(update=changes)) as start:
        yield start()


@pytest.fixture
def caller(server: RunningServer, shared: Certificates) -> Caller:
    caller = server.connect()
    caller.socket = shared.context.wrap_socket(caller.socket, server_hostname=HOST)
    return caller


class TestLimits:
    """The limits on connections, behind TLS."""

    def test_requests_are_answered(self, caller: Caller) -> None:
        """Requests one behind the other are answered over TLS, in their order."""
        request = b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n"
        answers = caller.ask(request % (b"/livez", b"") + request % (b"/none", b"Connection: close\r\n"))
        assert [answer.status for answer in answers] == [200, 404]

    @pytest.mark.parametrize(
        ("sent", "status"),
        [(b"GET / HTTP/1.1\r\nX: " + b"z" * 100_000, 431), (b"\0\0\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX", 408)],
        ids=["a head too large", "no HTTP", "half a head"],
    )
    def test_refusal_is_read_to_its_end(self, caller: Caller, sent: bytes, status: int) -> None:
        """What is refused before it is a request is answered with a whole problem over TLS too."""
        (answer,) = caller.ask(sent)
        assert (answer.status, answer.is_final_problem()) == (status, True)

    def test_silent_connection_is_closed(self, caller: Caller) -> None:
        """Who shakes hands and then says nothing is closed."""
        assert caller.read_answers() == []


@ON_LINUX
@pytest.mark.parametrize("part", ["certificate", "key"])
def test_pipe_is_not_waited_for(own: Certificates, part: str) -> None:
    """A pipe in place of a file, which nobody may ever write to, is refused."""
    settings, path = own.settings, getattr(own, part)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SettingsError, match="Not a regular file"):
        check_certificate(settings)


@ON_LINUX
@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
def test_sighup_takes_the_certificate_anew(own: Certificates, workers: int) -> None:
    """New connections get the new certificate, open ones go on, and broken files change nothing."""
    with serve(workers=workers, FASHION_TLS_CERT=str(own.certificate), FASHION_TLS_KEY=str(own.key)) as service:
        assert service.log.find(r"ready: https://127\.0\.0\.1:")
        with own.connect(service.port) as before:
            assert before.getpeercert(binary_form=True) == own.read_own()
            own.issue()
            service.send(signal.SIGHUP)
            service.log.wait_for(f"the certificate of {re.escape(str(own.certificate))} is in force", times=workers)
            newest = own.read_own()
            own.key.write_text("no key")
            service.send(signal.SIGHUP)
            service.log.wait_for(
                r"ERROR.*what was in force stays: FASHION_TLS_KEY: .*key\.pem holds no key", times=workers
            )
            for _ in range(2 * workers):
                with own.connect(service.port) as after:
                    assert after.getpeercert(binary_form=True) == newest
                    assert ask(after).startswith(b"HTTP/1.1 200 ")
            assert ask(before).startswith(b"HTTP/1.1 200 ")
        assert not service.log.find("Traceback|ended")


@pytest.fixture(scope="module")
def patient(shared: Certificates) -> Iterator[Service]:
    """A service that waits long for handshakes."""
    with serve(
        FASHION_HEADER_TIMEOUT_S="3600",
        FASHION_LOG_LEVEL="debug",
        FASHION_TLS_CERT=str(shared.certificate),
        FASHION_TLS_KEY=str(shared.key),
    ) as service:
        yield service


@ON_LINUX
class TestHandshakes:
    """Connections that do not come to a request."""

    def test_plain_request_is_not_answered(self, patient: Service) -> None:
        """Who speaks no TLS gets no answer in HTTP, and no line in the log."""
        lines = len(patient.log.lines)
        with connect(patient.port) as connection:
            assert not ask(connection).startswith(b"HTTP/")
        assert len(patient.log.lines) == lines

    def test_too_many_handshakes_make_room(self, patient: Service, shared: Certificates) -> None:
        """Where too many say nothing, the oldest is closed, and who shakes hands is answered."""
        with ExitStack() as stack:
            silent = [stack.enter_context(connect(patient.port)) for _ in range(MAX_HANDSHAKES + 1)]
            with shared.connect(patient.port) as connection:
                assert ask(connection).startswith(b"HTTP/1.1 200 ")
            assert silent[0].recv(1) == b""
            silent[-1].settimeout(0)
            with pytest.raises(BlockingIOError):
                silent[-1].recv(1)


@ON_LINUX
def test_silent_handshake_is_closed(shared: Certificates) -> None:
    """Who sends no hello is closed after FASHION_HEADER_TIMEOUT_S; a request that was begun is answered on SIGTERM."""
    with serve(
        FASHION_HEADER_TIMEOUT_S="0.5",
        FASHION_TLS_CERT=str(shared.certificate),
        FASHION_TLS_KEY=str(shared.key),
    ) as service:
        with connect(service.port) as silent:
            assert silent.recv(1) == b""
        with shared.connect(service.port) as connection:
            begin_request(connection)
            service.send(signal.SIGTERM)
            assert finish_request(connection).startswith(b"HTTP/1.1 200 ")
            assert connection.recv(1) == b""
        assert service.wait() == 0


NO_PEM = "nothing\n"


def spoil(certificates: Certificates, what: str) -> None:
    key = certificates.key.read_text()
    if what.startswith("no "):
        {"no certificate": certificates.certificate, "no key": certificates.key}[what].unlink()
    elif what == "certificate":
        certificates.certificate.write_text(NO_PEM)
    elif what == "key":
        certificates.key.write_text(NO_PEM)
    else:
        certificates.issue()
        certificates.key.write_text(key)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no certificate", "FASHION_TLS_CERT: {0}/cert.pem: No such file or directory"),
        ("no key", "FASHION_TLS_KEY: {0}/key.pem: No such file or directory"),
        ("certificate", "FASHION_TLS_CERT: {0}/cert.pem holds no certificate in PEM"),
        ("key", "FASHION_TLS_KEY: {0}/key.pem holds no key in PEM that belongs to {0}/cert.pem and has no password"),
        ("another's key", "FASHION_TLS_KEY: {0}/key.pem holds no key in PEM that belongs to {0}/cert.pem"),
    ],
)
def test_wrong_file_is_named(own: Certificates, what: str, message: str) -> None:
    """Of the two files, the one that is wrong is named."""
    spoil(own, what)
    with pytest.raises(SettingsError, match=re.escape(message.format(own.key.parent))):
        check_certificate(own.settings)


def test_wrong_file_stops_the_start(
    own: Certificates, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A start with a wrong file is one line, and status 1."""
    spoil(own, "key")
    monkeypatch.setenv("FASHION_TLS_CERT", str(own.certificate))
    monkeypatch.setenv("FASHION_TLS_KEY", str(own.key))
    assert run(["serve", "--port", "0"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fashion-api: FASHION_TLS_KEY: {own.key}")


def test_one_file_without_the_other_is_refused() -> None:
    """A certificate without its key, or a key without its certificate, stops the start."""
    for field in ("tls_cert", "tls_key"):
        with pytest.raises(ValueError, match="one is set without the other"):
            Settings.model_validate({field: "x.pem"})
