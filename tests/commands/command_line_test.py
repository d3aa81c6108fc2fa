import json
import sys

import pytest
from allennlp.common.util import SigTermReceived

from ner_plugins.commands.command_line import describe, run
from ner_plugins.errors import DataError


def raising(error: BaseException):
    def main(prog):
        raise error

    return main


@pytest.mark.parametrize(
    "error, expected",
    [
        (DataError("bad", path="f", line=3, remedy="Mend it"), "error: f:3: bad. Mend it"),
        (FileNotFoundError(2, "No such file", "x.json"), "error: file not found: x.json"),
        (IsADirectoryError(21, "Is a directory", "d"), "error: Is a directory: d"),
        (RuntimeError("STATIC ERROR: c.jsonnet:1:2: bad"), "error: the config does not evaluate: c.jsonnet:1:2: bad"),
    ],
)
def test_a_mistake_ends_in_one_message(error, expected, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        run(raising(error), None, debug=False)
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(expected) and captured.err.count("\n") == 1 and not captured.out


def test_names_that_the_locale_cannot_encode(monkeypatch) -> None:
    name = "配置.json".encode().decode("ascii", "surrogateescape")
    error = UnicodeEncodeError("utf-8", name, 0, 6, "surrogates not allowed")
    monkeypatch.setattr(sys, "argv", ["allennlp", "train", name])
    assert "set PYTHONUTF8=1, or LC_ALL=C.UTF-8" in describe(error)
    monkeypatch.setattr(sys, "argv", ["allennlp", "train", "config.json"])
    assert describe(error) is None


def test_a_value_that_a_constructor_refuses_names_the_key() -> None:
    from allennlp.common import Params
    from allennlp.training.optimizers import Optimizer

    try:
        Optimizer.from_params(Params({"type": "adam", "lr": "much"}), model_parameters=[])
    except TypeError as error:
        assert describe(error).startswith("lr is 'much', but")


@pytest.mark.parametrize(
    "error, expected",
    [
        (OSError(28, "No space left on device", "/dev/full"), "No space left on device: /dev/full"),
        (RuntimeError("Cannot access accelerator device when none is available."), "--cuda-device -1"),
        (
            RuntimeError("RUNTIME ERROR: set X to Y\n\tlib/a.libsonnet:7:43-111\tobject <given>\n\tc.jsonnet:3:1\n"),
            "the config does not evaluate: set X to Y (lib/a.libsonnet:7:43-111)",
        ),
        (
            RuntimeError('RUNTIME ERROR: couldn\'t open import "lib/a": no match locally.\n\tc.jsonnet:1:2-3\n'),
            "no match locally (c.jsonnet:1:2-3). Jsonnet looks for it in the config's folder: import it by its full "
            "path, or save the config in training_config/",
        ),
        (ValueError("overrides dict contains unused keys: ['a.b']"), "--overrides has keys that the config"),
        (ValueError("nan loss encountered"), "learning rate"),
        (RuntimeError("Error loading state dict for X\n\tMissing keys: []"), "do not fit"),
    ],
)
def test_other_mistakes(error, expected: str) -> None:
    assert expected in describe(error)


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(DataError):
        run(raising(DataError("bad")), None, debug=True)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()), None, debug=False)


def test_ctrl_c_ends_with_130(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        run(raising(KeyboardInterrupt()), None, debug=False)
    assert ended.value.code == 130 and "interrupted" in capsys.readouterr().err


def test_sigterm_ends_with_143(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        run(raising(SigTermReceived()), None, debug=False)
    assert ended.value.code == 143 and capsys.readouterr().err == "\nterminated\n"
    with pytest.raises(SigTermReceived):
        run(raising(SigTermReceived()), None, debug=True)


def test_an_import_by_full_path_needs_no_advice() -> None:
    error = RuntimeError('RUNTIME ERROR: couldn\'t open import "/lib/a": no match locally.\n\tc.jsonnet:1:2-3\n')
    assert describe(error).endswith("no match locally (c.jsonnet:1:2-3)")


def test_json_mistakes_say_where() -> None:
    try:
        json.loads('{"a": }')
    except json.JSONDecodeError as error:
        assert "char 6" in describe(error)


def test_an_error_of_a_worker_is_told_as_its_own() -> None:
    class WorkerError(Exception):
        pass

    text = "worker raised …\n\n  Traceback from worker:\n  File …\n  ner_plugins.errors.DataError: f:3: bad. Mend it\n"
    assert describe(WorkerError(text)) == "f:3: bad. Mend it"
    assert describe(WorkerError("worker raised ZeroDivisionError")) is None


def test_a_full_disk_behind_standard_output_is_told_once(monkeypatch, capsys) -> None:
    stream = open("/dev/full", "w")  # noqa: SIM115 (closed below)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as ended:
        run(lambda prog: print("x"), None, debug=False)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: No space left on device: standard output\n"
    stream.close()  # as at exit: what could not be written is discarded
