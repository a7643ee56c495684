"""A line at the bottom of the terminal for tests."""

from fashion_api.cli.terminal import Waiting


class Titles(Waiting):
    """Remembers each title and share that it was told."""

    def __init__(self, *, shows_log: bool = False) -> None:
        super().__init__("", shows_log=shows_log)
        self.told: list[tuple[str, float | None]] = []

    def update(self, title: str, *, share: float | None = None) -> None:
        self.told.append((title, share))
