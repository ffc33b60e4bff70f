"""Tiny random models, made on the spot: real architectures, real files, no download."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data.wording import speak

# Tiny models gain nothing from threads, and threads of several processes only fight.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the commands have it

TEMPLATES = Path(__file__).parent / "data" / "templates"
CHATML = (TEMPLATES / "chatml.jinja").read_text(encoding="utf-8")
LLAMA2 = (TEMPLATES / "llama-2-chat.jinja").read_text(encoding="utf-8")
# SmolLM2's form: without a system message the template brings one of its own.
PERSONA = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are Tiny.<|im_end|>\n' }}{% endif %}" + CHATML
)
CORPUS = [
    "患者：我最近失眠多梦。医生：这多属心脾两虚。",
    "Right then. Check the chain, then ride safe.",
]


def pytest_sessionstart() -> None:
    speak("en")  # for what is made once for many tests


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are no text are named by their argument: packed ones hold the second of packing,
    and two processes that collect must find the same names."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(autouse=True)
def english() -> None:
    """Whatever a test before this one has spoken."""
    speak("en")


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama3": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        }
    },
    "llama-linear": {
        "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    },
    "llama-yarn": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 16.0,
            "original_max_position_embeddings": 32,
        }
    },
    "llama-biased": {"attention_bias": True, "mlp_bias": True},
    "mistral": {"sliding_window": None},
    "mistral-window": {"sliding_window": 20},
    "qwen2": {},
    "qwen2-window": {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 1},
    "qwen3": {"head_dim": 32},
    # Ours to convert for llama.cpp, and not the torch engine's.
    "gemma": {"head_dim": 16, "hidden_activation": "gelu_pytorch_tanh"},
    "gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 32},
    "gemma3_text": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 32},
    # A vLLM server's alone: q, k and v are one layer, say, or attention stands beside the rest.
    "phi3": {"pad_token_id": 0, "sliding_window": None},
    "phi": {},
    "glm": {"pad_token_id": 0, "head_dim": 16},
}

MakeBase = Callable[..., Path]
MakeOnce = Callable[[str, Callable[[Path], object]], Path]
MakeAdapter = Callable[..., Path]


def build_tokenizer(
    template: str = CHATML,
    special: tuple[Any, ...] = ("<s>", "</s>", "<|im_start|>", "<|im_end|>"),
    end: str | None = None,
) -> Any:
    """The first special token is the BOS; `end` is the EOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[0],
        eos_token=end or ("</s>" if template == LLAMA2 else "<|im_end|>"),
        additional_special_tokens=list(special),
        chat_template=template,
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: several processes that share the tests end together."""
    longest = ("test_end_to_end.py", "test_scheduler_machine.py", "test_forward.py", "test_nf4.py")
    items.sort(key=lambda item: item.path.name not in longest)


def pytest_unconfigure() -> None:
    """llama-cpp-python leaves two files open, and warnings are errors here."""
    if module := sys.modules.get("llama_cpp._utils"):
        for name in ("outnull_file", "errnull_file"):
            getattr(module, name).close()


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Have something made in a folder by the first of the processes that share the tests; the
    others wait for it."""
    from filelock import FileLock

    is_shared = "PYTEST_XDIST_WORKER" in os.environ
    root = tmp_path_factory.getbasetemp()
    root = root.parent if is_shared else root

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / f"once-{name}", root / f"once-{name}.done"
        with FileLock(root / f"once-{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def default_home(make_once: MakeOnce) -> Path:
    """A home that has the default base: it is converted once for all tests."""
    from finetune.bases.base import find_base
    from finetune.defaults import DEFAULT_BASE

    return make_once("home", lambda home: find_base(DEFAULT_BASE, home))


@pytest.fixture(scope="module")
def all_cores() -> Generator[None]:
    """Let torch compute with every core: a real base is worth it."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    return {"chatml": CHATML, "llama2": LLAMA2, "persona": PERSONA}


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., Any]:
    """A real byte-level BPE tokenizer with a chat template, of the special tokens given."""
    return cache(build_tokenizer)


@pytest.fixture(scope="session")
def make_base(tmp_path_factory: pytest.TempPathFactory) -> MakeBase:
    """Make a tiny random base of a family; the same arguments give the same folder."""
    made: dict[tuple[Any, ...], Path] = {}

    def make(
        family: str = "llama", template: str = CHATML, *, tied: bool = False, seed: int = 0
    ) -> Path:
        key = (family, template, tied, seed)
        if key not in made:
            made[key] = _write_base(
                tmp_path_factory.mktemp("base") / f"tiny-{family}", family, template, tied, seed
            )
        return made[key]

    return make


def _write_base(folder: Path, family: str, template: str, tied: bool, seed: int) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = build_tokenizer(template)
    model_type = "llama" if family == "llama3" else family.split("-")[0]
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **FAMILIES[family],
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, parameter in model.named_parameters():  # norms and biases are no ones and zeros
        if "norm" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_adapter() -> MakeAdapter:
    """Write a random adapter for a base as PEFT saves it."""

    def make(base: Path, folder: Path, *, seed: int = 1, std: float = 0.1, **options: Any) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(base)
        settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
        peft_model = get_peft_model(
            model, LoraConfig(task_type="CAUSAL_LM", **{**settings, **options})
        )
        torch.manual_seed(seed)
        for name, parameter in peft_model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=std)
        peft_model.save_pretrained(str(folder), save_embedding_layers=False)
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = base.name
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder

    return make
