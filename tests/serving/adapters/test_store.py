import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from finetune.adapters.card import AdapterCard, BaseIdentity, DataSummary
from finetune.adapters.files import CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from finetune.adapters.versions import promote
from finetune.bases.fingerprint import Fingerprint
from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore
from serving.errors import AdapterGone, AdapterRefused, BlendError, ModelNotFound

BASE = Fingerprint(shape={"hidden_size": 8}, vocabulary="v", norms=(1.0,))
OTHER = Fingerprint(shape={"hidden_size": 16}, vocabulary="v", norms=(1.0,))


def as_weights(content: bytes) -> bytes:
    return save({"it": np.frombuffer(content, np.uint8)})


def write_peft(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    (folder / WEIGHTS_FILE).write_bytes(as_weights(weights))
    return folder


def write_card(folder: Path, base: Fingerprint = BASE) -> AdapterCard:
    data = DataSummary(source="x", sha256="", num_conversations=1, num_trained=1, num_held_out=0)
    card = AdapterCard(
        name=folder.parent.name,
        base=BaseIdentity(id="base", fingerprint=base),
        chat_template_sha256="",
        data=data,
        created=datetime(2025, 1, 1, tzinfo=UTC),
    )
    return card.write(folder)


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "adapters", BASE)


def test_store_of_a_new_home_is_empty(store: AdapterStore):
    assert store.names() == []
    assert store.entries() == []


def test_name_means_the_newest_version_until_another_is_promoted(store: AdapterStore):
    for version in ("2", "10"):
        write_peft(store.adapters / "tcm" / version)
    assert store.entry(Part("tcm")).number == "10"
    promote(store.adapters, "tcm", "2")
    assert store.entry(Part("tcm")).number == "2"
    assert store.entry(Part("tcm", "10")).number == "10"


def test_bare_peft_folder_is_a_name_with_one_version(store: AdapterStore):
    folder = write_peft(store.adapters / "tcm")
    entry = store.entry(Part("tcm", "1"))
    assert (entry.number, entry.folder) == ("1", folder)
    assert (entry.card, entry.template) == (None, None)
    assert entry.created == int((folder / WEIGHTS_FILE).stat().st_mtime)


def test_version_comes_with_its_card_and_template(store: AdapterStore):
    folder = write_peft(store.adapters / "tcm" / "1")
    (folder / TEMPLATE_FILE).write_text("{{ messages }}", encoding="utf-8")
    card = write_card(folder)
    entry = store.entry(Part("tcm"))
    assert (entry.card, entry.template) == (card, "{{ messages }}")
    assert entry.created == int(card.created.timestamp())


def test_hash_follows_the_weights(store: AdapterStore):
    folder = write_peft(store.adapters / "tcm" / "1")
    before = store.pin(store.entry(Part("tcm"))).sha256
    write_peft(store.adapters / "copy" / "1")
    assert store.pin(store.entry(Part("copy"))).sha256 == before
    (folder / WEIGHTS_FILE).write_bytes(as_weights(b"other weights"))
    assert store.pin(store.entry(Part("tcm"))).sha256 != before


def test_an_adapter_replaced_since_it_was_pinned_is_not_confirmed(store: AdapterStore):
    folder = write_peft(store.adapters / "tcm" / "1")
    ref = store.pin(store.entry(Part("tcm")))
    store.confirm(ref)
    (folder / WEIGHTS_FILE).write_bytes(b"other weights")
    with pytest.raises(AdapterRefused, match="tcm@1 was replaced while it was loaded"):
        store.confirm(ref)
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(AdapterGone):
        store.confirm(ref)


@pytest.mark.parametrize("part", [Part("nobody"), Part("tcm", "2"), Part("tcm", "..")])
def test_unknown_name_or_version_is_not_found_and_says_what_is_there(
    store: AdapterStore, part: Part
):
    write_peft(store.adapters / "tcm" / "1")
    with pytest.raises(ModelNotFound, match="Adapters here: tcm"):
        store.entry(part)


def test_blend_keeps_order_and_scales(store: AdapterStore):
    for name in ("tcm", "style"):
        write_peft(store.adapters / name / "1", name.encode())
    entries, blend = store.resolve("style:0.3+tcm:0.7")
    assert [store.pin(entry) for entry in entries] == [ref for ref, _ in blend]
    assert [(str(ref), scale) for ref, scale in blend] == [("style@1", 0.3), ("tcm@1", 0.7)]


def test_resolve_tells_an_unknown_name_from_a_wrong_blend(store: AdapterStore):
    with pytest.raises(ModelNotFound):
        store.resolve("some/model")
    with pytest.raises(BlendError):
        store.resolve("tcm+")


def damage_config(folder: Path) -> None:
    (folder / CONFIG_FILE).write_text("{")


def damage_card(folder: Path) -> None:
    (folder / "lora-chat.json").write_text("{}")


def damage_template(folder: Path) -> None:
    (folder / TEMPLATE_FILE).write_bytes(b"\xff")


def use_dora(folder: Path) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps(config | {"use_dora": True}))


def train_on_another_base(folder: Path) -> None:
    write_card(folder, OTHER)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage_config, r"^bad@1.adapter_config\.json is damaged: "),
        (damage_card, r"^bad@1.lora-chat\.json is damaged: "),
        (damage_template, r"^bad@1.chat_template\.jinja is no text in UTF-8\."),
        (use_dora, r"^The adapter bad@1 cannot share .*DoRA"),
        (train_on_another_base, r"^The adapter bad@1 was trained .*hidden_size is 8, not 16"),
    ],
)
def test_bad_adapter_is_refused_and_left_out_of_the_list(
    store: AdapterStore, harm: Callable[[Path], None], message: str
):
    write_peft(store.adapters / "good" / "1")
    harm(write_peft(store.adapters / "bad" / "1"))
    for _ in range(2):  # the second time from memory
        with pytest.raises(AdapterRefused, match=message):
            store.entry(Part("bad"))
    assert [entry.name for entry in store.entries()] == ["good"]


def cut_short(folder: Path) -> None:
    weights = folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1])


def test_folder_that_is_damaged_deleted_or_replaced_is_seen_at_once(store: AdapterStore):
    folder = write_peft(store.adapters / "tcm" / "1")
    assert store.entry(Part("tcm")).number == "1"
    cut_short(folder)
    with pytest.raises(AdapterRefused, match="not copied whole"):
        store.entry(Part("tcm"))
    (folder / WEIGHTS_FILE).write_bytes(as_weights(b"new"))
    assert store.entry(Part("tcm")).num_bytes == len(as_weights(b"new"))
    shutil.rmtree(folder)
    with pytest.raises(ModelNotFound):
        store.entry(Part("tcm"))


def test_damage_is_logged_once_and_again_after_it_was_mended(
    store: AdapterStore, caplog: pytest.LogCaptureFixture
):
    folder = write_peft(store.adapters / "tcm" / "1")
    for _ in range(2):
        cut_short(folder)
        assert store.entries() == []
        assert store.entries() == []
        (folder / WEIGHTS_FILE).write_bytes(as_weights(b"mended"))
        assert [entry.name for entry in store.entries()] == ["tcm"]
    assert [record.message[:24] for record in caplog.records] == ["The adapter tcm is not l"] * 2


@pytest.mark.parametrize("linked", [".", CONFIG_FILE, WEIGHTS_FILE, TEMPLATE_FILE])
def test_links_that_lead_outside_are_refused(store: AdapterStore, tmp_path: Path, linked: str):
    outside = write_peft(tmp_path / "outside")
    (outside / TEMPLATE_FILE).write_text("secret")
    folder = store.adapters / "tcm"
    if linked == ".":
        store.adapters.mkdir()
        folder.symlink_to(outside)
    else:
        write_peft(folder)
        (folder / linked).unlink(missing_ok=True)
        (folder / linked).symlink_to(outside / linked)
    with pytest.raises(AdapterRefused, match="leads out") as caught:
        store.entry(Part("tcm"))
    assert str(tmp_path) not in str(caught.value)


def test_a_runs_checkpoint_is_read_where_it_lies_and_by_its_own_name(
    store: AdapterStore, tmp_path: Path
):
    folder = write_peft(tmp_path / "runs" / "job" / "served" / "step-4")
    write_card(folder)
    entry = store.read("tcm", "job:ckpt-step-4", folder)
    assert (str(entry), str(store.pin(entry))) == ("tcm@job:ckpt-step-4",) * 2
    assert (store.names(), store.entries()) == ([], [])
    write_card(folder, OTHER)
    with pytest.raises(AdapterRefused, match="tcm@job:ckpt-step-4 was trained on"):
        store.read("tcm", "job:ckpt-step-4", folder)


@pytest.mark.parametrize("elsewhere", ["adapters/tcm/1", "outside"])
def test_a_checkpoint_may_not_lie_elsewhere_than_below_runs(
    store: AdapterStore, tmp_path: Path, elsewhere: str
):
    outside = write_peft(tmp_path / elsewhere)
    folder = tmp_path / "runs" / "job" / "served" / "step-4"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(outside)
    with pytest.raises(AdapterRefused, match="leads out of runs"):
        store.read("tcm", "job:ckpt-step-4", folder)


def test_an_adapter_may_not_lie_below_runs(store: AdapterStore, tmp_path: Path):
    store.adapters.mkdir()
    (store.adapters / "tcm").symlink_to(write_peft(tmp_path / "runs" / "job"))
    with pytest.raises(AdapterRefused, match="leads out of adapters"):
        store.entry(Part("tcm"))


def test_withdrawn_name_is_not_found_until_it_is_readmitted(store: AdapterStore):
    for version in ("1", "2"):
        write_peft(store.adapters / "tcm" / version)
    store.withdraw("tcm")
    for part in (Part("tcm"), Part("tcm", "1")):
        with pytest.raises(ModelNotFound):
            store.entry(part)
    assert (store.names(), store.entries()) == ([], [])
    assert store.entry_of_any(Part("tcm")).number == "2"
    store.readmit("tcm")
    assert store.entry(Part("tcm")).number == "2"


def test_moved_folder_keeps_its_hash_and_one_that_nobody_asked_for_has_none(store: AdapterStore):
    folder = write_peft(store.adapters / "tcm" / "1")
    entry = store.entry(Part("tcm"))
    assert store.pinned(entry) is None
    before = store.pin(entry).sha256
    folder.rename(folder.with_name("2"))
    moved = store.pinned(store.entry(Part("tcm")))
    assert moved is not None
    assert (moved.version, moved.sha256) == ("2", before)


def test_not_found_names_some_of_many(store: AdapterStore):
    for index in range(25):
        write_peft(store.adapters / f"a{index:02}")
    with pytest.raises(ModelNotFound, match="a19 and 5 more"):
        store.entry(Part("nobody"))
