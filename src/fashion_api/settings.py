"""All that an operator may set: by flags, in the environment (prefix `FASHION_`) and in a `.env` file."""

import difflib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from platformdirs import user_cache_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from fashion_api.env_file import read_env_file
from fashion_api.errors import FlagError, SettingsError
from fashion_api.files import write_as_text
from fashion_api.service_links import is_service_link

ENV_PREFIX = "FASHION_"

FASHION_MNIST_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

Optimizer = Literal["adam", "sgd", "rmsprop", "nesterov", "adagrad", "adadelta", "muon"]


_KEY = re.compile(r"[!-~]+")
_QUOTED_KEY = re.compile(r"(['\"]).*\1")
_NOTHING = ("null", "None", "{}")
"""What templates write for a list that is not there."""
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


def _split_list(value: object) -> object:
    """Read a list from a flag or a variable: JSON, or values with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("is neither a JSON list nor values with commas between them") from error
    return [part.strip() for part in value.split(",") if part.strip()]


_EnvList = (NoDecode, BeforeValidator(_split_list))


def _parse_network(value: object) -> object:
    return ip_network(value) if isinstance(value, str) else value


_Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_parse_network)]


def _split_keys(value: object) -> object:
    keys = _split_list(value)
    if isinstance(value, str) and (not keys or value.strip() in _NOTHING):
        raise ValueError("is set, but holds no key; unset it, so that no key is needed")
    return keys


def _check_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not all(_KEY.fullmatch(key.get_secret_value()) for key in keys):
        raise ValueError("holds a key that is empty, or has other characters than printable ASCII without spaces")
    if any(_QUOTED_KEY.fullmatch(key.get_secret_value()) for key in keys):
        raise ValueError("holds a key in quotes, which would be part of it; leave them out")
    return keys


def _check_origin(origin: str) -> str:
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("must be a scheme and a host, as https://shop.example or http://localhost:3000, or *")
    return origin


def _check_class_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("names a class twice")
    if any(write_as_text(name) != name for name in names):
        raise ValueError("must be UTF-8")
    return names


def _check_channels(channels: int) -> int:
    if channels not in (1, 3):
        raise ValueError("must be 1, for grey images, or 3, for images in colour")
    return channels


def _read_pixel_range(value: object, read: ValidatorFunctionWrapHandler) -> tuple[float, float] | None:
    with suppress(ValidationError):
        pixel_range: tuple[float, float] | None = read(_split_list(value))
        if pixel_range is None or 0 < pixel_range[1] - pixel_range[0] < float("inf"):
            return pixel_range
    raise ValueError("must be two finite numbers, the lower first, as in 0,1 or 0,255")


_MODEL_SUFFIXES = (".h5", ".keras")


def _is_of_a_model(path: Path, served: Path) -> bool:
    """Whether a file is a model, its manifest or its card; neither path has links in it."""
    has_model = any(path.with_suffix(suffix).exists() for suffix in _MODEL_SUFFIXES)
    is_manifest = path.suffix == ".json" and (has_model or path == served.with_suffix(".json"))
    return path == served or path.suffix in _MODEL_SUFFIXES or is_manifest or path.name == "README.md"


_NO_NAMES = (".", "..", "stats")
"""What leads elsewhere where an address has a model's name."""


def _check_served_name(name: str | None) -> str | None:
    if name in _NO_NAMES:
        raise ValueError(f"{name} stands for something else in addresses: choose another name")
    if name is not None and not re.fullmatch(r"[^/:?#%\s\x00-\x1f\x7f]+", name):
        raise ValueError("must be a name without spaces and without any of / : ? # %, as it stands in addresses")
    return name


FURTHER_OUTPUTS = ("label", "class_id", "probability", "novelty", "accepted")
"""What an inference protocol may ask for beside the probabilities."""


def _check_served_input(name: str) -> str:
    if name == "b64":
        raise ValueError("b64 stands for a picture file in requests: choose another name")
    return name


def _check_served_output(name: str) -> str:
    if name in FURTHER_OUTPUTS:
        raise ValueError(f"{name} is the name of another output")
    return name


def _check_names_file(path: Path) -> Path:
    if not path.name:
        raise ValueError(f"{path} is a folder, and must be a file")
    return path


def _check_root_path(path: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)*", path):
        raise ValueError("must begin with / and not end with it, as in /fashion, with letters, digits and -._~ between")
    return path


class _Environment(EnvSettingsSource):
    """The process's environment, without the variables that an orchestrator makes for a service."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        is_link = isinstance(value, str) and is_service_link(name_variable(field_name), value)
        return None if is_link else value, key, is_complex


class Settings(BaseSettings):
    """The settings of serving, the data set and logging."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, protected_namespaces=()
    )

    model_path: Annotated[Path, AfterValidator(_check_names_file)] = Field(
        Path("models/fashion_mnist.h5"),
        description="The Keras `.h5` or `.keras` to serve; its manifest is the `.json` beside it.",
    )
    model_poll_s: float = Field(
        5.0,
        ge=0,
        le=3600,
        description="Seconds between two looks at the model's file, which is followed where it has changed; 0: only on "
        "SIGHUP.",
    )
    max_model_bytes: int = Field(256 * 1024 * 1024, ge=1024, description="The largest model that is read, in bytes.")
    engine: Literal["onnx", "keras"] = Field(
        "onnx", description="What computes the answers: onnx, the model's compiled form, or keras, the model as it is."
    )

    data_dir: Path | None = Field(
        None,
        description="The data set: a directory of IDX files or of folders of pictures, or an `.npz`; unset: the places "
        "that `fashion-api data` lists.",
    )
    digits_file: Path | None = Field(
        None,
        description="MNIST's test digits, t10k-images-idx3-ubyte(.gz), for the novelty report; unset: left out.",
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("fashion-api"),
        description="Where downloads and compiled models are kept; unset: the user's cache directory.",
    )
    image_height: int = Field(
        28,
        ge=1,
        le=1024,
        description="Height of an image, in pixels: of the data set and, where it is set, of the model.",
    )
    image_width: int = Field(
        28,
        ge=1,
        le=1024,
        description="Width of an image, in pixels: of the data set and, where it is set, of the model.",
    )
    channels: Annotated[int, AfterValidator(_check_channels)] = Field(
        1, description="Numbers a pixel, as for the height: 1, for grey images, or 3, for images in colour."
    )
    pixel_range: Annotated[tuple[float, float] | None, NoDecode, WrapValidator(_read_pixel_range)] = Field(
        None,
        description="What black and white are for a model without a manifest, as 0,1 or -1,1 or 0,255; unset: what its "
        "layers tell, else 0,1.",
    )
    resize: Literal["refuse", "fit", "stretch", "crop"] | None = Field(
        None,
        description="What is done with a picture of another size: refuse; fit, which pads it; stretch; or crop; unset: "
        "refuse where images have 28×28 pixels, else fit.",
    )
    class_names: Annotated[tuple[str, ...], *_EnvList, AfterValidator(_check_class_names)] = Field(
        FASHION_MNIST_LABELS,
        min_length=2,
        description="The labels in the order of the class ids: a JSON list, or separated by commas.",
    )

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 picks a free one.")
    tls_cert: Path | None = Field(
        None,
        description="The certificate, and those up to its root, in PEM, for https and gRPC; read anew on SIGHUP; "
        "unset: neither is encrypted.",
    )
    tls_key: Path | None = Field(None, description="The private key of FASHION_TLS_CERT, in PEM, without a password.")
    metrics: bool = Field(
        default=True,
        description="Whether requests, batches and predictions are counted, and given at /metrics: true or false.",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="A port of its own for /metrics, which then needs no key; unset: on the port above.",
    )
    workers: int = Field(1, ge=1, le=64, description="How many processes serve, each with its own model.")
    worker_start_timeout_s: float = Field(
        120.0,
        gt=0,
        le=3600,
        description="Seconds that one of several workers has to become ready; then it is replaced.",
    )
    worker_hang_timeout_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="Seconds for which the event loop of one of several workers may stand still; then it is replaced.",
    )
    root_path: Annotated[str, AfterValidator(_check_root_path)] = Field(
        "",
        description="The path prefix under which a proxy serves this service, as in /fashion; unset: none.",
    )
    trusted_proxies: Annotated[tuple[_Network, ...], *_EnvList] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Addresses or networks of proxies whose X-Forwarded-For, -Prefix and -Proto are believed, "
        "separated by commas; []: none.",
    )
    max_connections: int = Field(
        768,
        ge=1,
        description="The most open connections of a worker; on more, only health is answered, all else is 503.",
    )
    header_timeout_s: float = Field(
        10.0, gt=0, le=3600, description="Seconds that a new connection has to send the head of a request."
    )
    keep_alive_s: int = Field(
        75, ge=1, le=3600, description="Seconds after an answer until a connection without another request is closed."
    )
    max_concurrent_requests: int = Field(
        128,
        ge=1,
        description="The most requests in a worker that are complete and not yet answered; more are refused with 503.",
    )
    max_batch_size: int = Field(16, ge=1, le=4096, description="The most images that the model computes at once.")
    max_queue_size: int = Field(
        512, ge=1, description="The most images that may wait; a request that does not fit is refused with 503."
    )
    max_images_per_request: int = Field(256, ge=1, description="The most images that one request may hold.")
    max_upload_bytes: int = Field(10 * 1024 * 1024, ge=1024, description="The largest request body, in bytes.")
    max_body_memory_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="The most bytes of bodies over 64 KiB that a worker holds at once; more are refused with 503.",
    )
    request_timeout_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Seconds from a request's head on; then it is answered 408 if its body is incomplete, else 504.",
    )
    drain_delay_s: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="Seconds after SIGTERM during which requests are still accepted, while /readyz answers 503.",
    )
    drain_timeout_s: float = Field(
        20.0,
        ge=0,
        le=3600,
        description="Seconds that accepted requests have to finish when the service stops.",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_keys), AfterValidator(_check_keys)] = (
        Field((), description="Keys of which callers must send one, separated by commas; unset: no key is needed.")
    )
    api_keys_file: Path | None = Field(
        None,
        description="A TOML file with a line for each further key, as `fashion-api keys new` writes it; read anew on "
        "SIGHUP; unset: none.",
    )
    rate_limit: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="The most images a second of a client, its key or else its address, on average over 10 s; shared "
        "out among the workers; on more: 429; unset: no limit.",
    )
    docs: bool = Field(
        default=True,
        description="Whether the page at /, /docs, /redoc and /openapi.json are there, which need no key; false: / "
        "says only that the service is alive, and the others are not found.",
    )
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], *_EnvList] = Field(
        (),
        description="Origins whose pages may call the service (CORS), as https://shop.example, separated by commas; *: "
        "all; unset: none.",
    )

    served_name: Annotated[str | None, AfterValidator(_check_served_name)] = Field(
        None, description="What clients of the inference protocols call the model; unset: its own name."
    )
    served_version: int = Field(
        1,
        ge=1,
        le=2**63 - 1,
        description="The version by which clients of the inference protocols ask: a positive whole number.",
    )
    served_input: Annotated[str, AfterValidator(_check_served_input)] = Field(
        "image", min_length=1, description="What clients of the inference protocols call the model's input."
    )
    served_output: Annotated[str, AfterValidator(_check_served_output)] = Field(
        "probabilities",
        min_length=1,
        description="What clients of the inference protocols call the model's first output, the probabilities.",
    )
    serving_default_range: Literal["0-1", "0-255"] = Field(
        "0-1",
        description="What black and white are in the signature `serving_default` of TensorFlow Serving's protocol: 0-1 "
        "or 0-255.",
    )
    grpc_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="The port for gRPC (the extra `grpc`); 0 picks a free one; unset: no gRPC.",
    )

    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="The least severe level that is logged: debug, info, warning, error or critical."
    )
    log_requests: Literal["all", "errors", "none"] = Field(
        "all", description="Which requests are logged: all, errors (those that were not answered well), or none."
    )
    log_file: Path | None = Field(None, description="A file to log to as well; unset: standard error only.")
    log_file_max_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, description="The log file is rotated when it reaches this size."
    )
    log_file_backups: int = Field(5, ge=1, le=1000, description="How many rotated log files are kept.")
    log_format: Literal["text", "json"] = Field("text", description="How a log line is written: text or json.")
    tracing: bool = Field(
        False,  # noqa: FBT003  # pydantic's own
        description="Whether requests are traced, by OpenTelemetry (the extra `tracing`) as its OTEL_ variables say.",
    )

    _flags: frozenset[str] = PrivateAttr(frozenset())
    """The fields that flags of the command line have set."""

    @model_validator(mode="after")
    def _check_log_file(self) -> Self:
        if self.log_file is not None and _is_of_a_model(self.log_file.resolve(), self.model_path.resolve()):
            raise ValueError(
                f"FASHION_LOG_FILE: {self.log_file} is a model, its manifest or its card: name another file"
            )
        return self

    @model_validator(mode="after")
    def _check_limits_agree(self) -> Self:
        if self.max_images_per_request > self.max_queue_size:
            raise ValueError(
                f"FASHION_MAX_IMAGES_PER_REQUEST ({self.max_images_per_request}) is more than FASHION_MAX_QUEUE_SIZE "
                f"({self.max_queue_size}): such a request could never be taken in"
            )
        if self.max_upload_bytes > self.max_body_memory_bytes:
            raise ValueError(
                f"FASHION_MAX_UPLOAD_BYTES ({self.max_upload_bytes}) is more than FASHION_MAX_BODY_MEMORY_BYTES "
                f"({self.max_body_memory_bytes}): such a body could never be taken in"
            )
        return self

    @model_validator(mode="after")
    def _check_ports_differ(self) -> Self:
        if self.metrics_port == self.port:
            raise ValueError(f"FASHION_METRICS_PORT: {self.port} is FASHION_PORT: choose another, or unset it")
        if self.grpc_port and self.grpc_port in (self.port, self.metrics_port):
            raise ValueError(
                f"FASHION_GRPC_PORT: {self.grpc_port} is another port's number: choose another, or unset it"
            )
        return self

    @model_validator(mode="after")
    def _check_tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("FASHION_TLS_CERT and FASHION_TLS_KEY: one is set without the other; set both, or neither")
        return self

    @property
    def scheme(self) -> str:
        """What the service's address begins with: http or https."""
        return "http" if self.tls_cert is None else "https"

    @property
    def needs_key(self) -> bool:
        """Whether callers must send an API key."""
        return bool(self.api_keys) or self.api_keys_file is not None

    def name_source(self, field: str) -> str:
        """Name what sets a field: its flag where that was given, else its variable."""
        return name_flag(field) if field in self._flags else name_variable(field)

    def make_error(self, field: str, message: str) -> SettingsError:
        """Make the error that the value of a field cannot be used, as only who uses it can know."""
        kind = FlagError if field in self._flags else SettingsError
        return kind(f"{self.name_source(field)}: {message}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # replaced by ours
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read flags, the environment and `.env`; the first that sets a value wins."""
        return init_settings, _Environment(settings_cls), dotenv_settings


class TrainingSettings(Settings):
    """The settings of training too; where one is unset, the recipe decides."""

    recipe: str = Field("compact", description="The recipe to train by; `fashion-api train --list` shows them.")
    data_size: int | None = Field(
        None, ge=10, description="How many training images are used, from the first on; unset: the recipe's."
    )
    validation_size: int | None = Field(
        None, ge=1, description="How many of these are held back for validation; unset: the recipe's."
    )
    epochs: int | None = Field(None, ge=1, description="Passes over the training images; unset: the recipe's.")
    optimizer: Optimizer | None = Field(
        None, description="adam, sgd, rmsprop, nesterov, adagrad, adadelta or muon; unset: the recipe's."
    )
    learning_rate: float | None = Field(
        None, gt=0, description="The optimiser's (peak) learning rate; unset: the recipe's."
    )
    batch_size: int | None = Field(None, ge=1, description="Images per training step; unset: the recipe's.")
    dropout_rates: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...] | None, *_EnvList] = Field(
        None, description="The dropout layers' rates from input to output; unset: the recipe's."
    )
    hidden_units: int | None = Field(None, ge=1, description="Units of the dense hidden layer; unset: the recipe's.")
    teachers: Annotated[tuple[Path, ...] | None, *_EnvList] = Field(
        None,
        description="Models whose mean prediction is learnt beside the labels, separated by commas; []: none; unset: "
        "the recipe's.",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="The random seed; makes a training run reproducible.")
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32",
        description="The number format of training: float32, or mixed_bfloat16, which some processors compute faster.",
    )


SettingsT = TypeVar("SettingsT", bound=Settings)


def name_variable(field: str) -> str:
    """The variable that sets a field of the settings."""
    return ENV_PREFIX + field.upper()


def name_flag(field: str) -> str:
    """The flag that sets a field of the settings."""
    return "--" + field.replace("_", "-")


def load_settings(
    cls: type[SettingsT], *, env_file: Path = Path(".env"), overrides: Mapping[str, object] | None = None
) -> SettingsT:
    """Read settings from the environment and `env_file`; `overrides`, the flags by field name, win over both.

    Raises:
        FlagError: a value in `overrides` is bad; the message names the flag.
        SettingsError: a `FASHION_` name is unknown or a value is bad; the message names each variable.
    """
    flags = overrides or {}
    in_file = read_env_file(env_file, prefix=ENV_PREFIX)
    _refuse_unknown_names(in_file, env_file)
    _refuse_blank_keys(in_file)
    try:
        settings = cls(_env_file=env_file, **flags)  # type: ignore[arg-type]  # field names, each checked by its type
    except ValidationError as error:
        problems = error.errors()
        message = "; ".join(_describe(problem, flags, in_file, env_file) for problem in problems)
        has_bad_flag = any(problem["loc"][0] in flags for problem in problems if problem["loc"])
        raise (FlagError if has_bad_flag else SettingsError)(message) from None
    settings._flags = frozenset(flags)  # the class is of this module
    return settings


def _refuse_blank_keys(in_file: Mapping[str, str | None]) -> None:
    """Refuse API keys that are set to nothing: unlike elsewhere, that must not mean that they are unset."""
    given = {key.upper(): value for key, value in (*in_file.items(), *os.environ.items())}
    for name in map(name_variable, ("api_keys", "api_keys_file")):
        if given.get(name) == "":
            raise SettingsError(f"{name}: is set, but empty; unset it, so that no key is needed")


_KINDS = {"bool_parsing": "true or false", "int_parsing": "a whole number", "float_parsing": "a number"}
"""What a value of each kind must be; pydantic's texts are of Python's types."""


def _describe(
    problem: ErrorDetails, flags: Mapping[str, object], in_file: Mapping[str, str | None], env_file: Path
) -> str:
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if not problem["loc"]:
        return message
    field, *rest = problem["loc"]
    if problem["type"] in _KINDS:
        message = f"must be {_KINDS[problem['type']]}, not {problem['input']!r:.60}"
    name = name_flag(str(field)) if field in flags else name_variable(str(field))
    where = "".join(f"[{part}]" for part in rest if isinstance(part, int))
    is_in_file = name in map(str.upper, in_file) and name not in map(str.upper, os.environ)
    return f"{name}{where}{f' in {env_file}' if is_in_file else ''}: {message}"


def _refuse_unknown_names(in_file: Mapping[str, str | None], env_file: Path) -> None:
    in_environment = [name for name, value in os.environ.items() if not is_service_link(name, value)]
    given = dict.fromkeys(in_environment, "the environment") | dict.fromkeys(in_file, str(env_file))
    known = {name_variable(field) for field in TrainingSettings.model_fields}
    for name, source in given.items():
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; .env.example lists them all"
            raise SettingsError(f"unknown setting {name} in {source}{hint}")
