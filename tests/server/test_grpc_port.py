"""gRPC beside HTTP: its port, one worker and several, and how it stops."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from fashion_api.cli.main import run
from fashion_api.errors import SettingsError
from fashion_api.rpc.messages import open_inference_pb2 as v2
from fashion_api.server.connection import Connections
from fashion_api.server.grpc_port import find_address, find_max_connections, hold_port
from fashion_api.server.process import own_process
from fashion_api.service.service import make_batcher
from fashion_api.settings import Settings
from tests.fakes import fake_follower, fake_service
from tests.raw_http import LIMIT_S
from tests.rpc.raw_call import ask_raw, frame
from tests.rpc.serving import INFER, images, make_request, read_classes
from tests.server.service_process import Service, serve
from tests.servers import LOCALHOST, find_free_port

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def make_settings(**changes: object) -> Settings:
    """The defaults, with some changed."""
    return Settings(_env_file=None).model_copy(update=changes)


class TestPort:
    """The port, before anything listens on it."""

    def test_it_is_held_against_others_though_nobody_listens(self) -> None:
        """A second service cannot have it."""
        with (
            hold_port(make_settings(grpc_port=0)) as held,
            pytest.raises(SettingsError, match=r"FASHION_GRPC_PORT: cannot listen on 127\.0\.0\.1 port \d+: .* in use"),
            hold_port(make_settings(grpc_port=held.grpc_port)),
        ):
            pass

    def test_one_that_others_listen_on_is_refused(self) -> None:
        """Those that share it among themselves, too."""
        with socket.create_server((LOCALHOST, 0), reuse_port=True) as sock:
            settings = make_settings(grpc_port=sock.getsockname()[1])
            with pytest.raises(SettingsError, match="FASHION_GRPC_PORT"), hold_port(settings):
                pass

    def test_workers_can_share_it_while_it_is_held(self) -> None:
        """Each listens on it by itself."""
        with hold_port(make_settings(grpc_port=0)) as held:
            assert held.grpc_port is not None
            address = (LOCALHOST, held.grpc_port)
            with socket.create_server(address, reuse_port=True), socket.create_server(address, reuse_port=True):
                pass

    def test_a_free_one_is_for_one_worker(self) -> None:
        """Several would each pick another."""
        settings = make_settings(grpc_port=0, workers=2)
        with pytest.raises(SettingsError, match="FASHION_GRPC_PORT: 0 picks a free port"), hold_port(settings):
            pass

    def test_where_there_is_none_nothing_is_held(self) -> None:
        """gRPC is off by default."""
        settings = make_settings()
        with hold_port(settings) as held:
            assert held is settings

    def test_connections_leave_files_to_http(self) -> None:
        """No more than a quarter of those that the process may open."""
        import resource  # noqa: PLC0415  # Windows has none

        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
        try:
            assert find_max_connections(make_settings(grpc_port=0)) == 100
            assert find_max_connections(make_settings()) == 0
            assert Connections(make_settings(grpc_port=0)).limit == Connections(make_settings()).limit - 100
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert find_max_connections(make_settings(grpc_port=0, max_connections=3)) == 3

    @pytest.mark.parametrize(("host", "address"), [(LOCALHOST, "127.0.0.1:9000"), ("::1", "[::1]:9000")])
    def test_the_address_is_written_as_grpc_takes_it(self, host: str, address: str) -> None:
        """Of either family."""
        assert find_address(make_settings(host=host, grpc_port=9000)) == address

    def test_a_missing_package_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It names the extra, and what installs it."""
        monkeypatch.setitem(sys.modules, "grpc_reflection", None)
        monkeypatch.setenv("FASHION_GRPC_PORT", "0")
        assert run(["serve", "--port", "0"]) == 1
        assert re.fullmatch(
            r"fashion-api: FASHION_GRPC_PORT: gRPC, the extra `grpc`, is not installed: pip install .*\n",
            capsys.readouterr().err,
        )


def test_other_asgi_servers_serve_it_too() -> None:
    """The lifespan hook that they enter has it."""

    async def test() -> None:
        service = fake_service(grpc_port=find_free_port())
        service.batcher = make_batcher(service.model.classifier, service.settings)
        follower = fake_follower(service)
        address = f"{LOCALHOST}:{service.settings.grpc_port}"
        async with own_process(follower), grpc.aio.insecure_channel(address) as channel:
            call: Any = channel.unary_unary(f"/{INFER}", None, v2.ModelInferResponse.FromString)
            assert read_classes(await call(make_request().SerializeToString())) == [3]
        await follower.aclose()

    asyncio.run(asyncio.wait_for(test(), LIMIT_S))


def find_port(service: Service) -> int:
    """Give where it serves gRPC."""
    return int(service.log.wait_for(r"ready: .* and gRPC on 127\.0\.0\.1:(\d+)")[1])


def ask(port: int) -> v2.ModelInferResponse:
    """Ask for a prediction, on a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"{LOCALHOST}:{port}", options=options) as channel:
        call: Any = channel.unary_unary(f"/{INFER}", None, v2.ModelInferResponse.FromString)
        request = make_request(images(3), model_name="fashion_mnist").SerializeToString()
        answer: v2.ModelInferResponse = call(request, timeout=LIMIT_S, wait_for_ready=True)
        return answer


def refuse_to_start(port: int) -> str:
    """Start a service that must not start, as another has its port; gives what it says."""
    with serve(is_ready=False, FASHION_GRPC_PORT=str(port)) as other:
        assert other.wait() == 1
        other.log.wait_for_end()
        (line,) = other.log.lines
        return line


@ON_LINUX
def test_a_service_answers_calls_and_finishes_them_when_it_stops() -> None:
    """Another service cannot have its port; a call whose message comes after the signal is answered."""
    with serve(FASHION_GRPC_PORT="0") as service:
        port = find_port(service)
        assert list(ask(port).outputs[0].shape) == [1, 10]
        threads = {int(task.name) for task in Path(f"/proc/{service.pid}/task").iterdir()} - {service.pid}
        assert os.sched_getscheduler(service.pid) == os.SCHED_OTHER
        assert os.SCHED_BATCH in map(os.sched_getscheduler, threads), "no thread of gRPC's lets the others go on"
        assert "FASHION_GRPC_PORT: cannot listen on" in refuse_to_start(port)
        refused = ask_raw(port, f"/{INFER}".encode(), frame(b""), [(b"grpc-timeout", b"none")])
        assert int(refused[b"grpc-status"]) == grpc.StatusCode.INTERNAL.value[0]
        with grpc.insecure_channel(f"{LOCALHOST}:{port}") as channel:
            watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
            health = watch(b"", timeout=LIMIT_S)
            assert next(health) == b"\x08\x01"

            def send_late() -> Any:  # noqa: ANN401  # an iterator of bytes
                service.send(signal.SIGTERM)
                assert next(health) == b"\x08\x02"  # not serving
                yield make_request(images(3), model_name="fashion_mnist").SerializeToString()

            late: Any = channel.stream_unary(f"/{INFER}", None, v2.ModelInferResponse.FromString)
            answer = late.future(send_late(), timeout=LIMIT_S)
            assert list(answer.result().outputs[0].shape) == [1, 10]
        assert service.wait() == 0
        service.log.wait_for_end()
        assert service.log.find(rf"POST /{INFER} 200")
        assert not service.log.find("Traceback|ERROR|grpc-timeout")


@ON_LINUX
@pytest.mark.services
def test_several_workers_share_the_port() -> None:
    """Each of them answers, and another service cannot have it."""
    port = find_free_port()
    with serve(workers=2, FASHION_GRPC_PORT=str(port)) as service:
        for _ in range(20):
            assert list(ask(port).outputs[0].shape) == [1, 10]
        service.log.wait_for(rf"{INFER} 200 .* worker=0")
        service.log.wait_for(rf"{INFER} 200 .* worker=1")
        assert "FASHION_GRPC_PORT: cannot listen on" in refuse_to_start(port)
        assert service.stop() == 0


@ON_LINUX
def test_a_service_without_a_port_has_none_of_it() -> None:
    """Nothing of gRPC is loaded."""
    with serve() as service:
        loaded = Path(f"/proc/{service.pid}/maps").read_text()
    assert "onnxruntime" in loaded
    assert "cygrpc" not in loaded
    assert "google/_upb" not in loaded
