"""What is said where the model hub cannot be reached."""

from finetune.bases.hub import MIRROR, way_out


def test_who_knows_no_mirror_is_told_of_one_and_how_to_do_without():
    told = way_out({})
    assert "Check the name and the network" in told
    assert f"HF_ENDPOINT={MIRROR}" in told
    assert "--base DIR" in told


def test_who_has_named_a_mirror_is_told_to_look_at_it():
    told = way_out({"HF_ENDPOINT": "https://mirror.example"})
    assert "HF_ENDPOINT names the hub https://mirror.example" in told
    assert MIRROR not in told
    assert "--base DIR" in told


def test_who_is_offline_by_choice_is_told_so_first():
    for word in ("1", "true", "ON"):
        told = way_out({"HF_HUB_OFFLINE": word, "HF_ENDPOINT": MIRROR})
        assert told.startswith("HF_HUB_OFFLINE is set")
        assert "--base DIR" in told
    assert "HF_HUB_OFFLINE" not in way_out({"HF_HUB_OFFLINE": "0"})
