"""Flags that are generated from the settings."""

import logging
from pathlib import Path

import pytest
import typer

from fashion_api.cli.flags import read_settings, with_settings
from fashion_api.cli.main import run
from fashion_api.cli.status import Status
from fashion_api.settings import Settings


def make_app(seen: list[tuple[Settings, str]]) -> typer.Typer:
    """Build a command line with one command, which has flags and an argument of its own."""
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @with_settings(Settings, "port", "model_path", "engine", "root_path", "class_names")
    def command(settings: Settings, word: str) -> Status:
        seen.append((settings, word))
        return Status.SUCCESS

    return app


def test_flag_sets_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag takes precedence over the variable of the same setting; other settings are read as ever."""
    monkeypatch.setenv("FASHION_PORT", "8001")
    monkeypatch.setenv("FASHION_WORKERS", "2")
    seen: list[tuple[Settings, str]] = []
    assert run(["word", "--port", "8002", "--model-path", "a.h5"], app=make_app(seen)) == 0
    ((settings, word),) = seen
    assert (settings.port, settings.model_path, settings.workers) == (8002, Path("a.h5"), 2)
    assert word == "word"


def test_empty_flag_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty flag leaves the setting to the environment, as an empty variable leaves it to its default."""
    monkeypatch.setenv("FASHION_PORT", "8001")
    seen: list[tuple[Settings, str]] = []
    assert run(["word", "--port", ""], app=make_app(seen)) == 0
    assert [settings.port for settings, _word in seen] == [8001]


def test_help_has_the_description_and_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Each flag is described in the words of its setting, with the kind of its value and its default."""
    assert run(["--help"], app=make_app([])) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--port NUMBER The port to listen on; 0 picks a free one. [default: 8000]" in text


def test_help_has_the_choices_and_what_holds_where_nothing_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag with few choices names them; one without a default says what holds where it is unset."""
    assert run(["--help"], app=make_app([])) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--engine onnx|keras" in text
    assert "as in /fashion. [default: none]" in text


def test_command_has_a_sentence_of_its_own_for_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a command means something else by a setting, its help says that."""
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @with_settings(Settings, port="The port to knock at; unset: any.")
    def command(settings: Settings) -> Status:
        return Status(int(settings.port == 0))

    assert run(["--help"], app=app) == 0
    assert "The port to knock at. [default: any]" in " ".join(capsys.readouterr().out.split())


def test_command_warns_but_logs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A command writes warnings to standard error, as one line in its own form, and nothing that is less."""
    read_settings(Settings, {})
    logging.getLogger("fashion_api").info("by the way")
    logging.getLogger("fashion_api").warning("mind the gap")
    assert capsys.readouterr().err == "fashion-api: warning: mind the gap\n"


def test_log_has_everything_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a level, standard error has the log of that level; a log file has it in any case."""
    read_settings(Settings, {"log_file": str(tmp_path / "log")})
    logging.getLogger("fashion_api").info("by the way")
    assert (capsys.readouterr().err, "by the way" in (tmp_path / "log").read_text()) == ("", True)
    read_settings(Settings, {"log_level": "info"})
    logging.getLogger("fashion_api").info("by the way")
    assert capsys.readouterr().err.endswith("INFO     fashion_api: by the way\n")


def test_bad_value_of_a_flag_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    """A bad value that a flag gives is reported with the flag's name, and the status is 2."""
    assert run(["word", "--port", "http"], app=make_app([])) == 2
    assert capsys.readouterr().err.startswith("fashion-api: --port: ")


def test_bad_value_in_the_environment_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad value that a variable gives is reported with the variable's name, and the status is 1."""
    monkeypatch.setenv("FASHION_PORT", "http")
    assert run(["word", "--engine", "onnx"], app=make_app([])) == 1
    assert capsys.readouterr().err.startswith("fashion-api: FASHION_PORT: ")


def test_unknown_setting_stops_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown FASHION_ name is an error that names it."""
    monkeypatch.setenv("FASHION_PROT", "1")
    seen: list[tuple[Settings, str]] = []
    assert run(["word"], app=make_app(seen)) == 1
    assert "FASHION_PROT" in capsys.readouterr().err
    assert seen == []
