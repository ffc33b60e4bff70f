"""The weights' header: sound files are listed, everything else is refused by name."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.header import read_shapes
from finetune.errors import AdapterInvalid

WHOLE = save({"a": np.zeros(3, np.float32), "b": np.ones(2, np.uint8)}, {"format": "pt"})


def framed(header: object) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


def test_a_sound_files_tensors_are_named_with_their_shapes(tmp_path: Path):
    (tmp_path / WEIGHTS_FILE).write_bytes(WHOLE)
    assert read_shapes(tmp_path / WEIGHTS_FILE) == {"a": (3,), "b": (2,)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        WHOLE[:-1],
        WHOLE[:40],
        WHOLE + b"more",
        pickle.dumps({"a": 1}),
        b"\xff" * 100,
        framed([1, 2]),
        framed({"a": 5}),
        framed({"a": {}}),
        framed({"a": {"data_offsets": [0]}}),
        framed({"a": {"data_offsets": [0, "x"]}}),
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
    ],
)
def test_everything_else_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(AdapterInvalid, match=WEIGHTS_FILE):
        read_shapes(tmp_path / WEIGHTS_FILE)


def test_a_pointer_of_git_lfs_is_told_from_a_damaged_file(tmp_path: Path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18494640\n"
    (tmp_path / WEIGHTS_FILE).write_text(pointer)
    with pytest.raises(AdapterInvalid, match="pointer of Git LFS, not the file: get it with"):
        read_shapes(tmp_path / WEIGHTS_FILE)
