"""The lines that the documentation has for clients of other inference protocols, run with those clients."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients.environments import find_python
from tests.docs.blocks import Block, read_blocks
from tests.servers import LOCALHOST, ROOT, find_free_port, serve

pytestmark = pytest.mark.clients

PAGE = ROOT / "docs" / "how-to" / "protocols.md"
ENVIRONMENTS = {
    r"^import requests$": "tutorial",
    r"^import tritonclient\.": "tritonclient",
    r"^from kserve import": "kserve",
    r"^mlserver infer": "mlserver",
    r"^from tensorflow_serving\.": "tensorflow-serving",
}
"""What a block begins that needs a client, and the environment that has it."""
LIMIT_S = 180


def find_environment(block: Block) -> str | None:
    """The environment of a block's client; `None` where it needs none."""
    found = [name for pattern, name in ENVIRONMENTS.items() if re.search(pattern, block.content, re.MULTILINE)]
    return found[0] if found else None


@pytest.fixture(scope="module")
def ports(real_service: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """A service as the page starts it; gives its ports by those that the page writes."""
    grpc_port = find_free_port()
    names = {"FASHION_SERVED_NAME": "fashion_model", "FASHION_GRPC_PORT": str(grpc_port)}
    with serve(**real_service, **names) as server:
        yield {"8000": str(server.address[1]), "8001": str(grpc_port)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, ports: Mapping[str, str]) -> Path:
    """Where the blocks run; those that need no client have run."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "samples", folder / "samples")
    for block in read_blocks(PAGE):
        if block.language == "python" and find_environment(block) is None:
            run(block, ports, folder)
    return folder


def run(block: Block, ports: Mapping[str, str], folder: Path) -> str:
    """Run a block with its client, and give what it writes."""
    content = re.sub("800[01]", lambda found: ports[found[0]], block.content).replace("localhost", LOCALHOST)
    name = find_environment(block)
    python, variables = find_python(name) if name is not None else (Path(sys.executable), {})
    places = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": places, **variables}
    command = (
        [str(python), "-c", content] if block.language == "python" else ["bash", "-euo", "pipefail", "-c", content]
    )
    done = subprocess.run(  # noqa: S603  # our own page's
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 0, f"{content}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def list_pairs() -> Iterator[object]:
    """Each block that needs a client, with the one after it."""
    blocks = list(read_blocks(PAGE))
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if (name := find_environment(block)) is not None:
            yield pytest.param(block, after, id=f"{name}:{block.line}")


@pytest.mark.parametrize(("block", "after"), [*list_pairs()])
def test_block_prints_what_the_page_shows(
    block: Block, after: Block | None, ports: Mapping[str, str], folder: Path
) -> None:
    """A client runs the lines as they are pasted, and prints what stands below them; mlserver writes its answers."""
    written = run(block, ports, folder)
    if "answers.jsonl" in block.content:
        (line,) = (folder / "answers.jsonl").read_text().splitlines()
        data = json.loads(line)["outputs"][0]["data"]
        assert data.index(max(data)) == 9  # an ankle boot
    else:
        assert after is not None
        assert after.language == "text"
        assert written == after.content


def test_every_client_has_its_lines() -> None:
    """No client is left out."""
    assert {find_environment(block) for block in read_blocks(PAGE)} == {None, *ENVIRONMENTS.values()}
