"""Settings from the command line, the environment and a file, and what is wrong with them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from finetune.errors import ConfigError
from service.configuration import Resolved, dump_settings, resolve_settings
from service.settings import ServiceSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LORA_CHAT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(text: str, name: str = "settings.yaml") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write_file


def faults_of(*arguments: object, **named: object) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve_settings(*arguments, **named)  # pyright: ignore[reportArgumentType] - as given
    return str(caught.value)


def reread(resolved: Resolved, write: Callable[..., Path]) -> ServiceSettings:
    return resolve_settings({}, config=write(dump_settings(resolved), "again.yaml")).settings


def test_the_command_line_wins_over_environment_file_and_default(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    path = write("port: 1\nmax_batch: 2\nmax_waiting: 3\ngrace: 4\n")
    for name in ("PORT", "MAX_BATCH", "MAX_WAITING"):
        monkeypatch.setenv(f"LORA_CHAT_{name}", "20")
    resolved = resolve_settings({"port": 300, "host": None}, ["max_batch=40"], path)
    settings = resolved.settings
    assert (settings.port, settings.max_batch) == (300, 40)
    assert (settings.max_waiting, settings.grace) == (20, 4)
    assert settings.host == "127.0.0.1"
    assert dict(resolved.origins) == {
        "port": "option",
        "max_batch": "--set",
        "max_waiting": "environment",
        "home": "environment",
        "grace": str(path),
    }


def test_the_file_below_home_is_read_by_itself(write: Callable[..., Path], home: Path):
    write("port: 8123\n", "serve.yaml")
    assert resolve_settings({}).settings.port == 8123
    assert resolve_settings({"home": home / "elsewhere"}).settings.port == 8000
    assert resolve_settings({}, config=write("grace: 1\n")).settings.port == 8000


def test_all_faults_of_all_sources_are_told_at_once(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LORA_CHAT_PROT", "80")
    monkeypatch.setenv("LORA_CHAT_GRACE", "soon")
    path = write("max_bach: 4\nport: 1\nport: 2\nkeep_alive: 0\n")
    told = faults_of({"log_level": "loud"}, ["corsorigins=a", "port"], path)
    for fault in (
        "LORA_CHAT_PROT: unknown key; did you mean 'LORA_CHAT_PORT'?",
        "max_bach: unknown key; did you mean 'max_batch'?",
        "corsorigins: unknown key; did you mean 'cors_origins'?",
        "port: set 2 times",
        "--set 'port' is not key=value",
        "(found 'soon', environment)",
        f"(found 0, {path})",
        "log_level: should be 'debug', 'info', 'warning' or 'error'",
    ):
        assert fault in told


def test_a_file_that_is_not_there_or_no_yaml_is_an_error(write: Callable[..., Path], home: Path):
    assert "there is no such file" in faults_of({}, config=home / "none.yaml")
    assert "cannot be read as YAML" in faults_of({}, config=write("port: [1"))
    assert "holds no 'key: value' lines" in faults_of({}, config=write("- port\n"))


def test_the_file_below_home_cannot_move_home(write: Callable[..., Path]):
    write("home: /elsewhere\n", "serve.yaml")
    assert "home: " in faults_of({})


def test_a_certificate_without_its_key_is_an_error():
    assert "give both or none" in faults_of({"tls_key": "key.pem"})


def test_lists_are_written_with_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LORA_CHAT_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("LORA_CHAT_LORA_FOLDERS", "/srv/医院")
    settings = resolve_settings({}).settings
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.lora_folders == (Path("/srv/医院"),)


def test_sizes_may_have_units(write: Callable[..., Path]):
    settings = resolve_settings(
        {}, config=write("body_limit: 2MiB\nupload_limit: 1 GiB\n")
    ).settings
    assert (settings.body_limit, settings.upload_limit) == (2 << 20, 1 << 30)


@pytest.mark.parametrize("word", ["on", "off", "exclusive"])
def test_jobs_are_turned_on_and_off_in_words_that_yaml_takes_for_others(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, word: str
):
    from_file = resolve_settings({}, config=write(f"jobs: {word}\n"))
    from_assignment = resolve_settings({}, [f"jobs={word}"])
    monkeypatch.setenv("LORA_CHAT_JOBS", word)
    for found in (
        from_file,
        from_assignment,
        resolve_settings({}),
        resolve_settings({"jobs": word}),
    ):
        assert found.settings.jobs == word
        assert reread(found, write).jobs == word


def test_what_is_printed_is_a_file_that_gives_the_same_settings(write: Callable[..., Path]):
    options = {"lora_folders": ["/srv/医院"], "base": "yes", "cors_origins": ["https://a, b"]}
    resolved = resolve_settings(options)
    assert reread(resolved, write) == resolved.settings
    assert reread(resolve_settings({}), write) == resolve_settings({}).settings


def test_what_is_printed_says_where_each_value_comes_from(write: Callable[..., Path], home: Path):
    write("grace: 3\n", "serve.yaml")
    printed = dump_settings(resolve_settings({"port": 1})).splitlines()
    assert "port: 1  # option" in printed
    assert f"grace: 3.0  # {home / 'serve.yaml'}" in printed
    assert "max_batch: 16  # default" in printed
    assert f"home: {home}  # environment" in printed
    assert {line.partition(":")[0] for line in printed} == set(ServiceSettings.model_fields)


def test_what_is_printed_below_home_may_be_kept_there(write: Callable[..., Path]):
    write(dump_settings(resolve_settings({"port": 5})), "serve.yaml")
    assert resolve_settings({}).settings.port == 5


def test_a_databases_password_is_not_printed():
    printed = dump_settings(resolve_settings({"database": "postgresql://me:secret@db/x"}))
    assert "secret" not in printed
    assert yaml.safe_load(printed)["database"] == "postgresql://me:***@db/x"


def test_a_vllm_servers_key_is_not_printed():
    options = {"engine": "vllm", "vllm": "http://127.0.0.1:8001", "vllm_key": "secret"}
    assert "secret" not in dump_settings(resolve_settings(options))
    with pytest.raises(ConfigError, match="vllm"):
        resolve_settings(options | {"vllm": "http://me:secret@gpu:8001"})


def test_the_example_configuration_holds_the_defaults():
    settings = resolve_settings({}, config=ROOT / "configs" / "serve.yaml").settings
    assert settings == resolve_settings({}).settings


def test_the_example_configuration_names_every_setting():
    text = (ROOT / "configs" / "serve.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:# )?(\w+): ", text, flags=re.MULTILINE))
    assert named >= ServiceSettings.model_fields.keys() - {"home", "insecure"}
