"""`allennlp ner-serve`: the real command with a trained model, and what it says instead of starting."""

import builtins
import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import documents
import pytest
from export_sources import SENTENCES, source_of
from exported_models import export_model
from fitted_archive import fitted_archive, run_here
from forked import Forked
from served_models import Letters, Served, served, serving, wait_until

from ner_plugins.commands.ner_serve import NerServeCommand
from ner_plugins.errors import ConfigError
from ner_plugins.serving import Limits
from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend

GUIDE = documents.read("serving")
TEXTS = ["刘晓燕去了北京", "", "他家住在青州市解放路128号，离玉泉山公园不远。"]


@pytest.fixture(scope="module")
def running(trained: Path, repository: Path):
    """The guide's command with two models, on a free port."""
    command = documents.commands(GUIDE)[1].replace("8001", "0")
    command = command.replace("runs/small", str(trained)).replace(
        "runs/large/model.tar.gz", str(fitted_archive(repository))
    )
    forked = Forked(shlex.split(command)[1:], environment={**os.environ, "NER_SERVE_TOKEN": "s3cret"})
    errors = forked.path / "stderr"
    try:
        wait_until(lambda: errors.exists() and ("http://" in errors.read_text() or forked.process.exitcode), 60)
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", errors.read_text())[1])
        server = Served(SimpleNamespace(state=None), port)
        wait_until(lambda: server.request("/ready")[0] == 200, 60)
        yield SimpleNamespace(server=server, forked=forked, errors=errors)
    finally:
        if forked.process.exitcode is None:
            forked.process.kill()
        forked.wait()


def test_it_answers_as_the_tagger_does_and_ends_after_what_it_accepted(running, trained: Path, repository) -> None:
    server, token = running.server, {"Authorization": "Bearer s3cret"}
    for name, path in (("small", trained / "model.tar.gz"), ("large", fitted_archive(repository))):
        tagger = Tagger.from_path(path)
        status, answer, _ = server.request("/predict", {"text": TEXTS, "model": name}, **token)
        assert status == 200 and answer["model"] == name
        assert_close(answer["results"], [tagged.to_json() for tagged in tagger(TEXTS)])
        lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()
        status, text, _ = server.request(f"/predict/stream?model={name}&thresholds=0.9", lines, **token)
        expected = [tagged.to_json() for tagged in tagger.with_options(thresholds=0.9)(TEXTS)]
        assert_close([json.loads(line) for line in text.splitlines()], expected)
    assert server.request("/models")[0] == 401

    answers: list = []
    many = {"text": TEXTS * 100, "model": "large"}
    threads = [
        threading.Thread(target=lambda: answers.append(server.request("/predict", many, **token))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: 'ner_queue_texts{model="large"} 0.0' not in server.request("/metrics", **token)[1])
    os.kill(running.forked.process.pid, signal.SIGTERM)
    for thread in threads:
        thread.join(60)
    # What came before the signal is answered, what came after it is refused, and no connection is dropped.
    found = [(status, len(answer.get("results", []))) for status, answer, _ in answers]
    assert len(found) == 4 and (200, 300) in found and set(found) <= {(200, 300), (503, 0)}
    running.forked.process.join(60)
    assert running.forked.process.exitcode == 0
    log = running.errors.read_text()
    assert "ready: small, large" in log and "all that was accepted is answered" in log
    assert "刘晓燕" not in log and "Traceback" not in log


def assert_close(found: list[dict], expected: list[dict]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one["text"] == other["text"]
        for a, b in zip(one["entities"], other["entities"], strict=True):
            assert {**a, "score": 0} == {**b, "score": 0} and a["score"] == pytest.approx(b["score"], abs=1e-5)


def test_a_port_that_is_taken_and_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_text("no archive")
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ConfigError, match="is in use"):
        run_here(NerServeCommand(), "ner-serve", path, "--port", str(other.getsockname()[1]))
    with pytest.raises(Exception, match=r"model\.tar\.gz"):
        run_here(NerServeCommand(), "ner-serve", path, "--port", "0")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("ner_plugins.serving._web")]:
        monkeypatch.delitem(sys.modules, name)
    original = builtins.__import__

    def without(name: str, *rest):
        if name.partition(".")[0] in {"fastapi", "uvicorn", "starlette", "prometheus_client", "pydantic"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"ner-serve needs \w+: pip install 'ner_plugins\[serve\]'"):
        run_here(NerServeCommand(), "ner-serve", tmp_path)


def test_whoever_listens_for_all_without_a_token_is_warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    from ner_plugins.serving._web.server import NerServer

    monkeypatch.delenv("NER_SERVE_TOKEN", raising=False)
    monkeypatch.setattr(NerServer, "serve_on", lambda self, listener: None)
    run_here(NerServeCommand(), "ner-serve", tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert "NER_SERVE_TOKEN" in caplog.text
    caplog.clear()
    run_here(NerServeCommand(), "ner-serve", tmp_path, "--port", "0")
    assert "NER_SERVE_TOKEN" not in caplog.text


def test_the_guides_first_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from ner_plugins.serving._web.server import NerServer

    started: list[NerServer] = []
    monkeypatch.setattr(NerServer, "serve_on", lambda self, listener: started.append(self))
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    command = documents.commands(GUIDE)[0]
    name, *arguments = shlex.split(command.removesuffix(" --include-package ner_plugins"))[1:]
    run_here(NerServeCommand(), name, *arguments, "--port", "0")
    assert started[0].state.names == ["mine"] and started[0].state.limits == Limits()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "16"  # so that memory stays flat


def test_an_export_is_served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason=f"needs {package}")
    from ner_plugins.serving._web.server import NerServer

    source = source_of(tmp_path, {"scheme": "BIOES"}, encoder="embedding")
    folder = export_model(source.model, source.reader, tmp_path / "export")
    started: list[NerServer] = []
    with monkeypatch.context() as patch:
        patch.setattr(NerServer, "serve_on", lambda self, listener: started.append(self))
        run_here(NerServeCommand(), "ner-serve", f"small={folder}", "--port", "0")
    texts = [*SENTENCES, "", SENTENCES[0] * 40]
    of_archive = Tagger(ArchiveBackend(source.model, source.reader))
    expected = [tagged.to_json() for tagged in of_archive(texts)]
    scores = sorted(entity["score"] for result in expected for entity in result["entities"])
    below, above = max(itertools.pairwise(scores), key=lambda pair: pair[1] - pair[0])
    threshold = (below + above) / 2
    assert len(scores) > 9 and above - below > 0.01
    with serving(started[0].state) as server:
        assert server.request("/ready")[:2] == (200, {"status": "ready"})
        assert [one["name"] for one in server.request("/models")[1]["models"]] == ["small"]
        status, answer, _ = server.request("/predict", {"text": texts})
        assert (status, answer["model"]) == (200, "small")
        assert_close(answer["results"], expected)
        lines = "".join(json.dumps({"text": text, "id": place}) + "\n" for place, text in enumerate(texts)).encode()
        status, text, _ = server.request(f"/predict/stream?thresholds={threshold}", lines)
        found = [json.loads(line) for line in text.splitlines()]
        assert status == 200 and [one.pop("id") for one in found] == list(range(len(texts)))
        likely = of_archive.with_options(thresholds=threshold)
        assert_close(found, [tagged.to_json() for tagged in likely(texts)])
        assert server.request("/predict", {"text": "张三", "model": "large"})[0] == 404


def test_the_guides_code_and_curl(tmp_path: Path) -> None:
    [code] = documents.fences(GUIDE, "python")
    with served(Letters()) as server, contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code.replace("http://127.0.0.1:8000/", server.url), {})
    assert printed.getvalue() == "刘晓燕去了北京 []\n今天天气真好 []\n"
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    [command] = re.findall(r"^\$ (curl .*)$", GUIDE, re.MULTILINE)
    (tmp_path / "texts.jsonl").write_text('{"text": "A", "id": 0}\n{}\n')
    with served(Letters()) as server:
        arguments = shlex.split(command.replace("http://127.0.0.1:8000/", server.url))
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": 0, "text": "A", "entities": []}, {"line": 2, "error": "text is missing"},
    ]  # fmt: skip


def test_the_guides_table_of_limits() -> None:
    rows = {row[0].strip("`"): row[2] for row in documents.table(GUIDE, "option")}
    limits = {f"--{name.replace('_', '-')}": str(value) for name, value in vars(Limits()).items()}
    assert rows == limits


def test_the_guide_names_every_metric() -> None:
    with served(Letters()) as server:
        server.request("/predict", {"text": "A"})
        server.request("/predict", b"")
        text = server.request("/metrics")[1]
    found = set(re.findall(r"^# TYPE (ner_\w+)", text, re.MULTILINE))
    named = set(re.findall(r"`(ner_\w+)`", "\n".join(row[0] for row in documents.table(GUIDE, "metric"))))
    assert {name for name in found if not name.endswith("_created")} == named
