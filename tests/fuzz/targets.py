"""What is fuzzed: each target takes any bytes, and raises `FashionError` at most."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple

from fashion_api.errors import FashionError
from fashion_api.images import Images
from fashion_api.inference.h5_walk import check_model
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import decode_image
from fashion_api.pictures.decoding import read_base64 as read_text
from fashion_api.pictures.preparation import Options, prepare_picture
from fashion_api.rest.content_coding import decode_body, measure_decoded
from fashion_api.wire.flask_api import read_image_number
from fashion_api.wire.operation import RequestHead, finish_steps
from fashion_api.wire.prediction_request import read_images
from fashion_api.wire.uploads import read_form_files
from tests.fuzz.http_server import attack_server

Target = Callable[[bytes], None]

SIZE = 28
MAX_IMAGES = 4
MAX_DECODED_BYTES = 64 * 1024
_SMALL = InputSpec(height=2, width=3)  # so small that the fuzzer writes good ones
_SMALL_COLOUR = InputSpec(height=2, width=1, channels=3)
_NO_HEAD = RequestHead((), b"", ())
_CODINGS = {b"g": "gzip", b"d": "deflate"}


class Fuzzing(NamedTuple):
    """How a target is fuzzed."""

    open: Callable[[], AbstractContextManager[Target]]
    max_bytes: int
    """The longest input."""
    most_data_bytes: int | None = None
    """The most memory of the process, where the target runs within such a limit in the service too."""


def read_json(content: bytes) -> None:
    """Read the JSON bodies of predictions, and of the original API."""
    for spec in (_SMALL, _SMALL_COLOUR):
        with suppress(FashionError):
            _check(finish_steps(read_images(content, spec, max_images=MAX_IMAGES)).images, spec)
    assert type(read_image_number(_NO_HEAD, content)) is int


def _check(images: Images, spec: InputSpec) -> None:
    assert images.shape[0] in range(1, MAX_IMAGES + 1)
    assert images.shape[1:] == spec.shape


def read_base64(content: bytes) -> None:
    """Read a picture in base64; any text that JSON can carry."""
    decode_image(read_text(content.decode("utf-8", "surrogateescape")), height=SIZE, width=SIZE)


def read_form(content: bytes) -> None:
    """Read a form; the first line is its Content-Type."""
    content_type, _, body = content.partition(b"\n")
    files = finish_steps(read_form_files(body, content_type.decode("latin-1"), max_files=MAX_IMAGES))
    assert len(files) in range(1, MAX_IMAGES + 1)
    assert all(len(file.content) <= len(body) for file in files)


def read_picture(content: bytes) -> None:
    """Decode a picture file, and prepare it, in grey and in colour: what is read in one is read in the other."""
    shapes = {1: (SIZE, SIZE), 3: (SIZE, SIZE, 3)}
    prepared = []
    for channels, shape in shapes.items():
        with suppress(FashionError):
            prepared.append(prepare_picture(content, Options(), height=SIZE, width=SIZE, channels=channels))
            assert prepared[-1].image.shape == shape
    assert len(prepared) in (0, 2)
    for channels, shape in shapes.items():
        assert decode_image(content, height=SIZE, width=SIZE, channels=channels).shape == shape
    assert len(prepared) == 2  # grey and in colour


def read_coded(content: bytes) -> None:
    """Decode a body; the first byte is its content coding."""
    coding = _CODINGS.get(content[:1], "gzip")
    body = content[1:]
    most = measure_decoded(body, coding, max_bytes=MAX_DECODED_BYTES)
    assert len(finish_steps(decode_body(body, coding, max_bytes=MAX_DECODED_BYTES, most=most))) <= MAX_DECODED_BYTES


def _open(target: Target) -> Callable[[], AbstractContextManager[Target]]:
    def run(content: bytes) -> None:
        with suppress(FashionError):
            target(content)

    @contextmanager
    def open_target() -> Iterator[Target]:
        yield run

    return open_target


TARGETS: Mapping[str, Fuzzing] = {
    "json": Fuzzing(_open(read_json), 4096),
    "base64": Fuzzing(_open(read_base64), 4096),
    "multipart": Fuzzing(_open(read_form), 4096),
    "pictures": Fuzzing(_open(read_picture), 8192),
    "codings": Fuzzing(_open(read_coded), 4096),
    "http": Fuzzing(attack_server, 2048),
    # HDF5 reserves whatever length a text says that it has; compiling runs in a process with a limit.
    "model": Fuzzing(_open(check_model), 64 * 1024, 512 * 1024 * 1024),
}
