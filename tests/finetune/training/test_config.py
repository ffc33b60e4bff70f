"""What a run is told: names, precedence, faults."""

from pathlib import Path

import pytest

from finetune.defaults import DEFAULT_BASE
from finetune.errors import ConfigError
from finetune.training.config import TrainConfig, load_config

FOLDER = Path(__file__).parents[3] / "configs"
CONFIGS = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "serve.yaml"})  # that one is the service's


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path | None, *assignments: str, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, options, assignments)
    for fault in caught.value.faults:
        assert fault in str(caught.value)
    return caught.value.faults


def test_the_names_of_lora_scripts_are_known(tmp_path: Path):
    path = write(
        tmp_path,
        """
        task_type: text-generation
        train_data_dir: 医案.txt
        base_model: meta-llama/Llama-2-7b-chat-hf
        pretrained_lora: tcm@2
        lora_rank: 8
        lora_alpha: 24
        lora_dropout: 0.2
        max_length: 512
        save_name: 中医
        batch_size: 4
        epochs: 3
        learning_rate: 2e-4
        output_dir: out
        save_steps: 50
        """,
    )
    written = {
        "data": Path("医案.txt"),
        "base": "meta-llama/Llama-2-7b-chat-hf",
        "from_adapter": "tcm@2",
        "rank": 8,
        "alpha": 24,
        "dropout": 0.2,
        "max_tokens": 512,
        "name": "中医",
        "batch_size": 4,
        "epochs": 3,
        "learning_rate": 2e-4,
        "output_dir": Path("out"),
        "save_steps": 50,
    }
    assert load_config(path, {}).model_dump(include=set(written)) == written


def test_an_option_wins_over_an_assignment_and_that_over_the_file(tmp_path: Path):
    path = write(tmp_path, "lora_rank: 4\nepochs: 1\nseed: 1\n")
    config = load_config(path, {"rank": 64, "alpha": None}, ["lora_rank=8", "epochs=2"])
    assert (config.rank, config.epochs, config.seed) == (64, 2, 1)
    assert config.base == DEFAULT_BASE


def test_an_option_of_none_leaves_what_the_file_says(tmp_path: Path):
    assert load_config(write(tmp_path, "rank: 4\n"), {"rank": None}).rank == 4


def test_the_last_assignment_of_a_key_counts():
    assert load_config(None, {}, ["rank=4", "rank=8"]).rank == 8


def test_alpha_is_twice_the_rank_unless_given():
    assert load_config(None, {"rank": 8}).effective_alpha == 16
    assert load_config(None, {"rank": 8, "alpha": 8}).effective_alpha == 8


def test_all_faults_of_file_assignments_and_options_are_reported_together(tmp_path: Path):
    path = write(
        tmp_path,
        "rank: 0\ndropout: much\nlearnin_rate: 1e-4\nsampling: {top_p: 2}\nepochs: 1\nepochs: 2\n",
    )
    faults = faults_of(path, "seed", "holdout=[", "warmup_ratio=3", patience=0)
    keys = ("rank", "dropout", "learnin_rate", "sampling.top_p", "epochs")
    for key in (*keys, "--set 'seed'", "--set 'holdout=['", "warmup_ratio", "patience"):
        assert [fault for fault in faults if fault.startswith((f"{key}:", f"{key} "))], key
    assert len(faults) == 9


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("learnin_rate", "learning_rate"),
        ("train_data", "train_data_dir"),
        ("lora_rnk", "lora_rank"),
    ],
)
def test_an_unknown_key_is_a_fault_with_the_nearest_match(tmp_path: Path, written: str, meant: str):
    for faults in (
        faults_of(write(tmp_path, f"{written}: 1\n")),
        faults_of(None, f"{written}=1"),
        faults_of(None, **{written: 1}),
    ):
        assert faults == [f"{written}: unknown key; did you mean {meant!r}?"]


def test_an_unknown_key_like_none_has_no_match(tmp_path: Path):
    assert faults_of(write(tmp_path, "zzzz: 1\n")) == ["zzzz: unknown key"]


def test_an_unknown_nested_key_has_its_nearest_match_too(tmp_path: Path):
    faults = faults_of(write(tmp_path, "sampling: {temprature: 0.5}\n"))
    assert faults == ["sampling.temprature: unknown key; did you mean 'sampling.temperature'?"]


def test_image_training_is_refused_in_plain_words(tmp_path: Path):
    (fault,) = faults_of(write(tmp_path, "task_type: image-generation\n"))
    assert fault.startswith("task_type: lora-chat trains text models only")
    assert "found 'image-generation'" in fault


def test_a_key_under_two_of_its_names_is_a_fault(tmp_path: Path):
    expected = ["rank: rank is set twice, under two of its names"]
    assert faults_of(write(tmp_path, "lora_rank: 8\nrank: 16\n")) == expected
    assert faults_of(None, "lora_rank=8", "rank=16") == expected


def test_a_key_written_twice_is_a_fault(tmp_path: Path):
    assert faults_of(write(tmp_path, "rank: 8\nepochs: 2\nrank: 16\n")) == ["rank: set 2 times"]


def test_a_number_in_scientific_notation_is_a_number(tmp_path: Path):
    assert load_config(write(tmp_path, "learning_rate: 1e-4\n"), {}).learning_rate == 1e-4
    assert load_config(None, {}, ["learning_rate=5e-5"]).learning_rate == 5e-5


@pytest.mark.parametrize("text", ["", "- rank\n", "just words\n", "rank: [\n", "\x00"])
def test_a_file_without_keys_and_values_is_refused_by_name(tmp_path: Path, text: str):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_config(path, {})


def test_a_missing_or_unreadable_file_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "gone.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, {})
    (tmp_path / "config.yaml").write_bytes("name: 中医".encode("gb18030"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "config.yaml", {})


def test_a_dumped_config_reads_back_the_same(tmp_path: Path):
    config = TrainConfig.model_validate(
        {
            "data": "医案/一.txt",
            "name": "1e5",
            "system": "你是中医。\n: - yes",
            "target_modules": ["q_proj", "v_proj"],
            "learning_rate": 1e-5,
            "alpha": 12.5,
            "promote": False,
            "sampling": {"temperature": 0.3, "top_k": 5},
        }
    )
    assert load_config(write(tmp_path, config.dump()), {}) == config
    assert load_config(write(tmp_path, load_config(None, {}).dump()), {}) == load_config(None, {})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_shipped_configuration_is_valid(path: Path):
    assert load_config(path, {}) != load_config(None, {})


def test_configurations_are_shipped():
    assert CONFIGS
