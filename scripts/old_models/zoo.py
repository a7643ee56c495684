"""The models that are written with every version of Keras that can: builders, and what each is made for."""

from __future__ import annotations

import importlib

import numpy as np

HEIGHT, WIDTH, CLASSES = 12, 10, 4
GREY, COLOUR = (HEIGHT, WIDTH, 1), (HEIGHT, WIDTH, 3)
UNIT, BYTES, SYMMETRIC = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)

CORE = frozenset(
    """
    activation_layers any_size augmentation batch_normalization bidirectional channels_first colour depthwise
    divided_by_255 fixed_batch flat_input gru hard_sigmoid initializers locally_connected logits lstm merged
    merged_by_operators mixed_precision names_with_slashes nested_functional_in_sequential
    nested_sequential_in_functional nested_twice no_channel_axis normalization official_basic official_of_2018
    official_probability random_crop rescaling resizing rnn_cells scaled_by_lambda separable sigmoid
    tutorial_cnn zip_cnn zip_colour zip_divided zip_layers zip_logits zip_merged zip_nested zip_recurrent
    zip_rescaling
    """.split()  # noqa: SIM905  # easier to read and to change than a list
)
"""One model of each kind: enough for a version whose neighbours are written in full."""

CASES = {}


class Toolbox:
    """The Keras that is installed, and what its versions call by different names."""

    current = None

    def __init__(self, keras, version, tensorflow) -> None:
        self.keras, self.layers, self.version, self._tensorflow = keras, keras.layers, version, tensorflow
        self.is_keras_3 = getattr(keras, "__version__", "2").startswith("3.")

    @classmethod
    def load(cls, *, is_standalone: bool) -> Toolbox:
        """Import TensorFlow and Keras."""
        tensorflow = importlib.import_module("tensorflow")
        if is_standalone:
            keras = importlib.import_module("keras")
            version = "keras-" + keras.__version__
        else:
            keras, version = tensorflow.keras, "tensorflow-" + tensorflow.__version__
        cls.current = cls(keras, version, tensorflow)
        return cls.current

    @property
    def is_eager(self) -> bool:
        """Whether weights are assigned at once."""
        return self._tensorflow.executing_eagerly() and not (self.version.startswith("keras-2") and not self.is_keras_3)

    @property
    def nn(self):
        """TensorFlow's functions."""
        return self._tensorflow.nn

    @property
    def preprocessing(self):
        """Where the layers are that scale and augment."""
        if hasattr(self.layers, "Rescaling"):
            return self.layers
        return self.layers.experimental.preprocessing

    def begin(self) -> None:
        """Forget earlier models and the names of their layers."""
        self.keras.backend.clear_session()
        self.keras.backend.set_image_data_format("channels_last")

    def input(self, shape, **options):
        """An input of images."""
        return self.layers.Input(shape=shape, **options)

    def model(self, inputs, outputs):
        """A functional model."""
        return self.keras.models.Model(inputs, outputs)

    def sequential(self, *layers):
        """A sequential model."""
        model = self.keras.models.Sequential()
        if self.is_keras_3 and isinstance(layers[0], self.keras.models.Model):
            model.add(self.layers.Input(layers[0].input_shape[1:]))
        for layer in layers:
            model.add(layer)
        return model

    def adam(self):
        """An optimiser by the argument that its version has: `lr`, `learning_rate` since."""
        try:
            return self.keras.optimizers.Adam(lr=0.001)
        except (TypeError, ValueError):
            return self.keras.optimizers.Adam(learning_rate=0.001)

    def save(self, model, path: str) -> None:
        """Save a model in the format of the suffix."""
        model.save(path)


class Case:
    """A model: how it is built, and how it is to be asked."""

    def __init__(self, build, options) -> None:
        self.build = build
        self.shape = options.get("shape", (HEIGHT, WIDTH))
        self.pixel_range = options.get("pixel_range", UNIT)
        self.ends_in = options.get("ends_in", "softmax")
        self.reader = options.get("reader")
        self.is_core = build.__name__ in CORE
        self.suffixes = options.get("suffixes", (".h5",))
        self.seed = sum(map(ord, build.__name__))
        self.gain = options.get("gain", 1)
        self._only, self._without = options.get("only"), options.get("without", ())

    def exists_in(self, version: str) -> bool:
        """Whether a version is to write it."""
        return (self._only is None or version.startswith(self._only)) and not version.startswith(self._without)


def case(**options):
    """Add a builder to the cases."""

    def add(build):
        CASES[build.__name__] = Case(build, options)
        return build

    return add


def head(t):
    """The last layer of most."""
    return t.layers.Dense(CLASSES, activation="softmax")


# Scripts of tutorials, with fewer filters and units.


@case()
def tutorial_cnn(t):
    """Convolutions of 2×2, pooling, dropout; compiled, and trained for a step, so that the optimiser is saved too."""
    l = t.layers
    model = t.sequential(
        l.Conv2D(filters=4, kernel_size=2, padding="same", activation="relu", input_shape=GREY),
        l.MaxPooling2D(pool_size=2),
        l.Dropout(0.3),
        l.Conv2D(filters=3, kernel_size=2, padding="same", activation="relu"),
        l.MaxPooling2D(pool_size=2),
        l.Dropout(0.3),
        l.Flatten(),
        l.Dense(6, activation="relu"),
        l.Dropout(0.5),
        head(t),
    )
    model.compile(loss="categorical_crossentropy", optimizer=t.adam(), metrics=["accuracy"])
    model.fit(np.zeros((2, *GREY), "float32"), np.eye(CLASSES)[:2], epochs=1, verbose=0)
    return model


def basic_classification(t):
    """The first tutorial of TensorFlow for this data set: an image without an axis of channels, logits."""
    l = t.layers
    return t.sequential(l.Flatten(input_shape=(HEIGHT, WIDTH)), l.Dense(8, activation="relu"), l.Dense(CLASSES))


@case(ends_in="logits")
def official_basic(t):
    model = basic_classification(t)
    loss = getattr(t.keras.losses, "SparseCategoricalCrossentropy", None)
    model.compile("adam", "sparse_categorical_crossentropy" if loss is None else loss(from_logits=True), ["accuracy"])
    return model


@case()
def official_probability(t):
    return t.sequential(basic_classification(t), t.layers.Softmax())


@case()
def official_of_2018(t):
    """The same tutorial in its first form: functions of TensorFlow as activations."""
    l = t.layers
    return t.sequential(
        l.Flatten(input_shape=(HEIGHT, WIDTH)),
        l.Dense(8, activation=t.nn.relu),
        l.Dense(CLASSES, activation=t.nn.softmax),
    )


@case()
def mnist_cnn(t):
    """The example of Keras's own repository: two convolutions without padding."""
    l = t.layers
    return t.sequential(
        l.Conv2D(4, kernel_size=(3, 3), activation="relu", input_shape=GREY),
        l.Conv2D(4, (3, 3), activation="relu"),
        l.MaxPooling2D(pool_size=(2, 2)),
        l.Dropout(0.25),
        l.Flatten(),
        head(t),
    )


# What ends a model.


@case(ends_in="logits")
def logits(t):
    l = t.layers
    return t.sequential(l.Conv2D(3, 3, activation="relu", input_shape=GREY), l.Flatten(), l.Dense(CLASSES))


@case(ends_in="logits")
def logits_linear(t):
    l = t.layers
    return t.sequential(l.Flatten(input_shape=GREY), l.Dense(CLASSES), l.Activation("linear"))


@case(ends_in="sigmoid")
def sigmoid(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(3, 3, activation="relu", input_shape=GREY), l.Flatten(), l.Dense(1, activation="sigmoid")
    )


@case()
def softmax_activation(t):
    l = t.layers
    return t.sequential(l.Flatten(input_shape=GREY), l.Dense(CLASSES), l.Activation("softmax"))


@case()
def softmax_layer(t):
    l = t.layers
    return t.sequential(l.Flatten(input_shape=GREY), l.Dense(CLASSES), l.Softmax(axis=-1))


@case()
def two_outputs(t):
    """A second output of another task."""
    l = t.layers
    image = t.input(GREY)
    shared = l.Dense(6, activation="relu")(l.Flatten()(image))
    return t.model(image, [head(t)(shared), l.Dense(2, activation="softmax", name="other")(shared)])


# Layers.


@case()
def initializers(t):
    l, i = t.layers, t.keras.initializers
    return t.sequential(
        l.Conv2D(
            3, 3, kernel_initializer=i.VarianceScaling(scale=2.0), bias_initializer=i.Constant(0.1), input_shape=GREY
        ),
        l.Conv2D(3, 3, kernel_initializer="he_uniform", bias_initializer=i.RandomNormal(stddev=0.01)),
        l.Conv2D(3, 3, kernel_initializer=i.TruncatedNormal(seed=1), bias_initializer="ones"),
        l.Flatten(),
        l.Dense(6, kernel_initializer=i.Orthogonal(gain=1.0), bias_initializer=i.RandomUniform(-0.1, 0.1, seed=3)),
        l.Dense(6, kernel_initializer=i.Identity(), activation="tanh"),
        l.Dense(
            5,
            kernel_initializer="lecun_normal",
            kernel_regularizer="l2",
            kernel_constraint=t.keras.constraints.max_norm(9.0)
            if hasattr(t.keras.constraints, "max_norm")
            else "max_norm",
        ),
        l.Dense(
            CLASSES,
            kernel_initializer=i.glorot_normal() if hasattr(i, "glorot_normal") else "glorot_normal",
            activation="softmax",
            kernel_regularizer=t.keras.regularizers.l1(1e-4),
            activity_regularizer=None,
        ),
    )


@case()
def depthwise(t):
    l = t.layers
    return t.sequential(
        l.DepthwiseConv2D(3, depth_multiplier=3, padding="same", input_shape=GREY),
        l.DepthwiseConv2D((3, 3), strides=2, activation="relu"),
        l.Flatten(),
        head(t),
    )


@case(gain=2)
def separable(t):
    l = t.layers
    return t.sequential(
        l.SeparableConv2D(4, 3, padding="same", activation="relu", input_shape=GREY),
        l.SeparableConv2D(4, 3, depth_multiplier=2, dilation_rate=2),
        l.GlobalMaxPooling2D(),
        head(t),
    )


@case()
def transposed(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(3, 3, strides=2, padding="same", input_shape=GREY),
        l.Conv2DTranspose(2, 3, strides=2, padding="same", activation="relu"),
        l.Flatten(),
        head(t),
    )


@case()
def lstm(t):
    l = t.layers
    return t.sequential(l.LSTM(6, input_shape=(HEIGHT, WIDTH)), head(t))


@case()
def lstm_stacked(t):
    l = t.layers
    return t.sequential(
        l.Reshape((HEIGHT, WIDTH), input_shape=GREY),
        l.LSTM(5, return_sequences=True, dropout=0.2),
        l.LSTM(6, unit_forget_bias=False, go_backwards=True),
        head(t),
    )


@case()
def gru(t):
    l = t.layers
    return t.sequential(l.GRU(6, input_shape=(HEIGHT, WIDTH)), head(t))


@case()
def gru_reset_after(t):
    l = t.layers
    return t.sequential(
        l.GRU(6, reset_after=True, recurrent_activation="sigmoid", input_shape=(HEIGHT, WIDTH)), head(t)
    )


@case()
def gru_reset_before(t):
    l = t.layers
    return t.sequential(l.GRU(6, reset_after=False, input_shape=(HEIGHT, WIDTH)), head(t))


@case()
def simple_rnn(t):
    l = t.layers
    return t.sequential(l.SimpleRNN(6, input_shape=(HEIGHT, WIDTH)), head(t))


@case()
def bidirectional(t):
    l = t.layers
    return t.sequential(
        l.Bidirectional(l.LSTM(4, return_sequences=True), input_shape=(HEIGHT, WIDTH)),
        l.Bidirectional(l.GRU(3), merge_mode="sum"),
        head(t),
    )


@case(without=("keras-2.0",))  # it does not save what the cells are
def rnn_cells(t):
    l = t.layers
    return t.sequential(l.RNN([l.LSTMCell(5), l.SimpleRNNCell(4)], input_shape=(HEIGHT, WIDTH)), head(t))


@case()
def conv_1d(t):
    l = t.layers
    return t.sequential(
        l.Conv1D(6, 3, padding="causal", activation="relu", input_shape=(HEIGHT, WIDTH)),
        l.MaxPooling1D(2),
        l.Conv1D(4, 2),
        l.GlobalAveragePooling1D(),
        head(t),
    )


@case()
def time_distributed(t):
    l = t.layers
    return t.sequential(
        l.TimeDistributed(l.Dense(5, activation="relu"), input_shape=(HEIGHT, WIDTH)), l.Flatten(), head(t)
    )


@case()
def batch_normalization(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, use_bias=False, input_shape=GREY),
        l.BatchNormalization(),
        l.Activation("relu"),
        l.Flatten(),
        l.Dense(6),
        l.BatchNormalization(axis=-1, momentum=0.9, epsilon=1e-5, scale=False),
        head(t),
    )


@case()
def layer_normalization(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, input_shape=GREY), l.LayerNormalization(), l.Flatten(), l.LayerNormalization(axis=1), head(t)
    )


@case()
def layer_normalization_axes(t):
    """Over all of an image at once."""
    l = t.layers
    return t.sequential(l.Conv2D(4, 3, input_shape=GREY), l.LayerNormalization(axis=[1, 2, 3]), l.Flatten(), head(t))


@case()
def activation_layers(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, input_shape=GREY),
        l.LeakyReLU(alpha=0.1) if not t.is_keras_3 else l.LeakyReLU(negative_slope=0.1),
        l.Conv2D(4, 3),
        l.PReLU(shared_axes=[1, 2]),
        l.Conv2D(4, 3),
        l.ELU(alpha=0.5),
        l.Flatten(),
        l.Dense(6),
        l.PReLU(),
        head(t),
    )


@case()
def relu_layer(t):
    l = t.layers
    return t.sequential(l.Conv2D(4, 3, input_shape=GREY), l.ReLU(max_value=6.0), l.Flatten(), head(t))


@case()
def relu_layer_leaky(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, input_shape=GREY), l.ReLU(negative_slope=0.25, threshold=0.13), l.Flatten(), head(t)
    )


@case()
def thresholded_relu(t):
    l = t.layers
    return t.sequential(l.Conv2D(4, 3, input_shape=GREY), l.ThresholdedReLU(theta=0.26), l.Flatten(), head(t))


@case()
def activation_names(t):
    l = t.layers
    model = t.sequential(l.Flatten(input_shape=GREY))
    for name in ("elu", "selu", "softplus", "softsign", "tanh", "sigmoid"):
        model.add(l.Dense(6, activation=name))
    model.add(l.Dense(6, activation="exponential" if hasattr(t.keras.activations, "exponential") else "linear"))
    model.add(head(t))
    return model


@case(gain=4)
def hard_sigmoid(t):
    """Its slope is 0.2, and a sixth since Keras 3."""
    l = t.layers
    return t.sequential(
        l.Flatten(input_shape=GREY),
        l.Dense(8),
        l.Activation("hard_sigmoid"),
        l.Dense(6, activation="hard_sigmoid"),
        head(t),
    )


@case()
def swish_gelu(t):
    l = t.layers
    return t.sequential(
        l.Flatten(input_shape=GREY), l.Dense(6, activation="swish"), l.Dense(6, activation="gelu"), head(t)
    )


@case()
def functions_of_tensorflow(t):
    """Functions of TensorFlow as activations, which are saved under their own names."""
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, activation=t.nn.relu6, input_shape=GREY),
        l.Activation(t.nn.leaky_relu),
        l.Flatten(),
        l.Dense(6, activation=t.nn.elu),
        l.Dense(6, activation=t.nn.tanh),
        l.Dense(6, activation=t.nn.sigmoid),
        head(t),
    )


@case()
def swish_of_tensorflow(t):
    l = t.layers
    return t.sequential(l.Conv2D(4, 3, activation=t.nn.swish, input_shape=GREY), l.Flatten(), head(t))


@case()
def pooling(t):
    l = t.layers
    return t.sequential(
        l.ZeroPadding2D(((1, 2), (3, 0)), input_shape=GREY),
        l.Conv2D(4, 2, dilation_rate=2),
        l.AveragePooling2D(2, padding="same"),
        l.Cropping2D(((1, 0), (0, 1))),
        l.UpSampling2D((2, 2)),
        l.MaxPooling2D(3, strides=2),
        l.GlobalAveragePooling2D(),
        head(t),
    )


@case(without=("tensorflow-1.13", "tensorflow-1.14"))  # they do not save the interpolation
def upsampling_bilinear(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, strides=2, input_shape=GREY), l.UpSampling2D(3, interpolation="bilinear"), l.Flatten(), head(t)
    )


@case()
def noise(t):
    l = t.layers
    return t.sequential(
        l.GaussianNoise(0.1, input_shape=GREY),
        l.Conv2D(4, 3, activation="selu"),
        l.SpatialDropout2D(0.2),
        l.GaussianDropout(0.1),
        l.AlphaDropout(0.1),
        l.ActivityRegularization(l1=0.01),
        l.Flatten(),
        l.Dropout(0.5, noise_shape=None, seed=1),
        head(t),
    )


@case()
def reshapes(t):
    l = t.layers
    return t.sequential(
        l.Permute((2, 1, 3), input_shape=GREY),
        l.Reshape((-1, 4)),
        l.Reshape((30, 4)),
        l.Masking(0.0),
        l.Flatten(),
        l.RepeatVector(2),
        l.Flatten(),
        head(t),
    )


@case()
def locally_connected(t):
    l = t.layers
    return t.sequential(l.LocallyConnected2D(2, 4, strides=2, input_shape=GREY), l.Flatten(), head(t))


@case()
def attention(t):
    l = t.layers
    rows = t.input((HEIGHT, WIDTH))
    mixed = l.MultiHeadAttention(num_heads=2, key_dim=4)(rows, rows)
    return t.model(rows, head(t)(l.GlobalAveragePooling1D()(l.Add()([rows, mixed]))))


@case(gain=8, pixel_range=BYTES)
def embedding(t):
    """A vector for each of 256 brightnesses."""
    l = t.layers
    return t.sequential(l.Embedding(256, 3, input_length=HEIGHT * WIDTH), l.GlobalAveragePooling1D(), head(t))


# How layers are joined.


@case()
def merged(t):
    """Branches that meet in every way."""
    l = t.layers
    image = t.input(GREY)
    left = l.Conv2D(3, 3, padding="same", activation="relu")(image)
    right = l.Conv2D(3, 5, padding="same", activation="tanh")(image)
    parts = [
        l.Add()([left, right]),
        l.Multiply()([left, right]),
        l.Average()([left, right]),
        l.Maximum()([left, right]),
    ]
    joined = l.Concatenate(axis=-1)([*parts, l.Subtract()([left, right]), l.Minimum()([left, right])])
    return t.model(image, head(t)(l.GlobalAveragePooling2D()(joined)))


@case()
def merged_by_functions(t):
    """Branches that functions join."""
    l = t.layers
    image = t.input(GREY)
    left = l.Conv2D(3, 3, padding="same", activation="relu")(image)
    right = l.Conv2D(3, 3, padding="same")(image)
    joined = l.concatenate([l.add([left, right]), l.multiply([left, right])])
    return t.model(image, head(t)(l.Flatten()(joined)))


@case()
def merged_by_operators(t):
    """Branches that the operators of Python join."""
    l = t.layers
    image = t.input(GREY)
    left = l.Conv2D(3, 3, padding="same", activation="relu")(image)
    right = l.Conv2D(3, 3, padding="same")(image)
    return t.model(image, head(t)(l.Flatten()((left + right) * right - left)))


@case()
def dotted(t):
    l = t.layers
    rows = t.input((HEIGHT, WIDTH))
    left, right = l.Dense(4)(rows), l.Dense(4)(rows)
    return t.model(rows, head(t)(l.Flatten()(l.Dot(axes=1, normalize=True)([left, right]))))


@case()
def residual(t):
    l = t.layers
    image = t.input(GREY, name="image")
    x = l.Conv2D(4, 3, padding="same", name="stem")(image)
    for number in range(2):
        y = l.BatchNormalization(name=f"normalization_{number}")(x)
        y = l.Conv2D(4, 3, padding="same", name=f"convolution_{number}")(l.Activation("relu")(y))
        x = l.Add()([x, y])
    return t.model(image, head(t)(l.GlobalAveragePooling2D()(x)))


@case()
def shared_layer(t):
    """A layer that is called twice."""
    l = t.layers
    image = t.input(GREY)
    convolution = l.Conv2D(4, 3, padding="same", activation="relu")
    first = l.Conv2D(4, 1)(image)
    return t.model(image, head(t)(l.Flatten()(convolution(convolution(first)))))


@case()
def names_with_slashes(t):
    """Names of layers as those of DenseNet."""
    l = t.layers
    image = t.input(GREY)
    x = l.Conv2D(4, 3, name="conv1/conv")(image)
    x = l.BatchNormalization(name="conv1/bn")(x)
    x = l.Activation("relu", name="conv1/relu")(x)
    x = l.Concatenate(name="conv2_block1_concat")([x, l.Conv2D(2, 1, name="conv2/1/conv")(x)])
    return t.model(image, head(t)(l.Flatten()(x)))


def feature_extractor(t):
    """The convolutions of a model."""
    l = t.layers
    image = t.input(GREY)
    x = l.BatchNormalization()(l.Conv2D(4, 3)(image))
    return t.model(image, l.BatchNormalization()(l.Conv2D(3, 3)(l.Activation("relu")(x))))


@case()
def nested_functional_in_sequential(t):
    l = t.layers
    return t.sequential(feature_extractor(t), l.Flatten(), l.Dense(6, activation="relu"), head(t))


@case()
def nested_sequential_in_functional(t):
    l = t.layers
    image = t.input(GREY)
    inner = t.sequential(
        l.Conv2D(4, 3, activation="relu", input_shape=GREY),
        l.BatchNormalization(),
        l.Conv2D(3, 3),
        l.BatchNormalization(),
    )
    return t.model(image, head(t)(l.Flatten()(inner(image))))


@case()
def nested_twice(t):
    l = t.layers
    inner = t.sequential(feature_extractor(t), l.BatchNormalization(), l.Activation("relu"))
    image = t.input(GREY)
    return t.sequential(t.model(image, l.Flatten()(inner(image))), head(t))


@case()
def nested_frozen(t):
    """A base that was not trained further, as in transfer learning."""
    base = feature_extractor(t)
    base.trainable = False
    return t.sequential(base, t.layers.Flatten(), head(t))


@case()
def nested_partly_frozen(t):
    """A base whose first layers were not trained further."""
    base = feature_extractor(t)
    for layer in base.layers[:3]:
        layer.trainable = False
    return t.sequential(base, t.layers.GlobalAveragePooling2D(), head(t))


@case()
def frozen_normalization(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, trainable=False, input_shape=GREY), l.BatchNormalization(trainable=False), l.Flatten(), head(t)
    )


# What scales the pixels.


@case(pixel_range=BYTES)
def rescaling(t):
    l = t.layers
    return t.sequential(
        t.preprocessing.Rescaling(1.0 / 255, input_shape=GREY), l.Conv2D(4, 3, activation="relu"), l.Flatten(), head(t)
    )


@case(pixel_range=BYTES)
def rescaling_symmetric(t):
    l = t.layers
    image = t.input(GREY)
    x = t.preprocessing.Rescaling(1.0 / 127.5, offset=-1.0)(image)
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")(x))))


def normalized(t, axis, low, high):
    """A model whose first layer was fitted on pixels of a range."""
    l = t.layers
    layer = t.preprocessing.Normalization(axis=axis)
    pixels = np.random.RandomState(0).uniform(low, high, (64, *GREY)).astype("float32")
    image = t.input(GREY)
    layer.adapt(pixels)
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")(layer(image)))))


@case(pixel_range=BYTES)
def normalization(t):
    return normalized(t, -1, 0, 255)


@case(pixel_range=UNIT)
def normalization_of_unit_pixels(t):
    return normalized(t, -1, 0, 1)


@case(pixel_range=BYTES)
def normalization_of_all(t):
    return normalized(t, None, 0, 255)


@case(pixel_range=BYTES)
def divided_by_255(t):
    """The arithmetic of Python on a tensor."""
    l = t.layers
    image = t.input(GREY)
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")(image / 255.0))))


@case(pixel_range=BYTES)
def divided_and_shifted(t):
    l = t.layers
    image = t.input(GREY)
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")(image / 127.5 - 1.0))))


@case(pixel_range=BYTES)
def multiplied_and_added(t):
    l = t.layers
    image = t.input(GREY)
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")((image + 1.0) * 0.00390625))))


@case(pixel_range=BYTES)
def scaled_by_lambda(t):
    """A function of Python's, which is saved as code."""
    l = t.layers
    return t.sequential(l.Lambda(lambda x: x / 255.0, input_shape=GREY), l.Flatten(), head(t))


@case(pixel_range=SYMMETRIC)
def symmetric_pixels(t):
    """Nothing in it says that its pixels are of the range −1 to 1."""
    l = t.layers
    return t.sequential(l.Conv2D(4, 3, activation="relu", input_shape=GREY), l.Flatten(), head(t))


@case()
def batch_normalization_first(t):
    l = t.layers
    return t.sequential(l.BatchNormalization(input_shape=GREY), l.Conv2D(4, 3, activation="relu"), l.Flatten(), head(t))


# Augmentation.


@case()
def augmentation(t):
    l, p = t.layers, t.preprocessing
    return t.sequential(
        p.RandomFlip("horizontal", input_shape=GREY),
        p.RandomRotation(0.1),
        p.RandomZoom(0.1),
        p.RandomContrast(0.1),
        p.RandomTranslation(0.1, 0.1),
        l.Conv2D(4, 3, activation="relu"),
        l.Flatten(),
        head(t),
    )


@case(pixel_range=BYTES)
def augmentation_and_rescaling(t):
    """A model of augmentation in a model that scales, as in the tutorial on image classification."""
    l, p = t.layers, t.preprocessing
    augment = t.sequential(p.RandomFlip("horizontal", input_shape=GREY), p.RandomRotation(0.1), p.RandomZoom(0.1))
    return t.sequential(augment, p.Rescaling(1.0 / 255), l.Conv2D(4, 3, activation="relu"), l.Flatten(), head(t))


@case()
def random_crop(t):
    """Without training it crops the centre."""
    l, p = t.layers, t.preprocessing
    return t.sequential(p.RandomCrop(8, 8, input_shape=GREY), l.Conv2D(4, 3, activation="relu"), l.Flatten(), head(t))


@case()
def random_height(t):
    l, p = t.layers, t.preprocessing
    return t.sequential(
        p.RandomHeight(0.2, input_shape=GREY), p.RandomWidth(0.2), l.Conv2D(4, 3), l.GlobalAveragePooling2D(), head(t)
    )


@case()
def resizing(t):
    l, p = t.layers, t.preprocessing
    return t.sequential(
        p.Resizing(8, 16, input_shape=GREY),
        p.CenterCrop(6, 10),
        l.Conv2D(4, 3, activation="relu"),
        l.Flatten(),
        head(t),
    )


# The input.


@case()
def fixed_batch(t):
    """As many images at once as there are here."""
    l = t.layers
    image = l.Input(batch_shape=(4, *GREY))
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")(image))))


@case()
def fixed_batch_of_one(t):
    l = t.layers
    image = l.Input(batch_shape=(1, *GREY))
    return t.model(image, head(t)(l.Flatten()(l.Conv2D(4, 3, activation="relu")(image))))


@case()
def flat_input(t):
    l = t.layers
    return t.sequential(l.Dense(8, activation="relu", input_shape=(HEIGHT * WIDTH,)), head(t))


@case()
def flat_input_dim(t):
    l = t.layers
    return t.sequential(l.Dense(8, activation="relu", input_dim=HEIGHT * WIDTH), head(t))


@case()
def any_size(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, activation="relu", input_shape=(None, None, 1)), l.GlobalAveragePooling2D(), head(t)
    )


@case()
def no_channel_axis(t):
    l = t.layers
    return t.sequential(
        l.Reshape(GREY, input_shape=(HEIGHT, WIDTH)), l.Conv2D(4, 3, activation="relu"), l.Flatten(), head(t)
    )


@case(shape=COLOUR)
def colour(t):
    l = t.layers
    return t.sequential(
        l.Conv2D(4, 3, activation="relu", input_shape=COLOUR),
        l.MaxPooling2D(2),
        l.Flatten(),
        l.Dense(6, activation="relu"),
        head(t),
    )


@case(shape=COLOUR, ends_in="logits")
def colour_tutorial(t):
    """The tutorial of TensorFlow on convolutions, for images of CIFAR-10."""
    l = t.layers
    return t.sequential(
        l.Conv2D(4, (3, 3), activation="relu", input_shape=COLOUR),
        l.MaxPooling2D((2, 2)),
        l.Conv2D(6, (3, 3), activation="relu"),
        l.Flatten(),
        l.Dense(6, activation="relu"),
        l.Dense(CLASSES),
    )


@case(shape=COLOUR, pixel_range=BYTES)
def colour_rescaling(t):
    l, p = t.layers, t.preprocessing
    return t.sequential(
        p.Rescaling(1.0 / 255, input_shape=COLOUR),
        l.Conv2D(4, 3, padding="same", activation="relu"),
        l.GlobalAveragePooling2D(),
        head(t),
    )


def channels_first_model(t, shape, data_format):
    """A model whose convolutions have their channels first, or the same with its channels last."""
    l = t.layers
    t.keras.backend.set_image_data_format(data_format)
    if data_format == "channels_first":
        shape = (shape[2], *shape[:2])
    model = t.sequential(
        l.Conv2D(4, 3, activation="relu", input_shape=shape, data_format=data_format),
        l.BatchNormalization(axis=1 if data_format == "channels_first" else -1),
        l.MaxPooling2D(2, data_format=data_format),
        l.Flatten(data_format=data_format),
        head(t),
    )
    t.keras.backend.set_image_data_format("channels_last")
    return model


def read_channels_last(t, model):
    """The twin of a model, which computes on a CPU what the model computes on a GPU."""
    channels = model.input_shape[1]
    twin = channels_first_model(t, (*model.input_shape[2:], channels), "channels_last")
    twin.set_weights(model.get_weights())
    return twin


@case(reader=read_channels_last)
def channels_first(t):
    return channels_first_model(t, GREY, "channels_first")


@case(shape=COLOUR, reader=read_channels_last)
def channels_first_colour(t):
    return channels_first_model(t, COLOUR, "channels_first")


# Number formats.


def set_policy(t, name):
    """Set the policy of number formats, by the name that the function has."""
    mixed = t.keras.mixed_precision
    if hasattr(mixed, "set_global_policy"):
        mixed.set_global_policy(name)
    else:
        mixed.experimental.set_policy(name)


@case()
def mixed_precision(t):
    """Computes in float16, with weights and a last layer in float32."""
    l = t.layers
    set_policy(t, "mixed_float16")
    try:
        return t.sequential(
            l.Conv2D(4, 3, activation="relu", input_shape=GREY),
            l.BatchNormalization(),
            l.Flatten(),
            l.Dense(CLASSES),
            l.Activation("softmax", dtype="float32"),
        )
    finally:
        set_policy(t, "float32")


# The format `.keras`, since TensorFlow 2.12.

ZIPS = {"suffixes": (".keras",), "only": ("tensorflow-2.12", "tensorflow-2.15", "tensorflow-2.16")}


@case(**ZIPS)
def zip_cnn(t):
    return tutorial_cnn(t)


@case(**ZIPS)
def zip_nested(t):
    return nested_twice(t)


@case(**ZIPS, gain=2)
def zip_recurrent(t):
    return bidirectional(t)


@case(**ZIPS, pixel_range=BYTES)
def zip_rescaling(t):
    return rescaling(t)


@case(**ZIPS, pixel_range=BYTES)
def zip_divided(t):
    return divided_and_shifted(t)


@case(**ZIPS)
def zip_layers(t):
    return activation_layers(t)


@case(**ZIPS)
def zip_merged(t):
    """Branches with weights of the same shapes, which tell whether each gets its own."""
    l = t.layers
    image = t.input(GREY)
    first = l.Conv2D(3, 3, padding="same", activation="relu")(image)
    left = l.Conv2D(3, 3, padding="same", activation="tanh")(first)
    right = l.Conv2D(3, 3, padding="same")(image)
    return t.model(
        image, head(t)(l.Flatten()(l.Concatenate()([l.BatchNormalization()(right), l.BatchNormalization()(left)])))
    )


@case(**ZIPS, shape=COLOUR)
def zip_colour(t):
    return colour(t)


@case(**ZIPS, ends_in="logits")
def zip_logits(t):
    return logits(t)
