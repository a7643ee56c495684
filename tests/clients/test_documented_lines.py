"""The lines that the documentation has for clients of other inference protocols, run with those clients."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from tests.clients.environments import NEEDS_LINUX, PERF_ANALYZER, find_python
from tests.docs.blocks import Block, read_blocks
from tests.servers import LOCALHOST, ROOT, find_free_port, serve, start

pytestmark = pytest.mark.clients

PAGE = ROOT / "docs" / "how-to" / "protocols.md"
ENVIRONMENTS = {
    r"^import requests$": "tutorial",
    r"^import tritonclient\.": "tritonclient",
    r"^from kserve import": "kserve",
    r"\bmlserver infer": "mlserver",
    r"^from tensorflow_serving\.": "tensorflow-serving",
    r"^perf_analyzer ": PERF_ANALYZER,
}
"""What a block has that needs a client, and the environment that has it."""
KEY = "KEY"
SECURED = {
    "`tritonclient.http`": "import tritonclient.http",
    "`tritonclient.grpc`": "import tritonclient.grpc",
    "`kserve` over REST": "InferenceRESTClient",
    "`kserve` over gRPC": "InferenceGRPCClient",
    "`tensorflow-serving-api`": "PredictionServiceStub",
    "`mlserver`": "mlserver infer",
}
"""The clients in the tables of keys and of TLS, and what is in the first block of each."""
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
            marks = NEEDS_LINUX if name == PERF_ANALYZER else ()
            yield pytest.param(block, after, id=f"{name}:{block.line}", marks=marks)


def check_answer(written: str, block: Block, after: Block | None, folder: Path) -> None:
    """Check that a client was answered as the page shows; mlserver writes its answers, and perf_analyzer a report."""
    if "answers.jsonl" in block.content:
        (line,) = (folder / "answers.jsonl").read_text().splitlines()
        data = json.loads(line)["outputs"][0]["data"]
        assert data.index(max(data)) == 9  # an ankle boot
    elif "perf_analyzer" in block.content:
        counts = re.findall(r"^ +Request count: (\d+)$", written, re.MULTILINE)
        assert len(counts) == block.content.count("perf_analyzer ")
        assert all(int(count) > 0 for count in counts)
    else:
        assert after is not None
        assert after.language == "text"
        assert written == after.content


@pytest.mark.parametrize(("block", "after"), [*list_pairs()])
def test_block_prints_what_the_page_shows(
    block: Block, after: Block | None, ports: Mapping[str, str], folder: Path
) -> None:
    """A client runs the lines as they are pasted, and is answered what stands below them."""
    check_answer(run(block, ports, folder), block, after, folder)


def test_every_client_has_its_lines() -> None:
    """No client is left out."""
    assert {find_environment(block) for block in read_blocks(PAGE)} == {None, *ENVIRONMENTS.values()}


@pytest.fixture(scope="module")
def secured_ports(real_service: Mapping[str, str], folder: Path) -> Iterator[dict[str, str]]:
    """The ports of a service with a key and a certificate, whose authority is in the file that the page names."""
    authority, own = trustme.CA(), folder / "service.pem"
    authority.cert_pem.write_to_path(str(folder / "cert.pem"))
    authority.issue_cert(LOCALHOST).private_key_and_cert_chain_pem.write_to_path(str(own))
    port, grpc_port = str(find_free_port()), str(find_free_port())
    names = {"FASHION_SERVED_NAME": "fashion_model", "FASHION_PORT": port, "FASHION_GRPC_PORT": grpc_port}
    secrets = {"FASHION_API_KEYS": KEY, "FASHION_TLS_CERT": str(own), "FASHION_TLS_KEY": str(own)}
    with start(("fashion_api", "serve"), **real_service, **names, **secrets) as server:
        server.log.wait_for(r"\bready\b")
        yield {"8000": port, "8001": grpc_port}


@pytest.mark.parametrize("client", SECURED)
def test_client_sends_its_key_over_tls(client: str, secured_ports: Mapping[str, str], folder: Path) -> None:
    """With what the two tables add to its calls, a client's first block is answered as without key and TLS."""
    pairs = zip(read_blocks(PAGE), [*read_blocks(PAGE)][1:], strict=False)
    block, after = next(pair for pair in pairs if SECURED[client] in pair[0].content)
    for heading in ("Keys", "TLS"):
        block = add_to_call(block, read_row(heading, client))
    check_answer(run(block, secured_ports, folder), block, after, folder)


def read_row(heading: str, client: str) -> str:
    """Read what a section's table has for a client."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (found,) = (code for name, code in re.findall(r"^\| (.+) \| `(.+)` \|$", section, re.MULTILINE) if client in name)
    assert isinstance(found, str)
    return found


def add_to_call(block: Block, more: str) -> Block:
    """Add to a call in a block what the page has beside `…`."""
    if block.language == "sh":
        before, after = more.split("…")
        command = re.sub(r"^mlserver infer ", before, block.content.strip())
        return replace(block, content=f"{command}{after}\n")
    added = ast.parse(more.replace("…", "..."), mode="eval").body
    assert isinstance(added, ast.Call)
    name = ast.unparse(added.func)
    tree = ast.parse(block.content.replace("http://", "https://").replace("insecure_channel", "secure_channel"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name)]
    assert calls, f"no call of {name}"
    for call in calls:
        call.args += added.args[1:]
        call.keywords += added.keywords
    return replace(block, content=f"import ssl\nfrom pathlib import Path\n{ast.unparse(tree)}\n")
