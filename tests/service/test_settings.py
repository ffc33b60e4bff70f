from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import ServiceSettings


def test_service_listens_on_this_machine_alone_by_default():
    assert ServiceSettings().host == "127.0.0.1"


def test_misspelt_setting_is_an_error():
    with pytest.raises(ValidationError, match="prot"):
        ServiceSettings.model_validate({"prot": 80})


def test_settings_made_in_code_do_not_read_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LORA_CHAT_PORT", "1")
    assert ServiceSettings().port == 8000


def test_paths_are_whole_whoever_gives_them():
    assert ServiceSettings().home == Path.home() / ".lora-chat"
    assert ServiceSettings(home=Path("~/x")).home == Path.home() / "x"
    assert ServiceSettings(lora_folders=(Path("x"),)).lora_folders == (Path.cwd() / "x",)


def test_a_vllm_server_has_its_own_precision():
    with pytest.raises(ValidationError, match="dtype"):
        ServiceSettings(engine="vllm", vllm=("http://a:8000",), precision="int8")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1])
def test_a_deadline_is_a_time_that_comes(value: float):
    with pytest.raises(ValidationError, match="deadline"):
        ServiceSettings(deadline=value)
