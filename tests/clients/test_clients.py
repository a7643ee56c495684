"""Clients that are generated from the OpenAPI document: their types are right, and they are answered."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.clients.environments import HERE, TYPESCRIPT, install_node, install_python
from tests.conftest import MakeClient
from tests.servers import ServerProcess, serve_app

pytestmark = pytest.mark.clients

KEY = "generated-key"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
ANSWERS: Mapping[str, object] = {
    "check_liveness": "ok",
    "check_readiness": "ok",
    "get_model": ["fake", 10, 28],
    "list_test_images": [3, [13, 23]],
    "get_test_image": ["Dress", "/problems#not-found"],
    "get_test_image_picture": 56,
    "predict_test_image": [True, "Dress", 3],
    "predict_images": [["Dress", 10], ["Dress", 10]],
    "predict_upload": [["a.png", "Dress"], ["b.png", "Dress"], [None, "Dress"]],
    "prepare_picture": ["image/png", [28, 28], 90, [0, 0, 0.5, 0.5]],
    "explain_images": [["Dress", 28]],
    "get_confusion_matrix": [30, 10, 27],
    "predict_label": "Dress",
    "get_actual_label": "Dress",
    "list_serving_models": ["fake"],
    "get_serving_status": [True, "AVAILABLE"],
    "get_serving_version_status": [True, "AVAILABLE"],
    "get_serving_metadata": ["serving_default", "pixels", "images", "details"],
    "get_serving_version_metadata": "DT_FLOAT",
    "predict_serving": [[10, 10], "Servable not found for request: Latest(none)"],
    "predict_serving_version": ["Dress"],
    "get_inference_server": "fashion-api",
    "check_server_liveness": True,
    "check_server_readiness": True,
    "list_inference_models": ["fake"],
    "get_served_model": [["1"], [-1, 28, 28, 1], "FP32"],
    "get_served_version": [["1"], [-1, 28, 28, 1], "FP32"],
    "check_served_model": True,
    "check_served_version": True,
    "get_model_config": ["FORMAT_NHWC", [10]],
    "get_version_config": ["FORMAT_NHWC", [10]],
    "get_all_statistics": ["fake", 0],
    "get_model_statistics": ["fake", 0],
    "get_version_statistics": ["fake", 0],
    "infer_tensor": ["a", [1, 10], "Request for unknown model: 'none' is not found; there is fake"],
    "infer_version_tensor": ["Dress"],
    "list_repository": [["fake", "READY"]],
    "get_log_settings": True,
    "keep_log_settings": True,
    "get_trace_settings": ["OFF"],
    "keep_trace_settings": ["OFF"],
    "get_model_trace": ["OFF"],
    "keep_model_trace": ["OFF"],
    "list_system_memory": [],
    "list_cuda_memory": [],
    "find_system_memory": [],
    "find_cuda_memory": [],
    "unregister_system_memory": {},
    "unregister_cuda_memory": {},
    "unregister_system_region": {},
    "unregister_cuda_region": {},
}
"""What each operation is answered, as the two scripts that ask write it."""


def run(*command: str, cwd: Path, path: Path | None = None) -> str:
    """Run a command to its end, and give what it writes to standard output."""
    places = os.environ["PATH"] if path is None else os.pathsep.join((str(path), os.environ["PATH"]))
    environment = os.environ | QUIET | {"PATH": places}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A service that asks for a key."""
    with serve_app("uvicorn", "tests.served_app:app", FASHION_API_KEYS=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def document(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with its OpenAPI document."""
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    with server.connect() as caller:
        file.write_bytes(caller.get("/openapi.json").raise_for_status().content)
    return file


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The packages of Node.js, in a folder of their own."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed: nothing lints the OpenAPI document or generates a TypeScript client")
    return install_node()


@pytest.fixture(scope="module")
def python_client(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a generated Python client, and the script that asks with it."""
    commands, folder = install_python("generator") / "bin", tmp_path_factory.mktemp("python")
    run(str(commands / "openapi-python-client"), "generate", f"--path={document}", cwd=folder, path=commands)
    client = folder / "fashion-api-client"
    shutil.copy(HERE / "ask.py", client)
    return client


@pytest.fixture(scope="module")
def typescript_client(document: Path, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with generated TypeScript types, and the script that asks with them."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "tsconfig.json", "ask.ts"):
        shutil.copy(TYPESCRIPT / name, folder)
    (folder / "node_modules").symlink_to(node_modules)
    run(command_of(node_modules, "openapi-typescript"), str(document), "--output=schema.ts", cwd=folder)
    return folder


def command_of(node_modules: Path, name: str) -> str:
    return str(node_modules / ".bin" / name)


def list_operations(document: Path) -> set[str]:
    described: dict[str, Any] = json.loads(document.read_text())
    return {operation["operationId"] for item in described["paths"].values() for operation in item.values()}


@pytest.mark.parametrize("keys", [(), (SecretStr(KEY),)], ids=["open", "guarded"])
def test_linter_finds_nothing(
    make_client: MakeClient, node_modules: Path, tmp_path: Path, keys: Sequence[SecretStr]
) -> None:
    """Redocly's linter has neither an error nor a warning, for a service without keys and for one with."""
    document = tmp_path / "openapi.json"
    document.write_bytes(make_client(api_keys=keys).get("/openapi.json").content)
    flags = (f"--config={HERE / 'redocly.yaml'}", "--format=json")
    report = json.loads(run(command_of(node_modules, "redocly"), "lint", str(document), *flags, cwd=tmp_path))
    assert (report["totals"]["errors"], report["problems"]) == (0, [])


def test_every_operation_is_asked(document: Path) -> None:
    """No operation that is described is left out here."""
    assert set(ANSWERS) == list_operations(document)


def test_python_client_has_right_types(python_client: Path) -> None:
    """mypy finds nothing in the generated client, nor in what asks with it, at its strictest."""
    interpreter = f"--python-executable={install_python('generator') / 'bin' / 'python'}"
    run(sys.executable, "-m", "mypy", "--strict", "--config-file=", interpreter, ".", cwd=python_client)


def test_python_client_is_answered(python_client: Path, server: ServerProcess) -> None:
    """A generated Python client asks for every operation, and reads each answer and a problem."""
    written = run(str(install_python("generator") / "bin" / "python"), "ask.py", server.url, KEY, cwd=python_client)
    assert json.loads(written) == ANSWERS


def test_typescript_client_is_answered(typescript_client: Path, node_modules: Path, server: ServerProcess) -> None:
    """A generated TypeScript client passes the strict compiler, asks for every operation, and reads each answer."""
    run(command_of(node_modules, "tsc"), cwd=typescript_client)
    written = run("node", "ask.js", server.url, KEY, cwd=typescript_client)
    assert json.loads(written) == ANSWERS
