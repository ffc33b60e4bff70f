"""The command as a person types it: what it says, where it says it, and what it leaves behind."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from service.cli import app
from service.state.database import open_state

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"`lora-chat ([^`]+)`")
DIALOGUE = "\n\n".join(f"Q: question {i}?\nA: answer {i}." for i in range(8)) + "\n"
DAMAGED = {
    "empty.txt": b"",
    "binary.txt": bytes(range(256)) * 8,
    "prose.txt": b"Just some prose.\nNobody asks anything here.\n",
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Also where the fixture `add_adapter` writes."""
    return tmp_path


@pytest.fixture
def run(home: Path) -> Run:
    """Run the command with no network, 80 columns wide."""

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
        environment = os.environ | {
            "LORA_CHAT_HOME": str(home),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "80",
        }
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )

    return call


@pytest.fixture
def fails(run: Run, home: Path) -> Callable[..., str]:
    """Run the command, check that it fails as it should, and return its one paragraph."""

    def call(*arguments: str | Path) -> str:
        before = tree(home)
        result = run(*arguments)
        assert (result.returncode, result.stdout) == (1, ""), result.stderr
        assert "Traceback" not in result.stderr
        assert tree(home) == before
        message = result.stderr.rpartition("Error: ")[2]
        assert message.strip()
        assert "\n\n" not in result.stderr
        return message

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "questions.txt"
    path.write_text(DIALOGUE)
    return path


def tree(home: Path) -> dict[Path, bytes]:
    """Every file under home, the converted bases aside."""
    files = (path for path in sorted(home.rglob("*")) if "bases" not in path.parts)
    return {path: path.read_bytes() if path.is_file() else b"" for path in files}


def commands(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with the words that call it."""
    yield names, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*names, name))


HEAVY = {"numpy", "torch", "transformers", "fastapi", "sqlalchemy", "httpx"}
OWN_FILE = "my-clinic.txt"  # the reader's own, which nobody else has
COMMANDS = dict(commands(get_command(app)))
LEAVES = [names for names, command in COMMANDS.items() if not hasattr(command, "commands")]


def test_help_answers_before_anything_heavy_is_loaded():
    code = (
        "import sys; from service.cli import app; app(['--help'], standalone_mode=False); "
        f"print('Loaded:', *{HEAVY} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "Loaded:"


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_carries_an_example_that_parses(names: tuple[str, ...]):
    command = COMMANDS[names]
    examples = EXAMPLE.findall(f"{command.help} {command.epilog}")
    assert examples
    for example in examples:
        words = shlex.split(example)
        leaf = next(found for found in LEAVES if words[: len(found)] == list(found))
        assert leaf[: len(names)] == names
        COMMANDS[leaf].make_context("lora-chat", words[len(leaf) :])
        files = [word for word in words if word.endswith(".txt")]
        assert all(word == OWN_FILE or (ROOT / word).is_file() for word in files)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_is_whole_at_80_columns(names: tuple[str, ...]):
    shown = CliRunner().invoke(app, [*names, "--help"], terminal_width=80).stdout
    cut = [line for line in shown.splitlines() if line.endswith(("...", "…")) or len(line) > 80]
    assert [line for line in cut if not line.startswith("Usage: ")] == []


def test_the_example_is_shown_at_80_columns(run: Run):
    shown = run("adapters", "show", "--help").stdout
    assert "Example: `lora-chat adapters show bike`" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_version_is_the_only_thing_on_stdout(run: Run):
    result = run("--version")
    assert result.returncode == 0
    assert re.fullmatch(r"lora-chat \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("finetun", "Did you mean 'finetune'"),
        ("finetune --nam x", "--name"),
        ("adapters show", "name"),
        ("serve --port 70000", "should be 65535 or less (found '70000')"),
        ("finetune --rank many", "'--rank': should be a whole number (found 'many')"),
        ("serve --precision fp8", "int8"),
        ("serve --host 0.0.0.0", "--insecure"),
        ("bench --rate 0", "above 0"),
        ("bench --url localhost", "--url"),
        ("bench --baseline-lora-ids 0", "--baseline"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_is_right(run: Run, arguments: str, hint: str):
    result = run(*arguments.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert hint in result.stderr


def test_a_missing_file_is_an_error_with_the_nearest_name(fails: Callable[..., str], data: Path):
    assert f"did you mean {data}?" in fails("finetune", data.with_name("question.txt"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("empty.txt", "is empty; write questions and answers into it"),
        ("binary.txt", "save it as"),
        ("prose.txt", "expected"),
    ],
)
def test_a_file_that_is_no_data_is_an_error(
    fails: Callable[..., str], tmp_path: Path, name: str, hint: str
):
    (tmp_path / name).write_bytes(DAMAGED[name])
    message = fails("finetune", tmp_path / name)
    assert name in message
    assert hint in message


def test_a_base_that_is_not_there_is_an_error(fails: Callable[..., str], data: Path):
    message = fails("finetune", data, "--base", "smollm2-135")
    assert "There is no base model 'smollm2-135'" in message
    assert "Did you mean 'smollm2-135m'?" in message


def test_going_on_from_another_bases_adapter_is_an_error(
    fails: Callable[..., str], data: Path, make_base: Any, add_adapter: Callable[..., Path]
):
    add_adapter("foreign")
    message = fails("finetune", data, "--base", make_base("llama"), "--from", "foreign")
    assert "was trained on 'base'" in message
    assert "Give its own base with --base base." in message


def test_unknown_keys_are_errors_all_at_once(fails: Callable[..., str], data: Path, tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text("epoch: 3\n")
    message = fails("finetune", data, "--config", config, "--set", "learning_rat=1e-4")
    assert "epoch: unknown key; did you mean 'epochs'?" in message
    assert "learning_rat: unknown key; did you mean 'learning_rate'?" in message


def test_a_name_that_is_not_allowed_is_an_error_that_repeats_it_exactly(
    fails: Callable[..., str], data: Path, make_base: Any
):
    # rich would make an emoji of ':b:' and a style of '[b]'.
    message = fails("finetune", data, "--base", make_base("llama"), "--name", "a:b:[b]c")
    assert "'a:b:[b]c' cannot be an adapter's name" in message
    assert "Choose one with --name." in message


def test_resuming_nothing_is_an_error(fails: Callable[..., str], data: Path, make_base: Any):
    message = fails("finetune", data, "--base", make_base("llama"), "--resume")
    assert "Leave out --resume to start one." in message


def test_settings_are_printed_with_their_origin_and_nothing_is_loaded(run: Run, home: Path):
    (home / "serve.yaml").write_text("grace: 3\n")
    result = run("serve", "--print-config", "--port", "8001", "--base", "missing")
    assert (result.returncode, result.stderr) == (0, "")
    assert "port: 8001  # option\n" in result.stdout
    assert f"grace: 3.0  # {home / 'serve.yaml'}\n" in result.stdout


def test_misspelt_settings_are_errors_before_anything_is_loaded(fails: Callable[..., str]):
    message = fails("serve", "--set", "max_bach=3", "--base", "missing")
    assert "max_bach: unknown key; did you mean 'max_batch'?" in message


def test_serve_shows_the_settings_defaults(run: Run):
    shown = " ".join(run("serve", "--help").stdout.split())
    assert "8000]" in shown
    assert "16]" in shown


def test_a_port_in_use_is_an_error_before_anything_is_loaded(fails: Callable[..., str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = fails("serve", "--port", str(port), "--base", "missing")
    assert f"Cannot listen on 127.0.0.1 port {port}" in message
    assert "choose another with --port" in message


def test_a_base_that_cannot_be_served_is_an_error(fails: Callable[..., str], tmp_path: Path):
    (tmp_path / "bases").mkdir()
    open_state(tmp_path).close()  # which is there before the base is looked for
    message = fails("serve", "--port", "0", "--base", tmp_path / "bases")
    assert "is no complete Hugging Face model folder" in message


def test_chatting_with_a_server_that_is_not_there_is_an_error(fails: Callable[..., str]):
    message = fails("chat", "--url", "http://127.0.0.1:1")
    assert "http://127.0.0.1:1 does not answer" in message
    assert "Start a server with `lora-chat serve`" in message


def test_measuring_a_server_that_is_not_there_is_an_error(fails: Callable[..., str]):
    message = fails("bench", "--url", "http://127.0.0.1:1", "--json")
    assert "http://127.0.0.1:1 does not answer" in message
    assert "Start a server with `lora-chat serve`" in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tmc", "The model 'tmc' does not exist. Did you mean 'tcm'? Adapters here: tcm."),
        ("tcm@2", "The model 'tcm@2' does not exist."),
        ("tcm:0.5+style:0.5", "is a blend. Name one adapter, such as 'tcm'."),
    ],
)
def test_showing_what_is_no_adapter_is_an_error(
    fails: Callable[..., str], add_adapter: Callable[..., Path], name: str, hint: str
):
    add_adapter("tcm")
    assert hint in fails("adapters", "show", name)


def test_adapters_are_listed_and_a_damaged_one_is_explained(
    run: Run, add_adapter: Callable[..., Path]
):
    add_adapter("tcm")
    (add_adapter("坏的") / "adapter_config.json").write_text("{")
    result = run("adapters", "list")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"tcm +1 +1 +base ", result.stdout)
    assert re.search(r"坏的 +damaged", result.stdout)
    assert "坏的@1/adapter_config.json is damaged" in result.stdout


def test_details_are_shown_whole_and_as_they_are_written(
    run: Run, add_adapter: Callable[..., Path]
):
    folder = add_adapter("tcm", system="Say [b]yes[/b] :b: kindly.")
    result = run("adapters", "show", "tcm")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Say [b]yes[/b] :b: kindly." in result.stdout
    assert str(folder) in re.sub(r"\s", "", result.stdout)
    assert "…" not in result.stdout


def test_an_empty_home_says_how_to_make_an_adapter(run: Run):
    result = run("adapters", "list")
    assert result.returncode == 0
    assert "lora-chat finetune DATA" in " ".join(result.stdout.split())


def test_a_full_disk_is_said_to_be_one(home: Path):
    """The next best to it: the system refuses to write on."""
    data, out = home / "a.txt", home / "out.jsonl"
    data.write_text(DIALOGUE * 99)
    command = ["-m", "service.cli", "data", "convert", str(data), "--out", str(out)]
    limited = f"ulimit -f 1; exec {shlex.join([sys.executable, *command])}"
    done = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        rf"Error: The disk is full \(.*\): {re.escape(str(out))} cannot be written\. "
        r"Make room and try again\.\n",
        done.stderr,
    )
    assert [path.name for path in home.iterdir()] == ["a.txt"]
