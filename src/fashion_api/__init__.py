"""fashion-api: an async HTTP service that classifies pictures of clothing.

Other programs may import what `__all__` lists. Each name is imported when it is first used, so that importing the
package itself loads nothing else.
"""

from typing import TYPE_CHECKING

__all__ = ["Settings", "__version__", "create_app", "load_model"]

if TYPE_CHECKING:
    from fashion_api.inference.loading import load_model
    from fashion_api.rest.app import create_app
    from fashion_api.settings import Settings

    __version__: str
else:

    def __getattr__(name: str) -> object:
        """Import a public name (PEP 562)."""
        from importlib import import_module, metadata  # noqa: PLC0415  # only where it runs

        if name == "__version__":
            return metadata.version("fashion-api")
        homes = {
            "Settings": "fashion_api.settings",
            "create_app": "fashion_api.rest.app",
            "load_model": "fashion_api.inference.loading",
        }
        if name not in homes:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
