"""The cache of compiled models: each is built once, and used only as it was built."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import helper, load_model_from_string

from fashion_api.errors import ModelError, UncompiledModelError
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.inference.compiled_cache import compile_cached, compiled_path
from fashion_api.inference.loading import compile_model, load_model
from fashion_api.inference.manifest import InputSpec, Manifest, write_manifest
from fashion_api.inference.model_file import ModelFile, read_model_file
from fashion_api.inference.signature import SIGNATURE, DeclaredSignature
from fashion_api.settings import Settings
from tests.fakes import FAKE_CALIBRATION
from tests.inference.hostile_models import make_h5
from tests.inference.onnx_files import make_classifier_onnx, make_onnx, make_signature
from tests.inference.small_model import LABELS

FILE = ModelFile(
    Path("model.h5"), b"", "a" * 64, LABELS, DeclaredSignature(height=4, width=5, pixel_range=(0.0, 1.0)), manifest=None
)


class FakeBuild:
    """Builds a form of the right size without TensorFlow, and counts how often."""

    def __init__(self, refusal: str | None = None) -> None:
        self.count = 0
        self._refusal = refusal

    def __call__(self, content: bytes, declared: DeclaredSignature, *, temperature: float) -> bytes:  # noqa: ARG002  # see Build
        self.count += 1
        if self._refusal is not None:
            raise ModelError(self._refusal)
        return make_classifier_onnx()


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    """A model that is not compiled; `served_from` has its settings."""
    (tmp_path / "model.h5").write_bytes(make_h5())
    return read_model_file(served_from(tmp_path))


@pytest.fixture
def stored(model: ModelFile, tmp_path: Path) -> Path:
    """The compiled form of the model in its cache, made where others could write to new files by default."""
    before = os.umask(0)
    try:
        compile_cached(model, tmp_path / "cache", build=FakeBuild())
    finally:
        os.umask(before)
    return compiled_path(model, tmp_path / "cache")


def test_compiled_form_is_built_once(model: ModelFile, stored: Path, tmp_path: Path) -> None:
    """The command and the service take a compiled form from the cache."""
    build, before = FakeBuild(), (stored.read_bytes(), stored.stat().st_mtime_ns)
    assert compile_model(served_from(tmp_path)) == stored
    load_model(served_from(tmp_path))
    assert compile_cached(model, tmp_path / "cache", build=build) == before[0]
    assert (build.count, (stored.read_bytes(), stored.stat().st_mtime_ns)) == (0, before)


def test_processes_that_start_at_once_build_it_once(model: ModelFile, tmp_path: Path) -> None:
    """If several need it at the same time, one builds it and the others wait."""
    together, build = threading.Barrier(3), FakeBuild()
    results: list[bytes] = []

    def build_slowly(*arguments: Any, **options: Any) -> bytes:  # noqa: ANN401  # what a build takes
        with suppress(threading.BrokenBarrierError):
            together.wait(0.5)  # the others come too, if nothing holds them back
        return build(*arguments, **options)

    def compile_it() -> None:
        results.append(compile_cached(model, tmp_path / "cache", build=build_slowly))

    threads = [threading.Thread(target=compile_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (build.count, len(results), len(set(results))) == (1, 3, 1)


@pytest.mark.parametrize(
    "other",
    [
        replace(FILE, sha256="b" * 64),
        replace(FILE, declared=FILE.declared.model_copy(update={"pixel_range": (-1.0, 1.0)})),
        replace(FILE, declared=FILE.declared.model_copy(update={"pixel_range": None})),
        replace(FILE, declared=FILE.declared.model_copy(update={"height": 6})),
        replace(FILE, declared=FILE.declared.model_copy(update={"channels": 3})),
        replace(FILE, declared=FILE.declared.model_copy(update={"output": "logits"})),
        replace(
            FILE,
            manifest=Manifest(
                name="m",
                sha256="a" * 64,
                labels=LABELS,
                input=InputSpec(height=4, width=5),
                calibration=FAKE_CALIBRATION.model_copy(update={"temperature": 2.0}),
            ),
        ),
    ],
    ids=["model", "scaling", "no scaling", "size", "colours", "outputs", "temperature"],
)
def test_what_is_built_from_something_else_has_its_own_form(tmp_path: Path, other: ModelFile) -> None:
    """The path of a compiled form depends on all that it is built from."""
    assert compiled_path(other, tmp_path) != compiled_path(FILE, tmp_path)


def test_who_declares_it_makes_no_other_form(tmp_path: Path) -> None:
    """A model that has moved with its manifest, or got one that says the same, is not compiled again."""
    declared = FILE.declared.model_copy(update={"manifest": "elsewhere/model.json"})
    assert compiled_path(replace(FILE, declared=declared), tmp_path) == compiled_path(FILE, tmp_path)


def test_compiled_form_is_kept_with_its_digest(stored: Path) -> None:
    """`sha256sum --check` can verify the cache."""
    line = f"{sha256_hex(stored.read_bytes())}  {stored.name}\n"
    assert stored.with_name(f"{stored.name}.sha256").read_text() == line


def served_from(folder: Path) -> Settings:
    return Settings(
        _env_file=None,
        model_path=folder / "model.h5",
        cache_dir=folder / "cache",
        image_height=4,
        image_width=5,
        class_names=LABELS,
    )


def write_digest(path: Path) -> None:
    write_atomically(path.with_name(f"{path.name}.sha256"), sha256_hex(path.read_bytes()).encode())


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchange_the_graph(path: Path) -> None:
    path.write_bytes(make_classifier_onnx(scale=2.0))


def empty_the_digest(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").write_bytes(b"")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def keep_weights_in_another_file(path: Path) -> None:
    path.write_bytes(make_classifier_onnx(location="weights.bin"))
    write_digest(path)


def use_another_operator(path: Path) -> None:
    path.write_bytes(make_onnx(helper.make_node("RandomNormalLike", ["images"], ["probabilities"])))
    write_digest(path)


HARMS = pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (change_a_byte, "does not have the digest that was kept with it"),
        (exchange_the_graph, "does not have the digest"),
        (empty_the_digest, "does not have the digest"),
        (cut_off, "does not have the digest"),
        (keep_weights_in_another_file, "has weights in another file"),
        (use_another_operator, "has the operator 'RandomNormalLike'"),
    ],
)


@HARMS
def test_form_that_is_not_what_was_built_is_refused_without_tensorflow(
    harm: Callable[[Path], None], reason: str, stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A compiled form that was changed, exchanged or cut off is not served; the message names it, and says why."""
    harm(stored)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=rf"model\.h5: its compiled form {stored} cannot be used: it {reason}"):
        load_model(served_from(tmp_path))


def test_form_without_a_digest_is_not_served(stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A compiled form of an earlier version, which has no digest, counts as missing."""
    stored.with_name(f"{stored.name}.sha256").unlink()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match="no compiled form yet"):
        load_model(served_from(tmp_path))


def ship(stored: Path, tmp_path: Path) -> Path:
    """Write the compiled form beside its `.h5`, as `compile --output` does, and take it out of the cache."""
    shipped = compile_model(served_from(tmp_path), tmp_path / "model.onnx")
    assert shipped.read_bytes() == stored.read_bytes()
    stored.unlink()
    return shipped


def test_form_beside_its_h5_is_served(stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where neither the cache nor TensorFlow is, the form beside the `.h5` is; `sha256sum --check` can verify it."""
    shipped = ship(stored, tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert load_model(served_from(tmp_path)).engine == "onnx"
    assert compile_model(served_from(tmp_path)) == shipped
    lines = shipped.with_name("model.onnx.sha256").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1:] == [f"{sha256_hex(shipped.read_bytes())}  model.onnx"]


def test_file_that_is_no_compiled_form_is_not_overwritten(stored: Path, tmp_path: Path) -> None:
    """An ONNX file of someone else's, which has no record beside it, is left as it is; one's own is written anew."""
    del stored
    output = tmp_path / "mine.onnx"
    output.write_bytes(b"mine")
    with pytest.raises(ModelError, match=r"mine\.onnx is there already, with no mine\.onnx\.sha256 beside it"):
        compile_model(served_from(tmp_path), output)
    assert output.read_bytes() == b"mine"
    output.unlink()
    for _ in range(2):
        assert compile_model(served_from(tmp_path), output) == output


def _exchange_model(shipped: Path) -> None:
    shipped.with_suffix(".h5").write_bytes(make_h5() + b" ")


def _damage(shipped: Path) -> None:
    shipped.write_bytes(shipped.read_bytes() + b" ")


def _leave_record_out(shipped: Path) -> None:
    shipped.with_name("model.onnx.sha256").unlink()


def _write_empty_record(shipped: Path) -> None:
    shipped.with_name("model.onnx.sha256").write_text("")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_exchange_model, "it was built from another model"),
        (_damage, "it does not have the digest"),
        (_write_empty_record, "it was built from another model"),
        (_leave_record_out, "it has no compiled form yet"),
    ],
    ids=["of another model", "damaged", "empty record", "no record"],
)
def test_form_beside_its_h5_is_verified(
    harm: Callable[[Path], None], reason: str, stored: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A form beside the `.h5` that is not what was built from it is refused by name, with the way out."""
    shipped = ship(stored, tmp_path)
    harm(shipped)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    way_out = rf"`fashion-api compile .*--output {shipped}`"
    with pytest.raises(UncompiledModelError, match=rf"model\.h5: .*{reason}.*{way_out}"):
        load_model(served_from(tmp_path))


def test_form_that_this_version_cannot_run_is_named(stored: Path, tmp_path: Path) -> None:
    """A compiled form that ONNX Runtime refuses, though it is what was built, is an error that says what to remove."""
    stored.write_bytes(make_onnx(helper.make_node("Softmax", ["images"], ["other"])))
    write_digest(stored)
    with pytest.raises(ModelError, match=rf"model\.h5: ONNX Runtime cannot load .*: remove {stored}, to have it"):
        load_model(served_from(tmp_path))


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "does not carry its signature"),
        ("{}", "does not carry its signature"),
        (
            make_signature(input=InputSpec(height=9, width=9)).model_dump_json(),
            r"takes images of \(4, 5\), not of \(9, 9\)",
        ),
    ],
    ids=["none", "empty", "of other images"],
)
def test_form_without_its_signature_is_named(stored: Path, tmp_path: Path, signature: str, reason: str) -> None:
    """A compiled form that does not say what it takes, or takes something else, is an error with the way out."""
    graph = load_model_from_string(make_classifier_onnx())
    helper.set_model_props(graph, {SIGNATURE: signature})
    stored.write_bytes(graph.SerializeToString())
    write_digest(stored)
    with pytest.raises(ModelError, match=rf"model\.h5: its compiled form {reason}: remove {stored}, to have it"):
        load_model(served_from(tmp_path))


def test_form_that_is_not_what_was_built_is_built_anew(
    model: ModelFile, stored: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With TensorFlow, a changed form is replaced by a whole one, and the model is served."""
    whole = stored.read_bytes()
    change_a_byte(stored)
    assert compile_cached(model, tmp_path / "cache", build=FakeBuild()) == whole
    assert "does not have the digest" in caplog.text
    assert stored.read_bytes() == whole
    assert load_model(served_from(tmp_path)).engine == "onnx"


def plant_link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def test_link_in_place_of_the_lock_is_not_followed(stored: Path, tmp_path: Path) -> None:
    """A link that someone has put in place of the lock is an error, and the file that it names is as it was."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"content")
    plant_link(stored.with_suffix(".lock"), precious)
    stored.unlink()
    with pytest.raises(ModelError, match="cannot be kept in"):
        load_model(served_from(tmp_path))
    assert precious.read_bytes() == b"content"


@pytest.mark.parametrize("suffix", ["", ".sha256"], ids=["form", "digest"])
def test_link_in_place_of_a_compiled_form_is_not_followed(suffix: str, stored: Path, tmp_path: Path) -> None:
    """A link in place of a compiled form, or of its digest, is an error that names it."""
    path = stored.with_name(stored.name + suffix)
    plant_link(path, path.rename(tmp_path / "moved"))
    with pytest.raises(ModelError, match=rf"{path} cannot be read: Too many levels of symbolic links; remove it"):
        load_model(served_from(tmp_path))


def test_pipe_in_place_of_a_compiled_form_is_not_waited_for(stored: Path, tmp_path: Path) -> None:
    """What is no regular file in the cache is an error."""
    stored.unlink()
    os.mkfifo(stored)
    with pytest.raises(ModelError, match=rf"{stored} cannot be read: Not a regular file"):
        load_model(served_from(tmp_path))


def test_form_that_is_too_large_for_its_model_is_not_read(stored: Path, tmp_path: Path) -> None:
    """A compiled form many times as large as its model is an error, before it is read."""
    with stored.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: it takes no room
    with pytest.raises(ModelError, match=rf"{stored} cannot be read: More than"):
        load_model(served_from(tmp_path))


@pytest.mark.parametrize("folder", ["cache", "cache/compiled"])
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o775, 0o1777], ids=oct)
@pytest.mark.usefixtures("stored")
def test_cache_that_others_may_write_to_is_not_used(folder: str, mode: int, tmp_path: Path) -> None:
    """A cache in which another user could exchange a file is an error, and the message has the command that helps."""
    (tmp_path / folder).chmod(mode)
    with pytest.raises(ModelError, match=f"other users may write to .*: run `chmod go-w {tmp_path / folder}`"):
        load_model(served_from(tmp_path))


@pytest.mark.usefixtures("stored")
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a folder away")
def test_cache_of_another_user_is_not_used(tmp_path: Path) -> None:
    """A cache that belongs to neither the superuser nor this user is an error."""
    os.chown(tmp_path / "cache" / "compiled", 12345, 0)
    with pytest.raises(ModelError, match="belongs to another user"):
        load_model(served_from(tmp_path))


def test_cache_is_made_for_its_owner_alone(stored: Path) -> None:
    """Whatever the process's default is, others may not write to a cache that the service makes."""
    made = (stored.parent, *stored.parent.iterdir())
    assert [oct(path.stat().st_mode & 0o022) for path in made] == ["0o0"] * len(made)


def test_without_tensorflow_a_cached_form_is_served(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service whose model is compiled needs no TensorFlow."""
    assert stored.exists()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert load_model(served_from(tmp_path)).engine == "onnx"


@pytest.mark.usefixtures("model")
def test_without_tensorflow_and_a_cached_form_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it can be neither found nor built, the error says what to do."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"no compiled form yet.*fashion-api compile.*pip install tensorflow tf2onnx"):
        load_model(served_from(tmp_path))


@pytest.mark.usefixtures("model")
def test_keras_engine_without_tensorflow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TensorFlow, the Keras engine says what to install."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match="pip install tensorflow tf2onnx"):
        load_model(served_from(tmp_path).model_copy(update={"engine": "keras"}))


def test_refusal_is_passed_on_and_nothing_kept(model: ModelFile, tmp_path: Path) -> None:
    """An error in building it is raised, is told which settings gave the size, and leaves no form in the cache."""
    build = FakeBuild("it is refused")
    with pytest.raises(ModelError, match="it is refused"):
        compile_cached(model, tmp_path / "cache", build=build)
    assert list(tmp_path.rglob("*.onnx")) == []


def test_pixel_ranges_that_differ_a_little_have_files_of_their_own() -> None:
    """The name depends on the whole of each number that the form is built from."""
    declared = [FILE.declared.model_copy(update={"pixel_range": (0.0, high)}) for high in (1.0, 1.0000001)]
    one, other = (compiled_path(replace(FILE, declared=each), Path()) for each in declared)
    assert one != other


@pytest.mark.usefixtures("model")
def test_cache_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A cache folder that cannot be created is an error that names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="FASHION_CACHE_DIR"):
        load_model(served_from(tmp_path).model_copy(update={"cache_dir": tmp_path / "file"}))


def test_serving_never_imports_tensorflow(stored: Path, tmp_path: Path) -> None:
    """A process that serves a compiled model imports neither TensorFlow nor Keras, and compiles nothing."""
    code = f"""
import sys
from pathlib import Path
from fashion_api.inference.loading import load_model
from fashion_api.rest.app import create_app
from fashion_api.settings import Settings
load_model(Settings.model_validate_json({served_from(tmp_path).model_dump_json(exclude_unset=True)!r}))
create_app(Settings())
import os
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
print([name for name in ("tensorflow", "keras", "h5py", "onnx", "matplotlib") if name in sys.modules])
"""
    result = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert result.stdout == "[]\n"
    assert list(stored.parent.glob("*.onnx")) == [stored]


@pytest.mark.parametrize("is_beside_target", [True, False], ids=["beside the file", "beside the link"])
def test_manifest_of_a_link_is_beside_its_file(tmp_path: Path, *, is_beside_target: bool) -> None:
    """Of a model that is a link, the manifest is the one beside its file, or else the one beside the link."""
    link, target = tmp_path / "model.h5", tmp_path / "versions" / "second.h5"
    write_atomically(target, make_h5())
    link.symlink_to(target)
    spec = InputSpec(height=4, width=5)
    for path, name in ((link, "of the link"), (target, "of the file")):
        if path is link or is_beside_target:
            write_manifest(path, Manifest(name=name, sha256=sha256_hex(make_h5()), labels=LABELS, input=spec))
    file = read_model_file(served_from(tmp_path))
    assert (file.name, file.path) == (("of the file", target) if is_beside_target else ("of the link", link))
