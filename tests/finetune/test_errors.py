"""What errors carry, and by which name they are told."""

from pathlib import Path

import pytest

from finetune.errors import AdapterInvalid, BaseMismatch

FOLDER = Path("home") / "adapters" / "tcm" / "1"


@pytest.mark.parametrize(
    ("error", "in_the_terminal", "to_clients"),
    [
        (
            BaseMismatch("was trained on 'a', not on 'b'.", FOLDER),
            f"The adapter {FOLDER} was trained on 'a', not on 'b'.",
            "The adapter tcm was trained on 'a', not on 'b'.",
        ),
        (
            AdapterInvalid.in_file(FOLDER / "adapter_config.json", "is damaged."),
            f"{FOLDER / 'adapter_config.json'} is damaged.",
            "tcm/adapter_config.json is damaged.",
        ),
        (
            AdapterInvalid("'a:b' cannot be an adapter's name."),
            "'a:b' cannot be an adapter's name.",
            "'a:b' cannot be an adapter's name.",
        ),
    ],
)
def test_an_adapter_is_called_what_whoever_shows_the_error_calls_it(
    error: AdapterInvalid | BaseMismatch, in_the_terminal: str, to_clients: str
):
    assert (str(error), error.told("tcm")) == (in_the_terminal, to_clients)
