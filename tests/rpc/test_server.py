"""The gRPC server: health, reflection, what is no call, and its end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from pydantic import SecretStr

from fashion_api.errors import SettingsError
from fashion_api.rpc.calls import Openly
from fashion_api.rpc.health import Health
from fashion_api.rpc.server import CallServer
from fashion_api.settings import Settings
from tests.fakes import fake_follower, fake_service
from tests.rpc.raw_call import ask_raw, frame
from tests.rpc.serving import INFER, Client, Server, connect, images, make_request, read_classes, refuse, run, serve
from tests.rpc.test_calls import connect_held, read_one, wait_until

SERVICES = ("", "inference.GRPCInferenceService", "tensorflow.serving.PredictionService")
HEALTH = "/grpc.health.v1.Health"
CODES = grpc.StatusCode
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


async def check(client: Client, service: str = "") -> int:
    """Ask for the health of a service."""
    call: Any = client.channel.unary_unary(
        f"{HEALTH}/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    answer: HealthCheckResponse = await call(HealthCheckRequest(service=service))
    return int(answer.status)


def watch(client: Client, service: str = "") -> Any:  # noqa: ANN401  # a call of gRPC's
    """Watch the health of a service."""
    call: Any = client.channel.unary_stream(
        f"{HEALTH}/Watch", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    return call(HealthCheckRequest(service=service))


class TestHealth:
    """`grpc.health.v1`."""

    @pytest.mark.parametrize("service", SERVICES)
    def test_each_service_is_served_until_the_service_drains(self, service: str) -> None:
        """Who watches it is told at once; no key is needed."""

        async def test() -> None:
            async with connect(api_keys=(SecretStr("k"),)) as client:
                watched = watch(client, service)
                assert await check(client, service) == SERVING
                assert (await watched.read()).status == SERVING
                client.server.follower.service.drain()
                assert (await watched.read()).status == NOT_SERVING
                assert await check(client, service) == NOT_SERVING
                assert (await watch(client, service).read()).status == NOT_SERVING

        run(test())

    def test_a_drain_is_told_that_comes_while_the_first_answer_is_written(self) -> None:
        """It was written as all was well; the next one says that it is not."""

        async def test() -> None:
            health = Health([])
            (answer,) = (method.answer for method in health.methods if method.path == f"{HEALTH}/Watch")
            assert isinstance(answer, Openly)

            async def ask() -> AsyncIterator[HealthCheckRequest]:
                yield HealthCheckRequest()

            answers = answer.answer(fake_follower(fake_service()), ask())
            assert await anext(answers) == HealthCheckResponse(status=SERVING)
            health.stop()
            assert await anext(answers) == HealthCheckResponse(status=NOT_SERVING)

        run(test())

    def test_an_unknown_service_is_told_apart(self) -> None:
        """Who watches it is told that it is unknown, and waits."""

        async def test() -> None:
            async with connect() as client:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await check(client, "nope")
                assert caught.value.code() is CODES.NOT_FOUND
                watched = watch(client, "nope")
                assert (await watched.read()).status == HealthCheckResponse.SERVICE_UNKNOWN
                client.server.follower.service.drain()
                assert await check(client) == NOT_SERVING
                assert not watched.done()

        run(test())

    def test_an_unknown_service_is_told_apart_while_the_service_stops(self) -> None:
        """The refusal waits, as all do, and is not lost with the calls that are ended then."""

        async def test() -> None:
            async with serve() as other:
                calls = CallServer(other.follower, "127.0.0.1:0", max_connections=10, last_calls_s=0.2)
                await calls.start()
                async with Server(calls, other.follower).connect() as channel:
                    client = Client(channel, other)
                    await check(client)
                    stopping = asyncio.create_task(calls.stop())
                    await asyncio.sleep(0)
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await check(client, "nope")
                    assert caught.value.code() is CODES.NOT_FOUND
                    await stopping

        run(test())

    def test_all_services_are_listed(self) -> None:
        """With what each is."""

        async def test() -> None:
            async with connect() as client:
                call: Any = client.channel.unary_unary(
                    f"{HEALTH}/List", HealthListRequest.SerializeToString, HealthListResponse.FromString
                )
                found = (await call(HealthListRequest())).statuses
                assert set(SERVICES) < set(found)
                assert {status.status for status in found.values()} == {SERVING}

        run(test())

    def test_health_is_answered_where_all_else_is_refused(self) -> None:
        """Too many calls are under way."""

        async def test() -> None:
            async with connect_held(max_concurrent_requests=1) as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                assert (await refuse(client.infer())).code() is CODES.UNAVAILABLE
                assert await check(client) == SERVING
                classifier.release()
                await first

        run(test())


class TestReflection:
    """What generic clients learn."""

    @pytest.mark.parametrize("version", ["v1alpha", "v1"])
    def test_services_and_their_messages_are_described(self, version: str) -> None:
        """Those of the libraries too; no key is needed."""

        async def test() -> None:
            async with connect(api_keys=(SecretStr("k"),)) as client:
                call: Any = client.channel.stream_stream(
                    f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                    ServerReflectionRequest.SerializeToString,
                    ServerReflectionResponse.FromString,
                )
                stream = call()
                await stream.write(ServerReflectionRequest(list_services=""))
                listed = [service.name for service in (await stream.read()).list_services_response.service]
                assert set(SERVICES[1:]) < set(listed)
                assert "grpc.health.v1.Health" in listed
                for name in listed:
                    await stream.write(ServerReflectionRequest(file_containing_symbol=name))
                    assert (await stream.read()).file_descriptor_response.file_descriptor_proto, name
                await stream.write(ServerReflectionRequest(file_containing_symbol="nope.Nope"))
                assert (await stream.read()).HasField("error_response")
                await stream.done_writing()

        run(test())


PATH = f"/{INFER}".encode()


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        pytest.param(PATH, b"", CODES.INVALID_ARGUMENT, id="no message"),
        pytest.param(PATH, frame(b"\xff"), CODES.INVALID_ARGUMENT, id="garbage"),
        pytest.param(PATH, b"\0\0\0\0\5ab", CODES.INVALID_ARGUMENT, id="a message that is cut"),
        pytest.param(PATH, b"\0\xff\xff\xff\xff", CODES.RESOURCE_EXHAUSTED, id="a length without a message"),
        pytest.param(PATH, b"\1\0\0\0\2ab", CODES.INTERNAL, id="compressed by nothing"),
        pytest.param(b"/", frame(b""), CODES.UNIMPLEMENTED, id="no method"),
        pytest.param(b"/a/b/c", frame(b""), CODES.UNIMPLEMENTED, id="an unknown method"),
    ],
)
def test_what_is_no_call_is_refused(path: bytes, body: bytes, code: grpc.StatusCode) -> None:
    """The connection of another is not disturbed."""

    async def test() -> None:
        async with connect() as client:
            await client.infer()
            found = await asyncio.to_thread(ask_raw, client.server.port, path, body)
            assert int(found[b"grpc-status"]) == code.value[0]
            assert read_classes(await client.infer()) == [3]

    run(test())


def test_a_port_in_use_is_refused() -> None:
    """The message names the setting."""

    async def test() -> None:
        async with serve() as server:
            other = CallServer(server.follower, server.calls.address, max_connections=1)
            with pytest.raises(SettingsError, match="FASHION_GRPC_PORT: cannot listen on"):
                await other.start()
            await other.stop()

    run(test())


def test_pings_once_in_ten_seconds_are_allowed() -> None:
    """A connection whose client sends them more often than gRPC allows by default is not closed."""

    async def test() -> None:
        # The interval is a fact of the options; waiting for three pings would take half a minute.
        async with serve() as server:
            options = dict(server.calls.options)
            assert options["grpc.http2.min_recv_ping_interval_without_data_ms"] <= 10_000
            assert options["grpc.keepalive_permit_without_calls"] == 1

    run(test())


def test_calls_under_way_finish_when_the_server_stops() -> None:
    """New ones are refused, and so are those that are not over within the drain limit."""

    async def test() -> None:
        async with connect_held(drain_timeout_s=60.0) as (client, classifier):
            first = client.infer()
            await classifier.wait_until_entered()
            stopping = asyncio.create_task(client.server.calls.stop())
            await asyncio.sleep(0)
            refusal = await refuse(client.infer(make_request(images(4))))
            assert (refusal.code(), refusal.details()) == (CODES.UNAVAILABLE, "the service is stopping")
            assert not stopping.done()
            classifier.release()
            assert read_classes(await first) == [3]
            await stopping

    run(test())


def test_requests_of_a_stream_are_answered_before_the_server_stops() -> None:
    """Those that came before; later ones are refused, one by one."""

    async def test() -> None:
        async with connect_held(drain_timeout_s=60.0) as (client, classifier):
            stream = client.stream()
            for class_id in (4, 5, 6):
                await stream.write(make_request(images(class_id)))
            await wait_until(lambda: client.server.follower.service.request_limit.under_way == 3)
            stopping = asyncio.create_task(client.server.calls.stop())
            await asyncio.sleep(0)
            await stream.write(make_request(images(7)))
            classifier.release()
            answers = [await read_one(stream) for _ in range(3)]
            assert [read_classes(answer.infer_response) for answer in answers] == [[4], [5], [6]]
            await stopping
            assert [class_id for batch in classifier.batches for class_id in batch] == [4, 5, 6]

    run(test())


def test_calls_that_outlast_the_drain_limit_are_refused() -> None:
    """Those that are computed, and those that wait."""

    async def test() -> None:
        async with connect_held(drain_timeout_s=0.05) as (client, classifier):
            calls = [client.infer(), client.infer(make_request(images(4)))]
            await wait_until(lambda: client.server.follower.service.request_limit.under_way == 2)
            stopping = asyncio.create_task(client.server.calls.stop())
            for call in calls:
                refusal = await refuse(call)
                assert (refusal.code(), refusal.details()) == (CODES.UNAVAILABLE, "the service is stopping")
            classifier.release()
            await stopping

    run(test())


def test_streams_without_requests_do_not_keep_the_server() -> None:
    """Nor does who watches its health."""

    async def test() -> None:
        async with connect(drain_timeout_s=60.0) as client:
            stream, watched = client.stream(), watch(client)
            await stream.write(make_request())
            await stream.read()
            await watched.read()
            await client.server.calls.stop()
            assert await stream.code() is CODES.UNAVAILABLE
            assert (await watched.read()).status == NOT_SERVING
            assert await watched.code() is CODES.UNAVAILABLE

    run(test())


async def ask_until_the_end(server: Server, codes: set[grpc.StatusCode]) -> None:
    """Ask again after each answer until there is no server any more; `codes` are those of the answers."""
    async with server.connect() as channel:
        client = Client(channel, server)
        while True:
            call = client.infer()
            codes.add(await call.code())
            if "failed to connect" in str(await call.details()):
                return
            await asyncio.sleep(0.001)


def test_clients_that_ask_on_are_told_that_the_server_stops() -> None:
    """None of their calls is reset: CANCELLED is tried again by no client."""

    async def test() -> None:
        async with serve() as other:
            calls = CallServer(other.follower, "127.0.0.1:0", max_connections=10, last_calls_s=0.2)
            await calls.start()
            server = Server(calls, other.follower)
            codes: list[set[grpc.StatusCode]] = [set() for _ in range(8)]
            async with asyncio.TaskGroup() as clients:
                for its_codes in codes:
                    clients.create_task(ask_until_the_end(server, its_codes))
                await wait_until(lambda: all(codes))
                await calls.stop()
            assert codes == [{CODES.OK, CODES.UNAVAILABLE}] * 8

    run(test())


def test_a_limit_over_what_grpc_can_count_is_taken() -> None:
    """No message has so many bytes."""

    async def test() -> None:
        async with connect(max_upload_bytes=2**31, max_body_memory_bytes=2**31) as client:
            assert read_classes(await client.infer()) == [3]

    run(test())


def issue(authority: trustme.CA, folder: Path) -> Settings:
    """Write a certificate and its key; gives settings that name them."""
    leaf = authority.issue_cert("127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    return Settings(_env_file=None, tls_cert=folder / "cert.pem", tls_key=folder / "key.pem")


def test_connections_are_encrypted_where_those_of_http_are(tmp_path: Path) -> None:
    """New ones use the certificate that the files have, once they are read anew."""

    async def test() -> None:
        first, second = trustme.CA(), trustme.CA()
        settings = issue(first, tmp_path)
        async with serve(tls_cert=settings.tls_cert, tls_key=settings.tls_key) as server:
            for authority in (first, second):
                if authority is second:
                    issue(second, tmp_path)
                    server.calls.reload_certificate()
                credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
                options = [("grpc.use_local_subchannel_pool", 1)]
                async with grpc.aio.secure_channel(server.address, credentials, options=options) as channel:
                    assert read_classes(await Client(channel, server).infer()) == [3]
            async with server.connect() as channel:
                assert (await refuse(Client(channel, server).infer())).code() is CODES.UNAVAILABLE

    run(test())
