import logging

import pytest

from ner_plugins.console import ConsoleFilter, quieten_console, shorten_progress_descriptions


@pytest.mark.parametrize(
    "name, level, message, shown",
    [
        ("allennlp.common.params", logging.INFO, "model.type = biaffine", False),
        ("allennlp.anything", logging.WARNING, "careful", True),
        ("ner_plugins.anything", logging.INFO, "lower-casing", True),
        ("ner_plugins.anything", logging.DEBUG, "detail", False),
        ("allennlp.training.callbacks.console_logger", logging.INFO, "seqeval/micro_f1 |     0.5  |     0.6", True),
        ("allennlp.training.callbacks.console_logger", logging.INFO, "seqeval/name/f1 |     0.5  |     0.6", False),
    ],
)
def test_what_is_shown(name: str, level: int, message: str, shown: bool) -> None:
    record = logging.LogRecord(name, level, "", 0, message, (), None)
    assert ConsoleFilter().filter(record) is shown


def test_details_come_back_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setenv("ALLENNLP_LOG_LEVEL", "INFO")
    quieten_console()
    assert handler.filters == []
    monkeypatch.delenv("ALLENNLP_LOG_LEVEL")
    quieten_console()
    quieten_console()
    assert len(handler.filters) == 1


def test_the_progress_bar_names_few_metrics() -> None:
    from allennlp.training import util

    shorten_progress_descriptions()
    shown = util.description_from_metrics({"loss": 1.0, "seqeval/micro_f1": 0.5, "seqeval/micro_recall": 0.4})
    assert shown == "loss: 1.0000, seqeval/micro_f1: 0.5000 ||"
