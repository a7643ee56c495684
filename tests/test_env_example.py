"""`.env.example` and the settings agree."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from fashion_api.settings import ENV_PREFIX, TrainingSettings, load_settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"
SETTING = f"# {ENV_PREFIX}"


def write_default(name: str) -> str:
    """Write a default as in the environment; nothing for one that depends on the machine."""
    field = TrainingSettings.model_fields[name]
    if field.default is None or field.default_factory is not None:
        return ""
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return ",".join(map(str, field.default)) if isinstance(field.default, tuple) else str(field.default)


def uncomment(text: str) -> str:
    lines = (line.removeprefix("# ") if line.startswith(SETTING) else line for line in text.splitlines())
    return "\n".join(lines)


@pytest.mark.parametrize("name", TrainingSettings.model_fields)
def test_every_setting_is_listed_with_its_description_and_default(name: str) -> None:
    """Each setting is listed with its description and its default."""
    description = TrainingSettings.model_fields[name].description
    assert f"\n# {description}\n{SETTING}{name.upper()}={write_default(name)}\n" in EXAMPLE.read_text()


def test_nothing_else_is_listed() -> None:
    """The example has each setting once, in the order of the settings class, and no name that is unknown."""
    lines = EXAMPLE.read_text().splitlines()
    listed = [line.removeprefix(SETTING).split("=")[0].lower() for line in lines if line.startswith(SETTING)]
    assert listed == list(TrainingSettings.model_fields)


def test_a_copy_sets_nothing() -> None:
    """Copied to .env as it is, the example leaves everything to the defaults of the version that reads it."""
    assert dotenv_values(EXAMPLE) == {}


def test_uncommented_it_gives_the_defaults(tmp_path: Path) -> None:
    """Every value in the example is read back, and as the default; no keys are set, as empty ones stop the start."""
    env_file = tmp_path / ".env"
    env_file.write_text(uncomment(EXAMPLE.read_text()).replace("FASHION_API_KEYS=\n", ""))
    assert load_settings(TrainingSettings, env_file=env_file) == TrainingSettings(_env_file=None)
