"""Adapters in other forms than PEFT writes today: what a folder holds, and in which files."""

import re
from pathlib import Path

from data.wording import N_, _
from finetune.errors import AdapterInvalid

from .files import CONFIG_FILE, PICKLED_FILE, WEIGHTS_FILE

MLX_FILE = "adapters.safetensors"
PART = re.compile(r"adapter_model-(\d{5})-of-(\d{5})\.(safetensors|bin)")
TRAINER_FILES = frozenset({"trainer_state.json", "training_args.bin"})
CHECKPOINT = re.compile(r"checkpoint-(\d+)")
MODEL = re.compile(r"(model|pytorch_model)(-\d{5}-of-\d{5})?\.(safetensors|bin)")
CONVERTS = N_("`lora-chat adapters import` makes an adapter of it.")


def other_form(folder: Path) -> str | None:
    """What a folder without `adapter_model.safetensors` holds; None: nothing that is known here."""
    names = _names(folder)
    if PICKLED_FILE in names:
        told = _("it is an older PEFT adapter, in {file}. {advice}")
        return told.format(file=PICKLED_FILE, advice=_(CONVERTS))
    if parts := [name for name in names if PART.fullmatch(name)]:
        told = _("it is an adapter in parts, {file} and so on. {advice}")
        return told.format(file=parts[0], advice=_(CONVERTS))
    if found := checkpoints(folder):
        told = _("it holds checkpoints of a training, {names}. {advice}")
        return told.format(names=", ".join(path.name for path in found), advice=_(CONVERTS))
    if MLX_FILE in names:
        told = _("it is MLX's, in {file}, whose tensors are others. Convert it to PEFT's form.")
        return told.format(file=MLX_FILE)
    if "config.json" in names and any(MODEL.fullmatch(name) for name in names):
        return _("it is a whole model, and no adapter. Serve it with --base.")
    if TRAINER_FILES & set(names):
        return _(
            "it is a training's folder, and nothing in it is an adapter. Give the one it saved."
        )
    return None


def no_weights(folder: Path) -> AdapterInvalid:
    known = other_form(folder) or _("it is not a PEFT adapter folder")
    told = _("holds no {file}: {known}").format(file=WEIGHTS_FILE, known=known)
    return AdapterInvalid(told, folder)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold an adapter's weights, whatever their form; empty where there are none.

    Raises AdapterInvalid where a part is missing.
    """
    names = _names(folder)
    parts = [match for name in names if (match := PART.fullmatch(name))]
    parts.sort(key=lambda match: match[3] != "safetensors")
    for name in (WEIGHTS_FILE, PICKLED_FILE):
        if name in names and not (parts and name == PICKLED_FILE):
            return [folder / name]
    if not parts:
        return []
    count, suffix = parts[0][2], parts[0][3]
    wanted = [f"adapter_model-{n:05}-of-{count}.{suffix}" for n in range(1, int(count) + 1)]
    if missing := [name for name in wanted if name not in names]:
        told = _("lacks {names}, a part of it. Copy the whole folder again.")
        raise AdapterInvalid(told.format(names=", ".join(missing[:3])), folder)
    return [folder / name for name in wanted]


def checkpoints(folder: Path) -> list[Path]:
    """A training's checkpoints that hold adapters, the last one last."""
    steps = {
        int(match[1]): folder / name
        for name in _names(folder)
        if (match := CHECKPOINT.fullmatch(name))
    }
    return [path for _step, path in sorted(steps.items()) if _holds_adapter(path)]


def _holds_adapter(folder: Path) -> bool:
    names = _names(folder)
    files = {WEIGHTS_FILE, PICKLED_FILE}
    return CONFIG_FILE in names and any(name in files or PART.fullmatch(name) for name in names)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:  # there is none, or it may not be read
        return []
