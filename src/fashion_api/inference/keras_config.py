"""The configuration of a Keras model, read from its file and checked, before Keras builds anything of it.

Keras imports what a configuration names and, in a `Lambda`, runs code that it holds. Only names on the lists here pass.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fashion_api.errors import ModelError
from fashion_api.inference.keras_migration import migrate

MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_LAYERS = 1000
MAX_OUTPUTS = 16
MAX_AXES = 32
"""Of what a `Reshape` makes; NumPy 1 has no more."""
MAX_INTEGER = 1 << 24
"""The largest size, count or position in a configuration."""
_ANY_INTEGER = ("seed", "shared_object_id")

_MOST = {"output_layers": MAX_OUTPUTS, "target_shape": MAX_AXES}
"""The most parts of what takes Keras more time than in proportion to them."""

LAYERS = frozenset(
    """
    Functional InputLayer Model Sequential
    Activation Dense ELU EinsumDense Embedding Identity LeakyReLU Masking PReLU ReLU Softmax ThresholdedReLU
    Conv1D Conv1DTranspose Conv2D Conv2DTranspose ConvLSTM1D ConvLSTM2D DepthwiseConv1D DepthwiseConv2D
    SeparableConv1D SeparableConv2D
    AdaptiveAveragePooling2D AdaptiveMaxPooling2D AveragePooling1D AveragePooling2D GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D MaxPooling1D MaxPooling2D
    BatchNormalization GroupNormalization LayerNormalization Normalization RMSNormalization Rescaling
    SpectralNormalization UnitNormalization
    ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise SpatialDropout1D SpatialDropout2D
    CenterCrop Cropping1D Cropping2D Flatten Permute RepeatVector Reshape Resizing UpSampling1D UpSampling2D
    ZeroPadding1D ZeroPadding2D
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract
    RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation RandomShear RandomTranslation
    RandomWidth RandomZoom
    AdditiveAttention Attention Bidirectional ConvLSTM1DCell ConvLSTM2DCell GRU GRUCell GroupQueryAttention LSTM
    LSTMCell MultiHeadAttention RNN SimpleRNN SimpleRNNCell StackedRNNCells TimeDistributed
    """.split()  # noqa: SIM905  # easier to read and to change than a list
)
"""The classes of layers that may be in a model: those of Keras that hold no code."""
_OBJECTS = frozenset(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform
    Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
    L1 L1L2 L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm
    DTypePolicy DTypePolicyMap FloatDTypePolicy Policy
    TensorShape __keras_tensor__ __tuple__
    """.split()  # noqa: SIM905  # easier to read and to change than a list
)
"""Initialisers, regularisers, constraints and number formats; and how Keras writes tensors and tuples."""
_ACTIVATIONS = frozenset(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
    sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
    """.split()  # noqa: SIM905  # easier to read and to change than a list
)


def read_config(content: bytes, version: str) -> dict[str, Any]:
    """Read the configuration of a model, migrate it to Keras 3, and check that it names only what is on the lists.

    Args:
        content: JSON.
        version: the version of Keras that wrote it.

    Raises:
        ModelError: it is too large, cannot be migrated, or names something else; the message says what.
    """
    if len(content) > MAX_CONFIG_BYTES:
        raise ModelError(f"its configuration has {len(content)} bytes, more than {MAX_CONFIG_BYTES}")
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ModelError(f"its configuration cannot be read as JSON: {reason}") from None
    if not isinstance(config, dict) or config.get("class_name") not in LAYERS:
        raise ModelError("its configuration does not begin with a model")
    for key, value, depth in _walk(config):
        if depth > MAX_DEPTH:
            raise ModelError(f"its configuration is nested more than {MAX_DEPTH} deep")
        _check_size(key, value)
    try:
        config = migrate(config, version)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"its configuration is not one of Keras: {type(error).__name__}: {_show(str(error))}"
        ) from error
    _check_config(config)
    return config


def _check_config(config: Mapping[str, Any]) -> None:
    """Check that a configuration has a bounded number of layers, and names nothing but what is on the lists."""
    layers = 0
    for key, value, _ in _walk(config):
        if isinstance(value, dict) and ("class_name" in value or "module" in value):
            layers += _check_object(value) in LAYERS
        elif isinstance(value, str) and key.endswith("activation") and value not in _ACTIVATIONS:
            raise ModelError(f"it has the activation {_show(value)}, which is none of Keras")
    if layers > MAX_LAYERS:
        raise ModelError(f"it has {layers} layers, more than {MAX_LAYERS}")


def _check_size(key: str, value: object) -> None:
    """Check the size of a number or of a list, and what it stands under."""
    if isinstance(value, int) and abs(value) > MAX_INTEGER and key not in _ANY_INTEGER:
        raise ModelError(f"its configuration has {key} {_show(value)}, more than {MAX_INTEGER}")
    if isinstance(value, list | dict) and len(value) > _MOST.get(key, len(value)):
        raise ModelError(f"its configuration has {key} of {len(value)} parts, more than {_MOST[key]}")


def _walk(config: Mapping[str, Any]) -> Iterator[tuple[str, object, int]]:
    """Give every value in a configuration, with the key that it stands under, and its depth."""
    waiting: list[tuple[str, Any, int]] = [("model_config", config, 1)]
    while waiting:
        key, value, depth = waiting.pop()
        yield key, value, depth
        if isinstance(value, dict):
            waiting.extend((name, inner, depth + 1) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((key, inner, depth + 1) for inner in value)


def _check_object(value: Mapping[str, Any]) -> str:
    """Check an object of a configuration, a layer for example, and give the name of its class."""
    name, module, registered = (value.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(name, str) or name not in LAYERS | _OBJECTS:
        raise ModelError(
            f"it has {_show(name)}, which is not among the layers of Keras that are served: build it of those"
        )
    if module is not None and (not isinstance(module, str) or module.partition(".")[0] != "keras"):
        raise ModelError(f"it has {_show(name)} of the module {_show(module)}, which is not Keras")
    if registered not in (None, name):
        raise ModelError(f"it has {_show(registered)}, code of its own, which is not run")
    return name


def _show(value: object) -> str:
    """Give a value of the file for a message: in one line, and cut."""
    return f"{value!r:.60}"
