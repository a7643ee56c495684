"""Where requests begin and end."""

import itertools

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fashion_api.errors import RequestError
from fashion_api.server.framing import ChunkedBody, SizedBody, drop_offers, read_head

HEADS = [
    b"GET /livez?a=b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    b"POST http://x/api HTTP/1.1\r\nhost: x:1\r\nContent-Length: 12\r\nContent-Type: image/png\r\n\r\n",
    b"POST / HTTP/1.1\r\nHOST:x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nX-Y:\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n",
]
PIECES = [
    *(bytes([byte]) for byte in range(256)),
    *(b"\r\n", b" \r\n", b"\r\n ", b"\n\n", b"Host: y\r\n", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Upgrade: websocket\r\n", b"Connection: upgrade\r\n", b", chunked", b"5, "),
    *(
        b"Expect: 100-continue\r\n",
        b"PURGE",
        b"M-SEARCH",
        b"PRI",
        b"CONNECT",
        b"[::1",
        b"//",
        b"#",
        b"%zz",
        b"HTTP/2.0",
        b"HTTP/1.0",
        b"@",
    ),
]
CONTENT = bytes(range(256)) * 3


@st.composite
def mutate_heads(draw: st.DrawFn) -> bytes:
    """Valid heads with pieces left out, put in and exchanged."""
    head = draw(st.sampled_from(HEADS))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(head)))
        end = min(len(head), start + draw(st.integers(0, 4)))
        head = head[:start] + draw(st.sampled_from([b"", *PIECES])) + head[end:]
    return head


class Recorder:
    """What the server's parser finds."""

    def __init__(self) -> None:
        self.body = b""
        self.urls: list[bytes] = []
        self.ends = 0

    def on_url(self, url: bytes) -> None:
        self.urls.append(url)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ends += 1


@given(head=mutate_heads())
@example(b"GET // HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b"GET http://x:99999/ HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b"GET http://x:/ HTTP/1.1\r\nHost: x\r\n\r\n")
def test_servers_parser_finds_the_same_request(head: bytes) -> None:
    """What is taken for a head is one to the server's parser too, and its body ends at the same place."""
    try:
        found = read_head(head, 0)
    except RequestError:
        return
    if found is None:
        return
    body = b"4\r\nbody\r\n0\r\n\r\n" if found.body_bytes is None else b"b" * found.body_bytes
    recorder = Recorder()
    parser = httptools.HttpRequestParser(recorder)
    parser.feed_data(drop_offers(head[: found.end]) + body[:-1])
    assert recorder.ends == (0 if body else 1)
    parser.feed_data(body[-1:])
    assert recorder.ends == 1
    assert recorder.body == (b"body" if found.body_bytes is None else body)
    assert b"".join(recorder.urls) == found.target
    assert httptools.parse_url(found.target).path.decode("ascii")


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nA: b\r\n\r\n", b"POST / HTTP/1.0\r\nA: b\r\n\r\n"),
        (b"POST / HTTP/1.0\r\nA: HTTP/1.1\r\nEXPECT:x\r\n\r\n", b"POST / HTTP/1.0\r\nA: HTTP/1.1\r\n\r\n"),
        (
            b"GET /HTTP/1.0 HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n\r\n",
            b"GET /HTTP/1.0 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
        ),
        (b"GET / HTTP/1.0\r\nupgrade: h2c\r\nexpect: 100-continue\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"),
    ],
    ids=["1.0", "another value", "1.1", "both"],
)
def test_expectation_of_http_1_0_is_left_out(head: bytes, kept: bytes) -> None:
    """A caller of HTTP/1.0 is sent no `100 Continue`, which it would take for the answer (RFC 9110, section 10.1.1)."""
    found = read_head(head, 0)
    assert found is not None
    assert (found.has_offer, drop_offers(head)) == (True, kept)


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_head_is_read_when_it_is_whole(head: bytes) -> None:
    """Of every beginning of a head more is waited for, and what comes behind is left alone."""
    assert [read_head(head[:end], 0) for end in range(len(head))] == [None] * len(head)
    found = read_head(b"before" + head + b"behind", 6)
    assert found is not None
    assert found.end == 6 + len(head)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(sizes=st.lists(st.integers(1, 100), max_size=8), cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_chunked_body_in_any_packets_is_the_same(sizes: list[int], cuts: list[int]) -> None:
    """However chunks and packets are cut, the same content is handed on, without extensions and trailers."""
    content, sent = b"", b""
    for size in sizes:
        piece = CONTENT[len(content) : len(content) + size]
        content += piece
        sent += b"%X;extension=1\r\n%b\r\n" % (len(piece), piece)
    sent += b"00\r\nX-Request-ID: trailer\r\nX-Y:\r\n\r\n"
    body, passed = ChunkedBody(), b""
    packets = split(sent, cuts)
    for packet in packets[:-1]:
        passed += body.read(packet, 0)[0]
        assert not body.is_whole
    last, end = body.read(b"before" + packets[-1] + b"behind", 6)
    assert (body.is_whole, end) == (True, 6 + len(packets[-1]))
    recorder = Recorder()
    parser = httptools.HttpRequestParser(recorder)
    parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + passed + last)
    assert (recorder.body, recorder.ends) == (content, 1)
    assert b"X-" not in passed + last


@given(cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_sized_body_in_any_packets_is_the_same(cuts: list[int]) -> None:
    """However packets are cut, a body has its number of bytes."""
    body = SizedBody(len(CONTENT))
    passed = [body.read(packet, 0) for packet in split(CONTENT + b"behind", cuts)]
    assert b"".join(content for content, _ in passed) == CONTENT
    assert body.is_whole


def read_bytewise(body: ChunkedBody, data: bytes) -> None:
    for byte in data:
        body.read(bytes([byte]), 0)


@pytest.mark.parametrize(
    "chunks",
    [
        b"\r\n1",
        b"1 \r",
        b"1;\n",
        b"g",
        b"1\r\n{x",
        b"1\r\n{\n",
        b"1\r\n{\r\r",
        b"f" * 13,
        b"0\r\nX\n",
        b"0\r\n\r\r",
        b" 1",
    ],
    ids=lambda chunks: repr(chunks)[2:-1],
)
def test_bad_chunks_are_refused_byte_by_byte_too(chunks: bytes) -> None:
    """What will be no chunk is refused, however it comes."""
    with pytest.raises(RequestError):
        read_bytewise(ChunkedBody(), chunks + b"\r\n")
