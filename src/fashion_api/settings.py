"""All that an operator may set, from the environment (prefix `FASHION_`) and from a `.env` file."""

import difflib
import json
import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from dotenv import dotenv_values
from platformdirs import user_cache_path
from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fashion_api.errors import SettingsError

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


def _split_list(value: object) -> object:
    """Read a list from the environment: JSON, or values with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError("is neither a JSON list nor values with commas between them") from error
    return [part.strip() for part in value.split(",") if part.strip()]


_EnvList = (NoDecode, BeforeValidator(_split_list))


class Settings(BaseSettings):
    """What serving, the data set and logging can be told."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, protected_namespaces=()
    )

    model_path: Path = Field(
        Path("models/fashion_mnist.h5"),
        description="The Keras `.h5` to serve; its manifest is the `.json` beside it.",
    )
    engine: Literal["onnx", "keras"] = Field(
        "onnx", description="What computes the answers: onnx, the model's compiled form, or keras, the model as it is."
    )

    data_dir: Path | None = Field(
        None,
        description="Where the data set's four IDX files are; unset: searched for, see `fashion-api data`.",
    )
    digits_file: Path | None = Field(
        None,
        description="MNIST's test digits, t10k-images-idx3-ubyte(.gz), for the report on novelty; unset: left out.",
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("fashion-api"),
        description="Where downloads and compiled models are kept; unset: the user's cache directory.",
    )
    image_height: int = Field(28, ge=1, le=1024, description="Height of an image, in pixels.")
    image_width: int = Field(28, ge=1, le=1024, description="Width of an image, in pixels.")
    class_names: Annotated[tuple[str, ...], *_EnvList] = Field(
        FASHION_MNIST_LABELS,
        min_length=2,
        description="The labels in the order of the class ids: a JSON list, or separated by commas.",
    )

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 for every network.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 picks a free one.")
    workers: int = Field(1, ge=1, le=64, description="How many processes serve, each with its own model.")
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9_.~-]+)*$",
        description="The path prefix under which a proxy serves this service, as in /fashion; unset: none.",
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], *_EnvList] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Addresses or networks of proxies whose X-Forwarded-Prefix and -Proto are believed, separated by "
        "commas; []: none.",
    )
    max_concurrent_requests: int = Field(
        128,
        ge=1,
        description="The most requests that are whole and not yet answered, in a worker; beyond it, they are refused "
        "with 503.",
    )
    max_batch_size: int = Field(16, ge=1, le=4096, description="The most images that the model is given at once.")
    max_queue_size: int = Field(
        512, ge=1, description="The most images that may wait; beyond it, requests are refused with 503."
    )
    max_images_per_request: int = Field(256, ge=1, description="The most images that one request may hold.")
    max_upload_bytes: int = Field(10 * 1024 * 1024, ge=1024, description="The largest request body, in bytes.")
    max_body_memory_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="The most bytes of bodies over 64 KiB that a worker holds at once; beyond it, they are refused with "
        "503.",
    )
    request_timeout_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Seconds from a request's head to its answer; one whose body is late is answered with 408, another "
        "with 504.",
    )
    drain_delay_s: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="Seconds between SIGTERM, when /readyz starts to say no, and the end of taking requests.",
    )
    drain_timeout_s: float = Field(
        20.0,
        ge=0,
        le=3600,
        description="Seconds that requests under way are given to finish when the service stops.",
    )
    api_keys: Annotated[tuple[SecretStr, ...], *_EnvList] = Field(
        (), description="Keys that callers must show, separated by commas; unset: no key is asked for."
    )

    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="The least severe level that is logged: debug, info, warning, error or critical."
    )
    log_file: Path | None = Field(None, description="A file to log to as well; unset: standard error only.")
    log_file_max_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, description="The log file is rotated when it reaches this size."
    )
    log_file_backups: int = Field(5, ge=1, le=1000, description="How many rotated log files are kept.")
    log_format: Literal["text", "json"] = Field("text", description="How a log line is written: text or json.")

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
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("FASHION_CLASS_NAMES names a class twice")
        return self


class TrainingSettings(Settings):
    """What `fashion-api train` can be told, by flags too; what is unset is the recipe's own."""

    recipe: str = Field("small", description="The recipe to train by; `fashion-api train --list` shows them.")
    data_size: int | None = Field(
        None, ge=10, description="Train on the first so many training images; unset: the recipe's."
    )
    validation_size: int | None = Field(
        None, ge=1, description="How many of those are held back for validation; unset: the recipe's."
    )
    epochs: int | None = Field(None, ge=1, description="Passes over the training images; unset: the recipe's.")
    optimizer: Optimizer | None = Field(
        None, description="adam, sgd, rmsprop, nesterov, adagrad, adadelta or muon; unset: the recipe's."
    )
    learning_rate: float | None = Field(
        None, gt=0, description="The optimiser's (peak) learning rate; unset: the recipe's."
    )
    batch_size: int | None = Field(None, ge=1, description="Images a training step; unset: the recipe's.")
    dropout_rates: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...] | None, *_EnvList] = Field(
        None, description="The dropout layers' rates from input to output; unset: the recipe's."
    )
    hidden_units: int | None = Field(None, ge=1, description="Units of the dense hidden layer; unset: the recipe's.")
    teachers: Annotated[tuple[Path, ...] | None, *_EnvList] = Field(
        None,
        description="Models whose mean answer is learnt beside the labels, separated by commas; []: none; unset: the "
        "recipe's.",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Makes a training run reproducible.")
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32",
        description="What training computes in; mixed_bfloat16 is faster where the processor has it.",
    )


SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(
    cls: type[SettingsT], *, env_file: Path = Path(".env"), overrides: Mapping[str, object] | None = None
) -> SettingsT:
    """Read settings from the environment and `env_file`; `overrides` (flags, by field name) win over both.

    Raises:
        SettingsError: a `FASHION_` name is unknown or a value is bad; the message names each.
    """
    _refuse_unknown_names(env_file)
    try:
        return cls(_env_file=env_file, **(overrides or {}))  # type: ignore[arg-type]  # field names, checked below
    except ValidationError as error:
        problems = "; ".join(_describe(problem["loc"], problem["msg"]) for problem in error.errors())
        raise SettingsError(problems) from None


def _describe(loc: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not loc:
        return message
    where = "".join(f"[{part}]" for part in loc[1:] if isinstance(part, int))
    return f"{ENV_PREFIX}{str(loc[0]).upper()}{where}: {message}"


def _refuse_unknown_names(env_file: Path) -> None:
    known = {ENV_PREFIX + name.upper() for name in TrainingSettings.model_fields}
    given = dict.fromkeys(os.environ, "the environment") | dict.fromkeys(dotenv_values(env_file), str(env_file))
    for name, source in given.items():
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; .env.example lists them all"
            raise SettingsError(f"unknown setting {name} in {source}{hint}")
