"""Ways to say how alike questions are: the near-duplicate library's, ours, the base model's."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from data.likeness import NUM_PERMUTATIONS, SEED, normalized
from data.topics import features_of, similarities, weighted

Way = Callable[[Sequence[str]], Any]  # questions to the similarity of each pair
OURS = "words and their pieces, by tf-idf"


def ways(home: Path) -> Mapping[str, Way]:
    return {
        OURS: by_words,
        "near duplicates: MinHash of three characters": partial(by_min_hash, group=3),
        "near duplicates: MinHash of two characters": partial(by_min_hash, group=2),
        "the base's input embeddings": partial(by_base, home=home, is_deep=False),
        "the base's last hidden state": partial(by_base, home=home, is_deep=True),
    }


def by_words(questions: Sequence[str]) -> Any:
    return similarities(weighted([features_of(each) for each in questions]))


def by_min_hash(questions: Sequence[str], group: int) -> Any:
    """What `data/likeness` finds near duplicates by (rensa), for short texts too."""
    import numpy as np

    rensa: Any = import_module("rensa")  # without types
    texts = [normalized(each) for each in questions]
    pieces = [
        [text[at : at + group] for at in range(max(1, len(text) - group + 1))] for text in texts
    ]
    hashes = np.array([_hash(piece) for each in pieces for piece in each], np.uint64)
    rows = np.cumsum([0, *map(len, pieces)]).astype(np.uint64)
    digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, rows, NUM_PERMUTATIONS, SEED
    )
    signatures = np.array(digests.to_rows(), np.uint32)
    return (signatures[:, None] == signatures[None]).mean(axis=2).astype(np.float32)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def by_base(questions: Sequence[str], home: Path, is_deep: bool) -> Any:
    """The cosine of means over tokens, less what all questions have in common."""
    import numpy as np
    import torch

    from finetune.bases.base import find_base
    from finetune.bases.whole_model import load_whole
    from finetune.defaults import DEFAULT_BASE

    base = find_base(DEFAULT_BASE, home)
    model = load_whole(base.folder, dtype=torch.float32).eval()
    means: list[Any] = []
    with torch.inference_mode():
        for question in questions:
            tokens = torch.tensor([base.tokenizer(question, add_special_tokens=False)["input_ids"]])
            states = (
                model.model(input_ids=tokens).last_hidden_state
                if is_deep
                else model.get_input_embeddings()(tokens)
            )
            means.append(states[0].mean(0).numpy())
    vectors = np.array(means) - np.mean(means, axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors @ vectors.T).astype(np.float32)
