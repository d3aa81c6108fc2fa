import logging

import pytest

from ner_plugins.console import ConsoleFilter, hide_epoch_tables, quieten_console


@pytest.mark.parametrize(
    "name, level, message, shown",
    [
        ("allennlp.common.params", logging.INFO, "model.type = biaffine", False),
        ("allennlp.anything", logging.WARNING, "careful", True),
        ("matplotlib", logging.WARNING, "mkdir -p failed for path /nonexistent/.config: Permission denied", False),
        ("matplotlib", logging.WARNING, "Matplotlib created a temporary cache directory at /tmp/x because", False),
        ("matplotlib.font_manager", logging.WARNING, "findfont: Font family 'x' not found.", True),
        ("ner_plugins.anything", logging.INFO, "lower-casing", True),
        ("ner_plugins.anything", logging.DEBUG, "detail", False),
        ("allennlp.training.callbacks.console_logger", logging.INFO, "seqeval/micro_f1 |     0.5  |     0.6", True),
        ("allennlp.training.callbacks.console_logger", logging.INFO, "seqeval/name/f1 |     0.5  |     0.6", False),
    ],
)
def test_what_is_shown(name: str, level: int, message: str, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ner_plugins.console._hidden", set())
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


def test_the_table_of_an_epoch_gives_way_to_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "allennlp.training.callbacks.console_logger"
    record = logging.LogRecord(name, logging.INFO, "", 0, "seqeval/micro_f1 |     0.5  |     0.6", (), None)
    monkeypatch.setattr("ner_plugins.console._hidden", set())
    assert ConsoleFilter().filter(record)
    hide_epoch_tables()
    assert not ConsoleFilter().filter(record)
