"""TensorFlow without graphs."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def computing_eagerly() -> Iterator[None]:
    """Have TensorFlow trace no graphs, which takes longer than so small a run; the tests of the commands have them."""
    import tensorflow as tf  # noqa: PLC0415  # takes seconds, and most tests need none

    tf.config.run_functions_eagerly(True)  # noqa: FBT003  # the library's own interface
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)  # noqa: FBT003  # the same
