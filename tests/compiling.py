"""Compiling in the tests' own process."""

from fashion_api.inference.compiled_cache import compile_cached
from fashion_api.inference.compiler import build
from fashion_api.inference.model_file import read_model_file
from fashion_api.settings import Settings


def compile_here(settings: Settings) -> None:
    """Compile the settings' model into its cache, for a test that has TensorFlow: a child process imports its own."""
    compile_cached(read_model_file(settings), settings.cache_dir, build=build)
