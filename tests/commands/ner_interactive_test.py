"""`allennlp ner-interactive`: what is typed, and what is shown."""

import io
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fitted_archive import fitted_archive, run_here

from ner_plugins.commands import ner_interactive
from ner_plugins.commands.ner_interactive import HELP, NerInteractiveCommand, typed_lines
from ner_plugins.errors import ConfigError
from ner_plugins.tagger import Tagger

OURS = ["--include-package", "ner_plugins"]
SENTENCE = "他家住在青州市解放路128号，离玉泉山公园不远。"


@pytest.fixture(scope="module")
def archive(repository: Path) -> Path:
    return fitted_archive(repository, "crf_tagger")


def run(archive: Path, typed: str, monkeypatch: pytest.MonkeyPatch, capsys, *more: str) -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    run_here(NerInteractiveCommand(), "ner-interactive", archive, *more)
    return str(capsys.readouterr().out)


def test_a_sentence_with_tags_brackets_and_probabilities(archive: Path, monkeypatch, capsys) -> None:
    [tagged] = Tagger.from_path(archive)([SENTENCE])
    assert tagged.entities
    shown = run(archive, SENTENCE + "\n", monkeypatch, capsys).splitlines()
    pairs = [pair.rsplit("/", 1) for pair in shown[0].split(" ")]
    assert "".join(token for token, _ in pairs) == SENTENCE
    for entity in tagged.entities:
        tags = [tag for _, tag in pairs[entity.start : entity.end]]
        assert tags == [f"B-{entity.type}"] + [f"I-{entity.type}"] * (len(tags) - 1)
        assert f"<{entity.text}:{entity.type}>" in shown[1]
    assert [line.split() for line in shown[2 : 2 + len(tagged.entities)]] == [
        [f"{entity.score:.4f}", entity.text, entity.type] for entity in tagged.entities
    ]
    assert shown[2 + len(tagged.entities) :] == [""]


def test_the_best_taggings_are_shown_on_request(archive: Path, monkeypatch, capsys) -> None:
    first = run(archive, f":best 3\n{SENTENCE}\n", monkeypatch, capsys)
    shares = [float(line.split()[1]) for line in first.splitlines() if line.startswith(("  1. ", "  2. ", "  3. "))]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert run(archive, f"{SENTENCE}\n", monkeypatch, capsys, "--best", "3") in first
    assert "  1. " not in run(archive, f":best 0\n{SENTENCE}\n", monkeypatch, capsys, "--best", "3")


def test_a_head_without_best_taggings_says_why(repository: Path, monkeypatch, capsys) -> None:
    shown = run(fitted_archive(repository), f":best\n{SENTENCE}\n{SENTENCE}\n", monkeypatch, capsys)
    assert shown.count("scores each span by itself") == 1


def test_commands_and_blank_lines(archive: Path, monkeypatch, capsys) -> None:
    shown = run(archive, f"\n  \n:help\n:quit\n{SENTENCE}\n", monkeypatch, capsys)
    assert shown.strip() == HELP
    assert ":b/O" in run(archive, ":b\n", monkeypatch, capsys).replace(":/O b", ":b")  # a sentence, not a command


@pytest.mark.parametrize("arguments, message", [(["--scheme", "BIX"], "BIX"), (["--best", "-1"], "--best")])
def test_mistakes_are_named(archive: Path, arguments: list[str], message: str, monkeypatch, capsys) -> None:
    with pytest.raises(ConfigError, match=message):
        run(archive, "", monkeypatch, capsys, *arguments)


def test_ctrl_c_clears_the_line_and_ctrl_d_ends(monkeypatch, capsys) -> None:
    typed = iter(["a", KeyboardInterrupt(), "b", EOFError()])

    def read(prompt: str) -> str:
        found = next(typed)
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr("builtins.input", read)
    assert list(typed_lines("> ")) == ["a", "b"]
    assert capsys.readouterr().out == "\n\n"


def test_piped_as_a_user_does(allennlp, archive: Path) -> None:
    done = allennlp("ner-interactive", archive, *OURS, input=f"{SENTENCE}\n\ud7a3 \U0001f44d\n", LC_ALL="C")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.startswith("他/") and "\U0001f44d/O" in done.stdout


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_on_a_terminal(archive: Path, repository: Path) -> None:
    pty = pytest.importorskip("pty")
    main, side = pty.openpty()
    command = [str(Path(sys.executable).with_name("allennlp")), "ner-interactive", str(archive), *OURS]
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # pytest's own processes may ignore it
    try:
        process = subprocess.Popen(command, cwd=repository, stdin=side, stdout=side, stderr=side, close_fds=True)
    finally:
        signal.signal(signal.SIGINT, before)
    os.close(side)
    try:
        shown = read_until(main, b"> ")
        assert b":best N" in shown
        os.write(main, b"typed by mistake")
        read_until(main, b"mistake")
        # A signal that comes just before Python waits for a key may be noticed only with the next one.
        process.send_signal(signal.SIGINT)
        if not select.select([main], [], [], 10)[0]:
            process.send_signal(signal.SIGINT)
        read_until(main, b"> ")
        os.write(main, f"{SENTENCE}\n".encode())
        assert "\n他/O 家/".encode() in read_until(main, b"> ", after=b"/O")
        os.write(main, b"\x04")
        assert process.wait(60) == 0
    finally:
        process.kill()
        os.close(main)


def read_until(terminal: int, end: bytes, after: bytes = b"") -> bytes:
    shown = b""
    while not (after in shown and shown.endswith(end)):
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_the_module_has_no_slow_imports() -> None:
    assert "torch" not in vars(ner_interactive)
