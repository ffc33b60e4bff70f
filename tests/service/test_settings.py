import pytest
from pydantic import ValidationError

from service.settings import ServiceSettings


def test_service_listens_on_this_machine_alone_by_default():
    assert ServiceSettings().host == "127.0.0.1"


def test_misspelt_setting_is_an_error():
    with pytest.raises(ValidationError, match="prot"):
        ServiceSettings.model_validate({"prot": 80})
