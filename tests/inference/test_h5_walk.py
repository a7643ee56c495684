"""The walk over a `.h5`: what it refuses before Keras reads the file, and what it lets through."""

from pathlib import Path
from typing import Any

import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.h5_walk import check_model
from fashion_api.inference.keras_engine import WALK_LIMITS
from fashion_api.inference.model_process import run_in_child
from tests.inference import hostile_models as hostile

MODELS = Path(__file__).parents[2] / "models"

CODE_REASONS = {
    "Lambda of Keras 3": "it has 'Lambda', its layer 'more': it is code, which is not run",
    "Lambda of Keras 2": "it has 'Lambda'",
    "Lambda of a named function": "it has 'Lambda'",
    "operation of TensorFlow": "it has 'TFOpLambda'",
    "node of a TensorFlow graph": "it has 'TensorFlowOpLayer'",
    "TensorFlow SavedModel": "it has 'TFSMLayer'",
    "function of os": "it has 'system'",
    "class of subprocess": "it has 'Popen'",
    "Keras's class of another module": "it has 'Dense' of the module 'os', which is not Keras",
    "registered class": "it has 'Evil>Dense', code of its own",
    "function as an activation": "it has 'function'",
    "function as an activation, of Keras 3": "it has the activation 'eval', which is none of Keras",
    "activation of os": "it has the activation 'os.system'",
    "initialiser of subprocess": "it has 'Popen'",
    "Lambda in TimeDistributed": "it has 'Lambda'",
    "Lambda in Bidirectional": "it has 'Lambda'",
    "Lambda in a model in a model": "it has 'Lambda'",
    "Lambda in the cell of an RNN": "it has 'Lambda'",
    "Lambda in the arguments of a call": "it has 'Lambda'",
}
PLACE_REASONS = {
    "soft link": "it has a link, '/model_weights/dense/dense/kernel:0', to another place or file",
    "soft link that leads nowhere": "it has a link",
    "soft link in place of the weights": "it has a link",
    "external link": "it has a link",
    "data set with fifty names": "it has several names for one object, '/model_weights/dense/dense/copy_",
    "group in itself": "it has several names for one object, '/model_weights/dense/dense/loop'",
    "data in another file": "takes its data from elsewhere",
    "virtual data of another file": "takes its data from elsewhere",
    "virtual data of itself": "takes its data from elsewhere",
    "same weights fifty times": "names the same data set, or the same layer, more than once",
    "weights of the root": "named by no plain path",
    "weights by a detour": "named by no plain path",
    "weights by names that differ past a NUL": "named by no plain path",
    "weights by a text in place of a list": "its attribute 'weight_names' is no list of names",
    "weights of two layers": "names the same data set, or the same layer, more than once",
    "layer fifty times": "names the same data set, or the same layer, more than once",
}
SIZE_REASONS = {
    "shape of weights that are not there": "declares 4000000000 bytes, and does not have them",
    "shape of chunks that are not there": "declares 4000000000 bytes, and does not have them",
    "fill value": "declares 400000000 bytes, and does not have them",
    "one place for many data sets": "bytes of data or more, in a file of",
    "compressed zeros": "is compressed: unpack it with `h5repack -f NONE`",
    "compressed, of its size": "is compressed",
    "texts": "is not of numbers",
    "records": "is not of numbers",
    "numbers of any length": "is not of numbers",
    "no data": "is not of numbers",
    "data type": "it has a data type of its own",
    "NaN": "are not all finite numbers",
    "infinity": "are not all finite numbers",
    "groups": "it has more than 10000 objects",
    "nested groups": "nested more than 32 deep",
    "attributes": "has more than 100 attributes",
    "shared texts of an attribute": "'layer_names' may take more than 1073741824 bytes",
    "heap without an end": "its global heap is damaged",
    "heap that goes back": "its global heap is damaged",
    "reference": "'elsewhere' is neither text nor numbers",
    "layers": "it has 3004 layers, more than 1000",
    "outputs": "its configuration has output_layers of 17 parts, more than 16",
    "axes": "its configuration has target_shape of 33 parts, more than 32",
    "units": "its configuration has units 300000000, more than 16777216",
    "image": "batch_shape 1000000000, more than",
    "nested configuration": "nested more than 64 deep",
    "configuration beyond recursion": "nested too deeply",
    "long configuration": "its configuration has 5000362 bytes, more than 4194304",
    "long number": "cannot be read as JSON: Exceeds the limit",
    "configuration that is no JSON": "cannot be read as JSON",
    "configuration that is a list": "does not begin with a model",
    "configuration that is a number": "its configuration is no text",
}
REASONS = CODE_REASONS | PLACE_REASONS | SIZE_REASONS
FILES = {**hostile.CODE, **hostile.PLACES, **hostile.SIZES}


def test_every_hostile_file_has_its_reason() -> None:
    """No hostile file is without a test."""
    assert REASONS.keys() == FILES.keys()


@pytest.mark.parametrize("name", REASONS)
def test_hostile_file_is_refused_with_its_reason(name: str) -> None:
    """A file with something that no model of Keras has is refused, and the message says what it is."""
    with pytest.raises(ModelError) as refusal:
        check_model(FILES[name])
    assert REASONS[name] in str(refusal.value)
    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}, {"track_order": True}], ids=str)
def test_plain_file_passes(options: dict[str, Any]) -> None:
    """The file that the hostile ones are made from passes, in every form of HDF5."""
    check_model(hostile.make_h5(**options))


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.h5")), ids=lambda path: path.name)
def test_committed_model_passes(path: Path) -> None:
    """Each of the project's own models passes."""
    check_model(path.read_bytes())


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_cut_off_file_is_damaged(share: float) -> None:
    """A file that lacks its end is refused as damaged, with its size."""
    content = hostile.make_h5()
    part = content[: int(len(content) * share)]
    with pytest.raises(ModelError, match=rf"damaged or cut short \({len(part)} bytes\)"):
        check_model(part)


@pytest.mark.parametrize("missing", ["model_config", "model_weights"])
def test_file_without_a_model_is_refused(missing: str) -> None:
    """A file of weights alone, or of a configuration alone, is refused with what makes a whole one."""
    with pytest.raises(ModelError, match=r"no Keras model: save it with model\.save\(\)"):
        check_model(hostile.make_h5(hostile.without(missing)))


def test_text_that_is_said_to_be_long_takes_no_memory() -> None:
    """What HDF5 would make room for, without there being any, ends with the memory of the process that reads it."""
    with pytest.raises(ModelError, match="damaged"):
        run_in_child("fashion_api.inference.h5_walk", hostile.make_long_text(), limits=WALK_LIMITS, task="reading it")
