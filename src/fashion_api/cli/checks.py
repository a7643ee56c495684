"""What `fashion-api doctor` looks at: each part that serving needs, and where each setting comes from."""

import http.client
import os
import platform
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from fashion_api.errors import DamagedModelError, DataError, DataNotFoundError, ModelError, SettingsError
from fashion_api.inference.compiled_cache import compiled_path, read_compiled, read_shipped
from fashion_api.inference.keras_engine import INSTALL_TENSORFLOW, has_tensorflow
from fashion_api.inference.loading import LoadedModel, load_model_file
from fashion_api.inference.model_file import ModelFile, read_model_file
from fashion_api.inference.onnx_engine import count_usable_cores
from fashion_api.pictures.data_set import find_data_set
from fashion_api.server.grpc_port import check_installed, hold_port
from fashion_api.server.processes import listen
from fashion_api.server.tls import check_certificate
from fashion_api.service.keys import ApiKeys
from fashion_api.settings import Settings, name_flag, name_variable

_ANSWER_TIMEOUT_S = 2
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu")


@dataclass(frozen=True)
class Check:
    """What was found of one part."""

    name: str
    state: Literal["ok", "note", "wrong"]
    """`wrong` keeps the service from serving; `note` is worth to be known."""
    detail: str


@dataclass(frozen=True)
class SettingInForce:
    """A setting's value, and what gives it."""

    name: str
    value: str
    source: str


def describe_machine() -> str:
    """Name the versions and the machine."""
    versions = f"fashion-api {metadata.version('fashion-api')}, Python {platform.python_version()}"
    return f"{versions}, {platform.system()} on {platform.machine()}, {count_usable_cores()} core(s)"


def check_all(settings: Settings) -> Iterator[Check]:
    """Look at each part."""
    file, model = None, None
    try:
        file = read_model_file(settings)
    except ModelError as error:
        yield Check("model", "wrong", str(error))
    else:
        yield Check("model", "ok", f"{settings.model_path}: {_describe_model(file)}")
        engine, model = _check_engine(file, settings)
        yield engine
    yield _check_data(settings, file, model)
    yield from _check_other_models(settings)
    yield _check_tensorflow()
    yield from _check_files(settings)
    yield _check_address(settings)
    if file is not None:
        yield _check_protocols(settings, file)
    if settings.grpc_port is not None:
        yield _check_grpc(settings)


def find_settings(settings: Settings, *, env_file: Path = Path(".env")) -> list[SettingInForce]:
    """Give each setting with its value, which is hidden where it is secret, and with what gives it."""
    variables = {name.upper() for name, value in os.environ.items() if value}
    return [
        SettingInForce(
            name_variable(field), _write(getattr(settings, field)), _find_source(settings, field, variables, env_file)
        )
        for field in type(settings).model_fields
    ]


def _find_source(settings: Settings, field: str, variables: set[str], env_file: Path) -> str:
    if field not in settings.model_fields_set:
        return "default"
    if settings.name_source(field) == name_flag(field):
        return name_flag(field)
    return "environment" if name_variable(field) in variables else str(env_file)


def _write(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_write, value))
    return "hidden" if isinstance(value, SecretStr) else "" if value is None else str(value)


def _check_data(settings: Settings, file: ModelFile | None, model: LoadedModel | None) -> Check:
    """Check the data set as serving reads it: by the classes and the image size of the model, where they are known."""
    known = model or (None if file is None else file.manifest)
    source = (
        find_data_set(settings)
        if known is None
        else find_data_set(settings, labels=known.labels, shape=known.input.shape)
    )
    try:
        test = source.load("test")
    except DataError as error:
        if file is not None and known is None and not isinstance(error, DataNotFoundError):
            return Check("data", "note", f"{error}. It is looked at again once the model is compiled, with its size")
        if settings.data_dir is not None:
            named = settings.name_source("data_dir")
            return Check("data", "wrong", f"{error}. As {named} names a folder, nothing is served without its test set")
        return Check("data", "note", f"{error}. Uploads and arrays are answered, test images are not")
    with suppress(DataError):
        train = source.load("train")
        return Check("data", "ok", f"{source.find('test')}: {len(train):,} training and {len(test):,} test images")
    return Check("data", "ok", f"{source.find('test')}: {len(test):,} test images, no training images")


def _describe_model(file: ModelFile) -> str:
    if file.manifest is None:
        return f"version {file.version}, without a manifest: `fashion-api inspect` says how it is served"
    score = file.manifest.evaluation
    accuracy = "not evaluated" if score is None else f"{score.accuracy:.2%} of the test set"
    return f"{file.name} {file.version}, {accuracy}"


def _check_engine(file: ModelFile, settings: Settings) -> tuple[Check, LoadedModel | None]:
    """Check that the model can be loaded, without building anything; give it where it was."""
    if settings.engine == "keras" and not has_tensorflow():
        return Check("engine", "wrong", f"keras: TensorFlow is not installed; {INSTALL_TENSORFLOW}"), None
    if settings.engine == "onnx" and (lack := _find_lack(file, settings)):
        if has_tensorflow():
            way_out = "the first start or `fashion-api compile` does it, in half a minute"
            return Check("engine", "note", f"onnx: {lack}; {way_out}"), None
        missing = f"and TensorFlow, which does it, is not installed; {INSTALL_TENSORFLOW}"
        return Check("engine", "wrong", f"onnx: {lack}, {missing}"), None
    started_s = time.perf_counter()
    try:
        model = load_model_file(file, settings)
    except ModelError as error:
        return Check("engine", "wrong", str(error)), None
    took_s = time.perf_counter() - started_s
    return Check("engine", "ok", f"{settings.engine}: the model loads and answers, in {took_s:.1f} s"), model


def _find_lack(file: ModelFile, settings: Settings) -> str:
    """Say why there is no compiled form that can be used; empty where there is one."""
    try:
        is_there = read_compiled(file, settings.cache_dir) is not None or read_shipped(file) is not None
    except DamagedModelError as error:
        return f"the compiled form {compiled_path(file, settings.cache_dir)} is built anew, as {error}"
    except ModelError as error:
        return str(error)
    return "" if is_there else f"{file.path} is not compiled yet"


def _check_other_models(settings: Settings) -> Iterator[Check]:
    others = sorted(path for path in settings.model_path.parent.glob("*.h5") if path != settings.model_path)
    found = []
    for path in others:
        try:
            file = read_model_file(settings.model_copy(update={"model_path": path}))
        except ModelError as error:
            found.append(f"{path.name}: {error}")
            continue
        is_compiled = not _find_lack(file, settings)
        found.append(f"{path.name} ({_describe_model(file)}, {'compiled' if is_compiled else 'not compiled'})")
    if found:
        yield Check("other models", "ok", "; ".join(found))


def _check_tensorflow() -> Check:
    if not has_tensorflow():
        return Check(
            "TensorFlow", "note", f"not installed: serves, but neither trains nor compiles; {INSTALL_TENSORFLOW}"
        )
    for name in _TENSORFLOWS:
        with suppress(metadata.PackageNotFoundError):
            return Check(
                "TensorFlow", "ok", f"{metadata.version(name)}: trains and compiles; serving does not import it"
            )
    return Check("TensorFlow", "ok", "installed")


def _check_files(settings: Settings) -> Iterator[Check]:
    """Check the files that serving needs only where settings name them."""
    named = [("keys", settings.api_keys_file, ApiKeys), ("TLS", settings.tls_cert, check_certificate)]
    for name, path, check in named:
        if path is None:
            continue
        try:
            check(settings)
        except SettingsError as error:
            yield Check(name, "wrong", str(error))
        else:
            yield Check(name, "ok", str(path))


def _check_address(settings: Settings) -> Check:
    address = f"{settings.scheme}://{settings.host}:{settings.port}"
    try:
        listen(settings.host, settings.port).close()
    except SettingsError as error:
        if _is_service(settings):
            return Check("address", "note", f"a service answers at {address} already; another needs another port")
        return Check("address", "wrong", str(error))
    return Check("address", "ok", f"{address} is free")


def _check_protocols(settings: Settings, file: ModelFile) -> Check:
    """Say what clients of other inference protocols ask for."""
    name = settings.served_name or file.name
    grpc = "no port for gRPC is set" if settings.grpc_port is None else f"gRPC on port {settings.grpc_port}"
    return Check("protocols", "ok", f"/v1 and /v2 have the model {name}, version {settings.served_version}; {grpc}")


def _check_grpc(settings: Settings) -> Check:
    address = f"{settings.host}:{settings.grpc_port}"
    try:
        check_installed(settings)
    except SettingsError as error:
        return Check("gRPC", "wrong", str(error))
    try:
        with hold_port(settings):
            return Check("gRPC", "ok", f"installed; {address} is free")
    except SettingsError as error:
        if _is_service(settings):
            return Check("gRPC", "note", f"{address} is in use, as a service answers already")
        return Check("gRPC", "wrong", str(error))


def _is_service(settings: Settings) -> bool:
    """Tell whether what listens there answers as a service does."""
    address = (settings.host, settings.port)
    connection = http.client.HTTPConnection(*address, timeout=_ANSWER_TIMEOUT_S)
    if settings.tls_cert is not None:
        context = ssl.create_default_context()
        context.check_hostname = False  # nothing secret is sent, and its name may be another here
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*address, timeout=_ANSWER_TIMEOUT_S, context=context)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
