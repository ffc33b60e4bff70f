"""What a run's log takes."""

import logging
from pathlib import Path

from finetune.training.journal import LOG_FILE, log_file
from finetune.training.run import Run, RunState


def test_the_log_takes_what_all_of_finetune_says_and_no_other(tmp_path: Path):
    with log_file(Run(tmp_path, RunState(name="tcm", data_sha256=""))):
        logging.getLogger("finetune.training.gradients").warning("of the same folder")
        logging.getLogger("finetune.bases.base").warning("of another folder")
        logging.getLogger("service.app").warning("of another package")
    logging.getLogger("finetune.job").warning("after its end")
    lines = (tmp_path / LOG_FILE).read_text(encoding="utf-8").splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "of the same folder",
        "of another folder",
    ]
