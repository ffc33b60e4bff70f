"""Adapters for the fake."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from serving.engine import AdapterRef
from tests.serving.vllm.asking import make_ref_in


@pytest.fixture
def make_ref(tmp_path: Path) -> Callable[..., AdapterRef]:
    return partial(make_ref_in, tmp_path)
