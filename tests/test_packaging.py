"""What can be known of the packaging without building an image or installing anything."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path, PurePath

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fashion_api.cli.main import run
from fashion_api.inference.keras_engine import INSTALL_TENSORFLOW
from fashion_api.server.grpc_port import INSTALL_GRPC
from fashion_api.service.tracing import INSTALL_OPENTELEMETRY
from fashion_api.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Requirements

CLIENTS = [name for name in PROJECT["dependency-groups"] if name.startswith("client-")]

FILES = {
    name: ROOT / "requirements" / f"{name}.txt" for name in ("serve", "grpc", "tracing", "train", "dev", "docs")
} | {group: ROOT / "tests" / "clients" / "requirements" / f"{group.removeprefix('client-')}.txt" for group in CLIENTS}


def read_locked(name: str) -> dict[str, list[Requirement]]:
    """The pins of a requirements file; a package may have one for each platform or Python."""
    text = re.sub(r"\\\n", " ", FILES[name].read_text())
    locked: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = Requirement(line.split("--hash")[0])
            locked.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return locked


def read_wanted(name: str) -> list[Requirement]:
    """What pyproject.toml asks for, of what the requirements file of that name is to hold."""
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    if name in (*CLIENTS, "docs"):
        return [Requirement(entry) for entry in groups[name]]
    wanted = list(PROJECT["project"]["dependencies"])
    if name in ("grpc", "train", "dev"):
        wanted += extras["grpc"]
    if name in ("tracing", "dev"):
        wanted += extras["tracing"]
    if name in ("train", "dev"):
        wanted += extras["train"] + groups["build"]
    if name == "dev":
        wanted += [entry for entry in groups["dev"] if isinstance(entry, str)]
    return [Requirement(entry) for entry in wanted]


lock_files = pytest.mark.parametrize("name", list(FILES))


@lock_files
def test_every_dependency_is_locked_at_a_version_that_fits(name: str) -> None:
    """What pyproject.toml asks for and what is installed cannot drift apart."""
    locked = read_locked(name)
    for wanted in read_wanted(name):
        pins = locked[canonicalize_name(wanted.name)]
        versions = [specifier.version for pin in pins for specifier in pin.specifier]
        assert all(version in wanted.specifier for version in versions), f"{wanted} is locked at {versions}"


@lock_files
def test_every_pin_has_hashes(name: str) -> None:
    """A package that was altered on its way is refused."""
    text = re.sub(r"\\\n", " ", FILES[name].read_text())
    pins = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert pins
    assert all(" --hash=sha256:" in pin and "==" in pin for pin in pins)


@lock_files
def test_no_package_index_is_named(name: str) -> None:
    """Where packages come from is the business of whoever installs them."""
    text = FILES[name].read_text()
    assert not re.search(r"://|^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE)


def test_every_package_of_node_has_a_hash_and_no_address() -> None:
    """What holds for Python's packages holds for those that npm installs."""
    text = (ROOT / "tests" / "clients" / "typescript" / "package-lock.json").read_text()
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}
    assert {
        name for name, package in packages.items() if not package.get("integrity", "").startswith("sha512-")
    } == set()
    assert "://" not in text


@pytest.mark.parametrize("name", ["serve", "grpc", "tracing", "train"])
def test_the_smaller_sets_are_parts_of_the_whole(name: str) -> None:
    """What is served with is what was tested."""
    whole = read_locked("dev")
    for package, pins in read_locked(name).items():
        assert [pin.specifier for pin in pins] == [pin.specifier for pin in whole[package]]


@pytest.mark.parametrize("name", ["serve", "grpc", "tracing"])
def test_serving_needs_nothing_that_only_training_needs(name: str) -> None:
    """Neither TensorFlow nor what comes with it gets into a service by way of a dependency."""
    offline = {Requirement(entry).name for entry in PROJECT["project"]["optional-dependencies"]["train"]}
    assert {"tensorflow", "tensorflow-cpu", "keras", "matplotlib", "h5py"} <= offline
    assert offline.isdisjoint(read_locked(name))


def test_serving_does_without_the_extra() -> None:
    """What sends traces is installed where it is asked for only."""
    assert {Requirement(entry).name for entry in PROJECT["project"]["optional-dependencies"]["tracing"]}.isdisjoint(
        read_locked("serve")
    )


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The project's wheel, built by its own back end."""
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """An installed copy is complete, its type marker included, and brings no tests along."""
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "fashion_api").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert "fashion_api/py.typed" in packed


def test_the_wheel_carries_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    """Installing it puts `fashion-api` on the path, under terms that come with it."""
    folder = f"fashion_api-{PROJECT['project']['version']}.dist-info"
    assert b"fashion-api = fashion_api.__main__:main" in wheel.read(f"{folder}/entry_points.txt")
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()


@pytest.fixture
def unpacked(wheel: zipfile.ZipFile, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has the wheel in place of the working tree."""
    wheel.extractall(tmp_path / "site")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
    return {**kept, "PYTHONPATH": str(tmp_path / "site")}


def test_installed_in_an_empty_folder_it_says_how_to_get_a_model(unpacked: dict[str, str], tmp_path: Path) -> None:
    """Where there is no model, the start ends with one line that names the flag, the repository and the training."""
    folder = tmp_path / "empty"
    folder.mkdir()
    command = (sys.executable, "-m", "fashion_api", "compile")
    ended = subprocess.run(command, cwd=folder, env=unpacked, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert all(said in line for said in ("--model-path", "repository", "fashion-api train"))


def test_installed_in_an_empty_folder_it_classifies_with_a_model_from_elsewhere(
    unpacked: dict[str, str], tmp_path: Path
) -> None:
    """All that a prediction needs is in the wheel, but for the model."""
    sample, model = ROOT / "samples" / "bag.png", ROOT / "models" / "fashion_mnist.h5"
    command = (sys.executable, "-m", "fashion_api", "predict", "--json", str(sample), "--model-path", str(model))
    ended = subprocess.run(command, cwd=tmp_path, env=unpacked, capture_output=True, text=True, check=True)  # noqa: S603  # ours
    assert json.loads(ended.stdout)["prediction"]["label"] == "Bag"


# The image


Instruction = tuple[str, str]
"""Its name, and what stands after it."""


def read_stages() -> dict[str, list[Instruction]]:
    """The instructions of each stage of the Dockerfile, in order; the last stage, the image, is called `final`."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    stages: dict[str, list[Instruction]] = {}
    name = "before the first"
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            _, _, name = rest.partition(" AS ")
        stages.setdefault(name or "final", []).append((instruction, rest.strip()))
    return stages


STAGES = read_stages()
FINAL = dict(STAGES["final"])
"""The last of each instruction in the stage that becomes the image."""
FINAL_ENV = dict(word.split("=", 1) for word in shlex.split(FINAL["ENV"]))


def list_copies(stage: str) -> list[tuple[str, str, str]]:
    """Each COPY from another stage: that stage, what is copied, and where to."""
    copies = [rest.split() for instruction, rest in STAGES[stage] if instruction == "COPY" and "--from=" in rest]
    return [(origin.removeprefix("--from="), source, target) for origin, source, target in copies]


def list_installations(stage: str) -> list[str]:
    """Each pip command of a stage that installs or builds something."""
    commands = [
        part.strip() for instruction, rest in STAGES[stage] if instruction == "RUN" for part in rest.split("&&")
    ]
    return [command for command in commands if re.search(r"\bpip\b.* (install|wheel|download)\b", command)]


def is_in_build_context(path: str) -> bool:
    """Whether .dockerignore lets it through: the last pattern that fits decides, of it or of a folder around it."""
    is_in = True
    around = [str(part) for part in (PurePath(path), *PurePath(path).parents)]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and any(fnmatch(part, pattern) for part in around):
            is_in = line.startswith("!")
    return is_in


COPIED = {
    source
    for instructions in STAGES.values()
    for instruction, rest in instructions
    if instruction == "COPY" and "--from=" not in rest
    for source in rest.split()[:-1]
}


@pytest.mark.parametrize("source", sorted(COPIED))
def test_what_the_image_copies_is_there(source: str) -> None:
    """No COPY of the Dockerfile fails on a missing or an ignored file."""
    assert (ROOT / source).exists()
    assert is_in_build_context(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "tests/conftest.py",
        "runs/model.h5",
        "models/curves.png",
        "models/teacher.h5",
    ],
)
def test_what_the_image_does_not_need_stays_out(path: str) -> None:
    """No secret and no ballast is handed to the image's build."""
    assert not is_in_build_context(path)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_copies_from_those_before_it(stage: str) -> None:
    """No COPY of the Dockerfile names a stage that was renamed or comes later."""
    names = list(STAGES)
    assert {origin for origin, _, _ in list_copies(stage)} <= set(names[: names.index(stage)])


@pytest.mark.parametrize("stage", ["compile", "build"])
def test_nothing_is_installed_unverified(stage: str) -> None:
    """Whatever an installation fetches was locked with its hash."""
    installations = list_installations(stage)
    assert installations
    for command in installations:
        assert "--require-hashes --requirement requirements/" in command or "--no-deps" in command


def test_tensorflow_stays_out_of_the_image() -> None:
    """From the stage that has it, only the wheel and the compiled form go further; what serves is built without."""
    taken = {source for stage in STAGES for origin, source, _ in list_copies(stage) if origin == "compile"}
    assert taken == {"/build/dist/", "/build/cache/"}
    assert not list_installations("final")
    requirements = {word for command in list_installations("build") for word in command.split() if ".txt" in word}
    assert requirements == {"requirements/${REQUIREMENTS}.txt"}
    assert dict(STAGES["build"])["ARG"] == "REQUIREMENTS=serve"


def test_the_image_has_the_compiled_form_where_the_service_looks_for_it() -> None:
    """A container starts without writing anything, because its model is compiled already."""
    target = next(target for _, source, target in list_copies("final") if source == "/build/cache/")
    assert PurePath(FINAL_ENV["FASHION_CACHE_DIR"]) == PurePath(target)


@pytest.mark.parametrize(("failing", "status"), [("none", 0), ("second", 1)])
def test_the_image_has_the_compiled_form_of_every_model_in_it(failing: str, status: int, tmp_path: Path) -> None:
    """Each model that is copied is compiled into the cache of the image, and one that fails ends the build."""
    (command,) = (rest for name, rest in STAGES["compile"] if name == "RUN" and "fashion-api compile" in rest)
    (tmp_path / "models").mkdir()
    for name in ("first", "second", "third"):
        (tmp_path / "models" / f"{name}.h5").touch()
    stand_in = tmp_path / "fashion-api"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> calls\ncase "$3" in *{failing}*) exit 1;; esac\n')
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}"}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False)  # noqa: S603, S607  # our own
    compiled = [call.split()[2] for call in (tmp_path / "calls").read_text().splitlines()]
    assert done.returncode == status
    assert compiled == [f"models/{name}.h5" for name in ("first", "second", "third")][: 3 if status == 0 else 2]


def test_models_that_the_read_me_offers_are_in_the_image() -> None:
    """A model that can be served by a setting is handed to the build, and not left out."""
    offered = re.findall(r"FASHION_MODEL_PATH=(models/\S+\.h5)", (ROOT / "README.md").read_text())
    assert offered
    assert all((ROOT / path).exists() and is_in_build_context(path) for path in offered)


def test_packages_that_a_message_offers_bring_all_that_compiling_imports() -> None:
    """Where TensorFlow is missing, what the message says to install is on the package index, and is enough."""
    offered = set(INSTALL_TENSORFLOW.removeprefix("pip install ").split())
    assert offered <= {Requirement(entry).name for entry in PROJECT["project"]["optional-dependencies"]["train"]}
    distributions = [name for module in offered for name in metadata.packages_distributions()[module]]
    brought = {Requirement(entry).name for name in distributions for entry in metadata.requires(name) or ()}
    assert {"keras", "h5py", "onnx"} <= brought


def test_packages_that_a_message_offers_are_the_extra() -> None:
    """Where OpenTelemetry is missing, what the message says to install is what the extra holds."""
    offered = set(INSTALL_OPENTELEMETRY.removeprefix("pip install ").split())
    assert offered == {Requirement(entry).name for entry in PROJECT["project"]["optional-dependencies"]["tracing"]}


def test_packages_that_a_message_offers_for_grpc_are_of_the_extra() -> None:
    """Where gRPC is missing, the message says what to install: enough, and in the versions of the extra."""
    extra = {found.name: found for found in map(Requirement, PROJECT["project"]["optional-dependencies"]["grpc"])}
    offered = {found.name: found for found in map(Requirement, shlex.split(INSTALL_GRPC.removeprefix("pip install ")))}
    assert offered["grpcio"].specifier == extra["grpcio"].specifier  # the only one that has an upper limit
    brought = {Requirement(entry).name for name in offered for entry in metadata.requires(name) or ()}
    assert extra.keys() <= offered.keys() | brought


def test_the_image_sends_nothing_to_the_makers_of_its_engine() -> None:
    """ONNX Runtime's telemetry, which is on by default, is off."""
    assert FINAL_ENV["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_image_does_not_run_as_root() -> None:
    """The user is numeric, so that an orchestrator can tell that it is not root."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", FINAL["USER"])


def test_the_image_runs_the_service_itself() -> None:
    """No shell stands between the service and the signal that stops it."""
    command = json.loads(FINAL["ENTRYPOINT"]) + json.loads(FINAL["CMD"])
    assert command[0] in PROJECT["project"]["scripts"]
    assert run([*command[1:], "--help"]) == 0


def test_the_image_sets_only_settings_that_exist() -> None:
    """A setting that was renamed would otherwise stop the container's start."""
    given = {name.removeprefix(ENV_PREFIX).lower() for name in FINAL_ENV if name.startswith(ENV_PREFIX)}
    assert given
    assert given <= set(Settings.model_fields)


@contextmanager
def serve_status(status: int) -> Iterator[int]:
    """Reply /readyz, and nothing else, with `status`; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = 30  # if nobody asks, the test fails instead of waiting for ever
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield server.server_port
        thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)], ids=["ready", "not ready"])
def test_the_health_check_asks_whether_it_is_ready(status: int, expected: int) -> None:
    """The container is healthy when the service says that it is ready, and only then."""
    _, command = FINAL["HEALTHCHECK"].split("CMD ", 1)
    python, *arguments = json.loads(command)
    assert python == "python"
    with serve_status(status) as port:
        environment = os.environ | {"FASHION_PORT": str(port)}
        done = subprocess.run([sys.executable, *arguments], env=environment, check=False)  # noqa: S603  # our own
    assert done.returncode == expected


# Finding a Python to set up with


def make_python(folder: Path, name: str, *, says: str, status: int) -> Path:
    """A stand-in for a Python, as far as scripts/find-python looks."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return path


def find_python(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    script = ["bash", str(ROOT / "scripts" / "find-python"), *arguments]
    environment = {"PATH": f"{path}{os.pathsep}{os.defpath}"}
    return subprocess.run(script, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # our own


def test_a_python_that_will_not_do_is_passed_over(tmp_path: Path) -> None:
    """Where `python3` is too old, a newer one under another name is taken."""
    make_python(tmp_path, "python3", says="is Python 3.9", status=1)
    newer = make_python(tmp_path, "python3.13", says="", status=0)
    assert find_python(path=tmp_path).stdout == f"{newer}\n"


def test_a_named_python_that_will_not_do_is_refused(tmp_path: Path) -> None:
    """A Python that was asked for is not silently replaced; the message says what is wrong with it."""
    named = make_python(tmp_path, "python3.9", says="is Python 3.9", status=1)
    make_python(tmp_path, "python3.13", says="", status=0)
    done = find_python(str(named), path=tmp_path)
    assert done.returncode == 1
    assert "python3.9: is Python 3.9\n" in done.stderr


def test_this_python_will_do(tmp_path: Path) -> None:
    """The check that scripts/find-python makes lets a Python through on which the tests pass."""
    assert find_python(sys.executable, path=tmp_path).stdout == f"{sys.executable}\n"
