"""What is exported for Ollama: a folder that needs nothing else of this machine."""

from pathlib import Path
from typing import Any

import pytest

from finetune.adapters.versions import find_version
from finetune.export.gguf import ADAPTER_FILE, MODELFILE, GgufExport
from tests.gguf_files import write_gguf


@pytest.fixture(params=["file", "folder"])
def base(request: pytest.FixtureRequest, make_base: Any, tmp_path: Path) -> Path:
    """A base as one GGUF file, and as a Hugging Face folder."""
    folder = make_base("llama")
    return folder if request.param == "folder" else write_gguf(folder, tmp_path / "tiny.gguf")


def test_it_has_adapter_base_and_a_recipe_that_names_both_where_they_are(
    base: Path, make_base: Any, make_adapter: Any, tmp_path: Path
):
    make_adapter(make_base("llama"), tmp_path / "adapters" / "style" / "1")
    out = tmp_path / "out"
    GgufExport.prepare(find_version(tmp_path / "adapters", "style"), str(base), tmp_path).ollama(
        out
    )
    recipe = (out / MODELFILE).read_text(encoding="utf-8")
    first, *rest = (line for line in recipe.splitlines() if not line.startswith("#"))
    assert rest[0] == f"ADAPTER ./{ADAPTER_FILE}"
    assert 'PARAMETER stop "<|im_end|>"' in rest
    assert (out / ADAPTER_FILE).is_file()
    source = out / first.removeprefix("FROM ./")
    assert source.parent == out
    files = [path.relative_to(base) for path in base.rglob("*")] if base.is_dir() else [Path()]
    assert all((source / path).read_bytes() == (base / path).read_bytes() for path in files)
    assert str(tmp_path) not in recipe + (out / "README.md").read_text(encoding="utf-8")
