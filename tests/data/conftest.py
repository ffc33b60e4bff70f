"""Tokenizers and renderers of the families of models."""

from collections.abc import Callable
from typing import Any

import pytest

from data.chat import ChatRenderer
from tests.data.families import KINDS, template_of


@pytest.fixture(scope="session")
def tokenizer_of(make_tokenizer: Callable[..., Any]) -> Callable[[str], Any]:
    return lambda name: make_tokenizer(template_of(name), KINDS[name].special, KINDS[name].eos)


@pytest.fixture(scope="session")
def renderer_of(tokenizer_of: Callable[[str], Any]) -> Callable[[str], ChatRenderer]:
    return lambda name: ChatRenderer(tokenizer_of(name))
