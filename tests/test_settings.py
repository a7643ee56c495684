"""Settings from flags, from the environment and from .env."""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from fashion_api.errors import FlagError, SettingsError
from fashion_api.settings import Settings, TrainingSettings, load_settings


def test_environment_sets(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A FASHION_ variable sets its setting."""
    monkeypatch.setenv("FASHION_PORT", "8123")
    assert load_settings(Settings, env_file=env_file).port == 8123


def test_env_file_sets(env_file: Path) -> None:
    """A line of the .env file sets a setting."""
    env_file.write_text("FASHION_PORT=8124\nOTHER=1\n")
    assert load_settings(Settings, env_file=env_file).port == 8124


def test_flags_take_precedence_over_the_environment_and_that_over_env_file(
    monkeypatch: pytest.MonkeyPatch, env_file: Path
) -> None:
    """A flag takes precedence over the environment, and the environment over .env."""
    env_file.write_text("FASHION_PORT=1\nFASHION_WORKERS=2\n")
    monkeypatch.setenv("FASHION_PORT", "3")
    monkeypatch.setenv("FASHION_HOST", "0.0.0.0")  # noqa: S104  # only read
    settings = load_settings(Settings, env_file=env_file, overrides={"host": "::1"})
    assert (settings.workers, settings.port, settings.host) == (2, 3, "::1")


@pytest.mark.parametrize("value", ["a, b,c", '["a", "b", "c"]'], ids=["commas", "JSON"])
def test_list_may_be_written_in_two_ways(monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str) -> None:
    """A list is written with commas, or as JSON."""
    monkeypatch.setenv("FASHION_CLASS_NAMES", value)
    assert load_settings(Settings, env_file=env_file).class_names == ("a", "b", "c")


@pytest.mark.parametrize(("value", "teachers"), [("[]", ()), ("", None)], ids=["none", "unset"])
def test_empty_list_is_not_an_unset_one(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str, teachers: tuple[Path, ...] | None
) -> None:
    """`[]` is a list of none, where a variable set to nothing leaves the choice to the recipe."""
    monkeypatch.setenv("FASHION_TEACHERS", value)
    assert load_settings(TrainingSettings, env_file=env_file).teachers == teachers


def test_unknown_name_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A FASHION_ variable that is no setting is named, with the one that was probably meant."""
    monkeypatch.setenv("FASHION_PROT", "8000")
    with pytest.raises(SettingsError, match=r"FASHION_PROT in the environment; did you mean FASHION_PORT\?"):
        load_settings(Settings, env_file=env_file)


def test_unknown_name_in_the_env_file_is_refused(env_file: Path) -> None:
    """A name in the .env file that is no setting is an error that names the file."""
    env_file.write_text("FASHION_NOTHING_LIKE_IT=1\n")
    with pytest.raises(SettingsError, match=r"FASHION_NOTHING_LIKE_IT in .*\.env"):
        load_settings(Settings, env_file=env_file)


def test_training_settings_are_known_to_serving(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """One .env may hold the settings of both halves."""
    monkeypatch.setenv("FASHION_EPOCHS", "3")
    assert load_settings(Settings, env_file=env_file).port == 8000
    assert load_settings(TrainingSettings, env_file=env_file).epochs == 3


SERVICE_LINKS = {
    "FASHION_SERVICE_HOST": "10.0.0.11",
    "FASHION_SERVICE_PORT": "8000",
    "FASHION_SERVICE_PORT_HTTP": "8000",
    "FASHION_PORT": "tcp://10.0.0.11:8000",
    "FASHION_PORT_8000_TCP": "tcp://10.0.0.11:8000",
    "FASHION_PORT_8000_TCP_PROTO": "tcp",
    "FASHION_PORT_8000_TCP_PORT": "8000",
    "FASHION_PORT_8000_TCP_ADDR": "10.0.0.11",
}
"""What Kubernetes sets for a service called `fashion`."""


@pytest.mark.parametrize("service", ["FASHION", "FASHION_API", "FASHION_FASHION_API"])
def test_variables_of_an_orchestrator_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, service: str
) -> None:
    """A Kubernetes service whose name begins with `fashion` neither stops the start nor sets anything."""
    for name, value in SERVICE_LINKS.items():
        monkeypatch.setenv(name.replace("FASHION", service, 1), value)
    assert load_settings(Settings, env_file=env_file) == Settings(_env_file=None)


@pytest.mark.parametrize("link", ["udp://10.0.0.11:53", "tcp://[fd00::11]:8000"], ids=["UDP", "IPv6"])
def test_link_in_the_environment_does_not_hide_the_port_in_env_file(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, link: str
) -> None:
    """A FASHION_PORT that an orchestrator has made leaves the port to .env."""
    env_file.write_text("FASHION_PORT=8124\n")
    monkeypatch.setenv("FASHION_PORT", link)
    assert load_settings(Settings, env_file=env_file).port == 8124


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FASHION_PROT", "tcp://10.0.0.11:8000"),
        ("FASHION_SERVICE_HOST", "localhost"),
        ("FASHION_SERVICE_PORT", "http"),
        ("FASHION_SERVICE_NAME", "10.0.0.11"),
        ("FASHION_PORT_8000_TCP", "10.0.0.11:8000"),
        ("FASHION_PORT_TCP", "tcp://10.0.0.11:8000"),
        ("fashion_service_host", "10.0.0.11"),
    ],
)
def test_what_only_resembles_a_link_is_an_unknown_name(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, name: str, value: str
) -> None:
    """A variable with another name or another value than an orchestrator makes is refused as unknown."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"unknown setting {name}"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("value", ["tcp://fashion:8000", "http://10.0.0.11:8000", "10.0.0.11"])
def test_port_that_is_no_link_is_a_bad_value(monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str) -> None:
    """A FASHION_PORT that no orchestrator makes is refused."""
    monkeypatch.setenv("FASHION_PORT", value)
    with pytest.raises(SettingsError, match="FASHION_PORT: "):
        load_settings(Settings, env_file=env_file)


def test_link_in_the_env_file_is_refused(env_file: Path) -> None:
    """An orchestrator writes no .env file, so a link in it is a mistake."""
    env_file.write_text("FASHION_SERVICE_HOST=10.0.0.11\n")
    with pytest.raises(SettingsError, match="FASHION_SERVICE_HOST in "):
        load_settings(Settings, env_file=env_file)


BAD_VALUES = [
    ("port", "http", "must be a whole number, not 'http'"),
    ("model_poll_s", "often", "must be a number, not 'often'"),
    ("docs", "maybe", "must be true or false, not 'maybe'"),
    ("pixel_range", "0-1", "must be two finite numbers, the lower first, as in 0,1 or 0,255"),
    ("port", "65536", "less than or equal to 65535"),
    ("workers", "0", "greater than or equal to 1"),
    ("engine", "torch", "'onnx' or 'keras'"),
    ("request_timeout_s", "0", "greater than 0"),
    ("log_level", "loud", "'debug', 'info'"),
    ("class_names", "one", "at least 2 items"),
    ("class_names", "[1", "neither a JSON list nor values with commas between them"),
    ("class_names", "a,b,a", "names a class twice"),
    ("class_names", "a,caf\udce9", "must be UTF-8"),
    ("learning_rate", "-1", "greater than 0"),
    ("optimizer", "lion", "'adam', 'sgd'"),
    ("dropout_rates", "0.3,1.5", "less than 1"),
    ("root_path", "fashion", "must begin with / and not end with it"),
    ("root_path", "/fashion/", "must begin with / and not end with it"),
    ("trusted_proxies", "10.0.0.1,proxy", "'proxy' does not appear to be an IPv4 or IPv6 network"),
    ("trusted_proxies", "10.0.0.1/8", "has host bits set"),
]


@pytest.mark.parametrize(("field", "value", "reason"), BAD_VALUES)
def test_bad_value_in_the_environment_is_reported_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, field: str, value: str, reason: str
) -> None:
    """A value that a setting cannot have is refused, with the variable's name and the reason."""
    name = f"FASHION_{field.upper()}"
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^{name}(\[[01]\])?: .*{reason}") as caught:
        load_settings(TrainingSettings, env_file=env_file)
    assert not isinstance(caught.value, FlagError)


@pytest.mark.parametrize(("field", "value", "reason"), BAD_VALUES)
def test_bad_value_of_a_flag_is_reported_with_the_flag(env_file: Path, field: str, value: str, reason: str) -> None:
    """A bad value that a flag gives is refused, with the flag's name and the reason."""
    flag = "--" + field.replace("_", "-")
    with pytest.raises(FlagError, match=rf"^{flag}(\[[01]\])?: .*{reason}"):
        load_settings(TrainingSettings, env_file=env_file, overrides={field: value})


def test_bad_value_in_env_file_is_reported_with_the_file(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """It is said where the value stands; one in the environment wins."""
    env_file.write_text("fashion_port=http\n")
    with pytest.raises(SettingsError, match=rf"^FASHION_PORT in {env_file}: must be a whole number, not 'http'"):
        load_settings(Settings, env_file=env_file)
    monkeypatch.setenv("FASHION_PORT", "none")
    with pytest.raises(SettingsError, match=r"^FASHION_PORT: must be a whole number, not 'none'"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("10.0.0.1, fd00::/8", (IPv4Network("10.0.0.1/32"), IPv6Network("fd00::/8"))),
        ("[]", ()),
    ],
    ids=["address and network", "none"],
)
def test_trusted_proxies_are_addresses_or_networks(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str, networks: tuple[object, ...]
) -> None:
    """A trusted proxy is given by its address or its network."""
    monkeypatch.setenv("FASHION_TRUSTED_PROXIES", value)
    assert load_settings(Settings, env_file=env_file).trusted_proxies == networks


def test_limits_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A request may not hold more images than the queue."""
    monkeypatch.setenv("FASHION_MAX_QUEUE_SIZE", "10")
    with pytest.raises(SettingsError, match="could never be taken in"):
        load_settings(Settings, env_file=env_file)


def test_body_that_memory_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A body may not be larger than all bodies together."""
    monkeypatch.setenv("FASHION_MAX_BODY_MEMORY_BYTES", "2000")
    with pytest.raises(SettingsError, match="such a body could never be taken in"):
        load_settings(Settings, env_file=env_file)


def test_keys_are_not_shown(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """An API key does not appear where settings are printed."""
    monkeypatch.setenv("FASHION_API_KEYS", "hush")
    assert "hush" not in repr(load_settings(Settings, env_file=env_file))


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ",", " , ", "[]", '["good",""]', '["good"," "]', '["two words"]', '["über"]', '["line\\nbreak"]'),
        *('""', "''", '"good"', "good,''", '["good","\\"\\""]', "null", "{}", " None ", "[" * 5000),
    ],
    ids=[
        "empty",
        "blank",
        "comma",
        "commas",
        "empty list",
        "one empty",
        "one blank",
        "space",
        "not ASCII",
        "line break",
        "quotes",
        "single quotes",
        "in quotes",
        "one of quotes",
        "quotes in a list",
        "null",
        "object",
        "None",
        "deep list",
    ],
)
def test_keys_that_nobody_can_send_stop_the_start(monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str) -> None:
    """API keys that are set, but none or not all of which a header can hold, are an error that names the setting."""
    monkeypatch.setenv("FASHION_API_KEYS", value)
    with pytest.raises(SettingsError, match="FASHION_API_KEYS"):
        load_settings(Settings, env_file=env_file)


def test_message_about_keys_holds_no_key(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """The message about a bad list of keys does not show the keys."""
    monkeypatch.setenv("FASHION_API_KEYS", '["secret-one",""]')
    with pytest.raises(SettingsError) as caught:
        load_settings(Settings, env_file=env_file)
    assert "secret-one" not in str(caught.value)


@pytest.mark.parametrize("origin", ["https://shop.example/", "shop.example", "ftp://x", "https://a b", "https://*.x"])
def test_origin_that_no_browser_sends_is_an_error(monkeypatch: pytest.MonkeyPatch, env_file: Path, origin: str) -> None:
    """A CORS origin with a path, without a scheme or with a pattern is an error: it would never match."""
    monkeypatch.setenv("FASHION_CORS_ORIGINS", origin)
    with pytest.raises(SettingsError, match="FASHION_CORS_ORIGINS"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize(
    "path",
    [
        "models/served.h5",
        "./models/served.json",
        "models/../models/served.json",
        "link/served.json",
        "models/other.h5",
        "models/other.json",
        "models/README.md",
        "log.txt",
    ],
    ids=["model", "manifest", "dots", "linked folder", "other model", "its manifest", "card", "link to a manifest"],
)
def test_log_file_is_no_model(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_file: Path) -> None:
    """A log file in the place of a model, a manifest or a card is refused, whatever path leads there."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "other.h5").touch()
    (tmp_path / "link").symlink_to(models)
    (tmp_path / "log.txt").symlink_to(models / "other.json")
    monkeypatch.chdir(tmp_path)
    env_file.write_text(f"FASHION_MODEL_PATH=models/served.h5\nFASHION_LOG_FILE={path}\n")
    with pytest.raises(SettingsError, match=r"^FASHION_LOG_FILE: .* is a model, its manifest or its card"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("path", ["models/served.log", "logs/served.json"])
def test_log_file_may_have_the_name_of_a_model(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_file: Path
) -> None:
    """A log file beside a model, or of its name elsewhere, is accepted."""
    monkeypatch.chdir(tmp_path)
    env_file.write_text(f"FASHION_MODEL_PATH=models/served.h5\nFASHION_LOG_FILE={path}\n")
    assert load_settings(Settings, env_file=env_file).log_file == Path(path)


@pytest.mark.parametrize(
    ("overrides", "kind", "message"),
    [({"recipe": "x"}, FlagError, "^--recipe: no"), ({}, SettingsError, "^FASHION_RECIPE: no")],
    ids=["flag", "variable"],
)
def test_error_of_a_value_names_what_gave_it(
    overrides: dict[str, object], kind: type[SettingsError], message: str, env_file: Path
) -> None:
    """An error that is found when a setting is used names the flag that gave it, or else its variable."""
    error = load_settings(TrainingSettings, env_file=env_file, overrides=overrides).make_error("recipe", "no")
    assert (type(error), re.match(message, str(error)) is not None) == (kind, True)


def test_metrics_have_another_port(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """One port for both stops the start with a message that names the setting."""
    monkeypatch.setenv("FASHION_PORT", "9000")
    monkeypatch.setenv("FASHION_METRICS_PORT", "9000")
    with pytest.raises(SettingsError, match=r"^FASHION_METRICS_PORT: 9000 is FASHION_PORT"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("other", ["PORT", "METRICS_PORT"])
def test_grpc_has_another_port(other: str, monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """One port for gRPC and for anything else stops the start with a message that names the setting."""
    monkeypatch.setenv(f"FASHION_{other}", "9000")
    monkeypatch.setenv("FASHION_GRPC_PORT", "9000")
    with pytest.raises(SettingsError, match=r"^FASHION_GRPC_PORT: 9000 is another port's number"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("name", ["a/b", "a b", "a:b", "a?b", "a#b", "a%b", "a\tb", ".", "..", "stats"])
def test_served_name_can_stand_in_an_address(name: str, monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A name that an address cannot have in its place, or that leads elsewhere there, stops the start."""
    monkeypatch.setenv("FASHION_SERVED_NAME", name)
    with pytest.raises(SettingsError, match=r"^FASHION_SERVED_NAME: "):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("name", ["label", "class_id", "probability", "novelty", "accepted"])
def test_served_output_is_no_other_output(name: str, monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """The probabilities cannot have the name of another output."""
    monkeypatch.setenv("FASHION_SERVED_OUTPUT", name)
    with pytest.raises(SettingsError, match=f"^FASHION_SERVED_OUTPUT: {name} is the name of another output"):
        load_settings(Settings, env_file=env_file)


def test_served_input_is_no_picture(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """TensorFlow Serving's clients write `b64` before a picture file, and the input's name before a tensor."""
    monkeypatch.setenv("FASHION_SERVED_INPUT", "b64")
    with pytest.raises(SettingsError, match=r"^FASHION_SERVED_INPUT: b64 stands for a picture file"):
        load_settings(Settings, env_file=env_file)


def test_limit_without_a_limit_is_an_error(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """An infinite limit on images stops the start with a message that names the setting: unset, there is none."""
    monkeypatch.setenv("FASHION_RATE_LIMIT", "inf")
    with pytest.raises(SettingsError, match="FASHION_RATE_LIMIT"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("value", [".", "/", "./"])
def test_model_path_names_a_file(monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str) -> None:
    """A path without a name is refused."""
    monkeypatch.setenv("FASHION_MODEL_PATH", value)
    with pytest.raises(SettingsError, match=r"FASHION_MODEL_PATH: .* is a folder, and must be a file"):
        load_settings(Settings, env_file=env_file)
