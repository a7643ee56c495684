"""The package itself: what other programs may import."""

import subprocess
import sys

import pytest

import fashion_api
from fashion_api.inference.loading import load_model
from fashion_api.settings import Settings


def test_public_names_are_those_of_their_modules() -> None:
    """The settings and the model's loader can be imported from the package."""
    assert (fashion_api.Settings, fashion_api.load_model) == (Settings, load_model)


def test_app_can_be_built_from_the_package() -> None:
    """`create_app` can be imported from the package."""
    from fashion_api.rest.app import create_app  # noqa: PLC0415  # only here: it imports the web framework

    assert fashion_api.create_app is create_app


def test_version_is_that_of_the_installed_package() -> None:
    """`__version__` is a version number."""
    assert fashion_api.__version__.count(".") == 2


def test_public_names_are_listed() -> None:
    """`dir()` lists the public names before they are used."""
    assert set(fashion_api.__all__) <= set(dir(fashion_api))


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is reported as any module would."""
    with pytest.raises(AttributeError, match="module 'fashion_api' has no attribute 'nonsense'"):
        getattr(fashion_api, "nonsense")  # noqa: B009  # not known to the type checker


def test_importing_the_package_imports_nothing_else() -> None:
    """The package alone loads no module of its own and no dependency."""
    script = "import sys; before = set(sys.modules); import fashion_api; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert "fashion_api" in done.stdout.split()
    assert all(name == "fashion_api" or name.split(".")[0] in sys.stdlib_module_names for name in done.stdout.split())
