"""What a dry run prints."""

import re
from pathlib import Path

from dry_runs import built, trial

from ner_plugins.commands.checks.data import Split
from ner_plugins.commands.dry_run.report import format_report


def test_stages_are_not_in_the_estimate(tmp_path: Path) -> None:
    trainer = built(
        tmp_path,
        trainer={"callbacks": [{"type": "two_stage", "freeze": "^text"}], "num_gradient_accumulation_steps": 4},
    )
    split = Split("train_data_path", list(trainer.data_loader.iter_instances()))
    report = format_report([split], trial(), trainer, ["a remark"])
    assert "not included" in report and "two_stage" in report and "  - a remark" in report
    assert re.search(r"batches of an update +4", report)
