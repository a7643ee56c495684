"""A model's `.h5` and manifest, read from disk and checked against each other."""

import errno
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fashion_api.errors import IncompleteModelError, ModelError
from fashion_api.files import read_file, sha256_hex, write_as_text
from fashion_api.inference.calibration import Calibration
from fashion_api.inference.interpretation import TUTORIAL_SIZE
from fashion_api.inference.manifest import Manifest, manifest_path, read_manifest
from fashion_api.inference.signature import DeclaredSignature, Signature
from fashion_api.settings import FASHION_MNIST_LABELS, Settings, name_variable

_SIGNATURES = (b"\x89HDF\r\n\x1a\n", b"PK\x03\x04")
"""How HDF5 files begin, and zips, which `.keras` files are."""
_VERSION_DIGITS = 12
_DECLARED = ("image_height", "image_width", "channels", "pixel_range")
"""The settings that, where they are set, declare the input of a model without a manifest."""


@dataclass(frozen=True)
class ModelFile:
    """A `.h5` in memory, with its manifest; without one, it has what settings say that were set."""

    path: Path
    content: bytes
    sha256: str
    labels: tuple[str, ...] | None
    """In the order of the classes; `None` where nothing gives them."""
    declared: DeclaredSignature
    """What is said of the input and the outputs."""
    manifest: Manifest | None

    @property
    def name(self) -> str:
        """The manifest's name for it, or the file's."""
        return write_as_text(self.path.stem) if self.manifest is None else self.manifest.name

    @property
    def version(self) -> str:
        """The first 12 hex digits of the `.h5`'s SHA-256."""
        return self.sha256[:_VERSION_DIGITS]

    @property
    def calibration(self) -> Calibration | None:
        """The manifest's calibration, if it has one."""
        return None if self.manifest is None else self.manifest.calibration

    @property
    def temperature(self) -> float:
        """The temperature that it is served with; 1 without a calibration."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    def name_classes(self, signature: Signature) -> tuple[str, ...]:
        """Give the labels, in the order of the classes; without any, those of Fashion-MNIST where it may be of that.

        Raises:
            ModelError: there are more or fewer labels than classes.
        """
        if self.labels is None:
            is_fashion_mnist = (len(FASHION_MNIST_LABELS), TUTORIAL_SIZE) == (signature.classes, signature.input.shape)
            return FASHION_MNIST_LABELS if is_fashion_mnist else tuple(f"class {i}" for i in range(signature.classes))
        if len(self.labels) != signature.classes:
            outputs = "1 output, for 2 classes" if signature.outputs == 1 else f"{signature.outputs} outputs"
            raise ModelError(
                f"it has {outputs}, but there are {len(self.labels)} labels: correct "
                f"{self.declared.name_source('class_names')}"
            )
        return self.labels

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Put the path of the `.h5` before the message of a `ModelError`, in what is done with it."""
        try:
            yield
        except ModelError as error:
            error.args = (f"{self.path}: {error}",)
            error.version = self.version
            raise


def find_model(path: Path) -> Path:
    """Give the file that a link leads to, where that has its manifest beside it; else the path as it is."""
    try:
        target = path.resolve()
        return target if manifest_path(target).exists() else path
    except (OSError, RuntimeError):  # a folder that may not be entered; a link to itself (before Python 3.13)
        return path


def read_model_file(settings: Settings) -> ModelFile:
    """Read the settings' model and its manifest.

    Raises:
        IncompleteModelError: the `.h5` is missing, or the manifest is of another file.
        ModelError: the file is no `.h5` and no `.keras`, the manifest is none, or a setting contradicts it.
    """
    path = find_model(settings.model_path)
    content = _read_model(path, settings.max_model_bytes)
    manifest = read_manifest(path)
    sha256 = sha256_hex(content)
    if manifest is None:
        given = settings.model_fields_set
        declared = DeclaredSignature(
            **{field.removeprefix("image_"): getattr(settings, field) for field in _DECLARED if field in given}
        )
        labels = settings.class_names if "class_names" in given else None
        return ModelFile(path, content, sha256, labels, declared, manifest)
    _check_digest(path, manifest, sha256)
    _check_settings(settings, manifest, manifest_path(path))
    declared = DeclaredSignature.of_input(manifest.input).model_copy(
        update={"output": manifest.output, "manifest": write_as_text(str(manifest_path(path)))}
    )
    return ModelFile(path, content, sha256, manifest.labels, declared, manifest)


def _read_model(path: Path, max_bytes: int) -> bytes:
    try:
        content = read_file(path, max_bytes=max_bytes)
    except FileNotFoundError:
        way_out = "name another with --model-path or FASHION_MODEL_PATH (the project's repository has some in models/)"
        if path.suffix == ".h5":
            way_out += f", or train one with `fashion-api train --model-path {shlex.quote(str(path))}`"
        raise IncompleteModelError(f"there is no model {path}: {way_out}") from None
    except OSError as error:
        if path.is_dir():
            raise ModelError(_describe_folder(path)) from None
        too_large = "; raise FASHION_MAX_MODEL_BYTES to read it" if error.errno == errno.EFBIG else ""
        raise ModelError(f"the model {path} cannot be read: {error.strerror}{too_large}") from error
    if not content.startswith(_SIGNATURES):
        raise ModelError(
            f"{path} is neither an HDF5 file, as a Keras .h5 is, nor a zip, as a .keras is: "
            f"save it with model.save('{path.stem}.h5')"
        )
    return content


def _describe_folder(path: Path) -> str:
    """Say what to do with a folder in place of a model's file."""
    if not (path / "saved_model.pb").exists():
        return f"{path} is a folder, not a model's file: name the .h5 or .keras in it"
    source, target = json.dumps(str(path)), json.dumps(f"{path.name}.h5")  # in double quotes
    code = f"import tensorflow as tf; tf.keras.models.load_model({source}).save({target})"
    return (
        f"{path} is a SavedModel, a folder that is not read: make a .h5 of it, with the TensorFlow (before 2.16) that "
        f"wrote it: python -c {shlex.quote(code)}"
    )


def _check_digest(path: Path, manifest: Manifest, sha256: str) -> None:
    if manifest.sha256 != sha256:
        raise IncompleteModelError(
            f"{path} is not the file that {manifest_path(path)} describes: its SHA-256 is "
            f"{sha256[:_VERSION_DIGITS]}…, the manifest says {manifest.sha256[:_VERSION_DIGITS]}…"
        )


def _check_settings(settings: Settings, manifest: Manifest, path: Path) -> None:
    """Compare the manifest with the settings that the operator has set explicitly."""
    given = settings.model_fields_set
    if "class_names" in given and settings.class_names != manifest.labels:
        raise ModelError(f"FASHION_CLASS_NAMES and the labels in {path} differ; unset it, or correct one of them")
    for field in _DECLARED:
        value, said = getattr(settings, field), getattr(manifest.input, field.removeprefix("image_"))
        if field in given and value not in (None, said):
            raise ModelError(f"{name_variable(field)} is {value}, but {path} says {said}")
