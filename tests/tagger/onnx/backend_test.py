"""An exported model finds what the model finds in torch: alone, in any batch, in texts of any length."""

import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_models import export_model
from gpu_cases import build_with_reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ArchiveError, ConfigError, NerError
from ner_plugins.files.export_manifest import FORMAT_VERSION, MANIFEST
from ner_plugins.tagger import TaggedText, Tagger
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tagger.onnx import graphs
from ner_plugins.tagger.onnx.layout import ARRAYS, ENCODER, TOKENS

# Each head, each scorer, recurrent encoders, and texts longer than the encoder reads at once.
CASES = [
    ("crf", "long_texts"), ("softmax", "bilstm"), ("crf-factored", "bigru"), ("biaffine", "embedding"),
    ("biaffine-width-features", "bilstm"), ("biaffine-pair-ffn", "embedding"), ("pairs-nested", "embedding"),
    ("efficient-global-pointer", "bilstm"), pytest.param("global-pointer", "embedding", marks=pytest.mark.exhaustive),
    ("pointer", "bilstm"), ("pointer-published", "embedding"),
]  # fmt: skip
TEXTS = st.lists(
    st.text("张三在北京大学读书我上海abcXY1, \t\u3000\u200b\ud800👍", max_size=12)
    | st.sampled_from(["张三在北京大学读书" * 3, "我在上海，张三在北京。" * 2]),
    min_size=1,
    max_size=6,
)
SENTENCES = ["张三在北京大学读书", "", "我在上海", "王五 ", "张三在北京大学读书" * 9]


def change_encoder(params: dict[str, Any]) -> None:
    params["encoder"] = {"type": "gru", "hidden_size": 5, "num_layers": 2, "bidirectional": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def pairs(folder: Path) -> Any:
    """The model in torch and its export, made once for each case."""
    made: dict[tuple[str, str], tuple[Tagger, Path]] = {}

    def pair(head: str, encoder: str) -> tuple[Tagger, Path]:
        if (head, encoder) not in made:
            change = change_encoder if encoder == "bigru" else None
            model, reader, _ = build_with_reader(head, "embedding" if change else encoder, folder, change=change)
            target = export_model(model, reader, folder / f"{head}-{encoder}")
            made[head, encoder] = Tagger(ArchiveBackend(model, reader)), target
        return made[head, encoder]

    return pair


def check_equal(found: list[TaggedText], expected: list[TaggedText]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert [(e.start, e.end, e.type, e.text) for e in one.entities] == [
            (e.start, e.end, e.type, e.text) for e in other.entities
        ]
        assert [e.score for e in one.entities] == pytest.approx([e.score for e in other.entities], abs=2e-5)


@pytest.mark.parametrize("head, encoder", CASES)
def test_entities_and_scores_are_those_of_torch(head: str, encoder: str, pairs: Any) -> None:
    in_torch, target = pairs(head, encoder)
    tagger = Tagger.from_path(target)
    found = 0

    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(TEXTS, st.integers(1, 90))
    def check(texts: list[str], budget: int) -> None:
        nonlocal found
        expected = in_torch(texts)
        found += sum(len(one.entities) for one in expected)
        assert all(e.text.strip(" \t\u3000\u200b") == e.text for one in expected for e in one.entities)
        check_equal(tagger(texts), expected)
        check_equal(tagger.with_options(budget=budget)(texts), expected)
        check_equal(
            tagger.with_options(batch_size=1, thresholds=0.3)(texts), in_torch.with_options(thresholds=0.3)(texts)
        )

    check()
    assert found > 0
    assert [tagger.backend.tokens(text) for text in SENTENCES] == [in_torch.backend.tokens(text) for text in SENTENCES]
    assert list(tagger.backend.types) == list(in_torch.backend.types)


def test_the_best_taggings_of_a_crf(pairs: Any) -> None:
    in_torch, target = pairs("crf", "long_texts")
    tagger = Tagger.from_path(target)
    for text in SENTENCES[:3]:
        expected, found = in_torch.n_best(text, 5), tagger.n_best(text, 5)
        assert [entities for entities, _ in found] == [entities for entities, _ in expected]
        assert [share for _, share in found] == pytest.approx([share for _, share in expected], abs=1e-5)
    with pytest.raises(ConfigError, match="has no n-best list"):
        Tagger.from_path(pairs("pointer", "bilstm")[1]).n_best("我", 2)


def test_long_texts_in_blocks_of_spans(pairs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_torch, target = pairs("biaffine-width-features", "bilstm")
    monkeypatch.setattr("ner_plugins.tagger.onnx.heads._CELLS_AT_ONCE", 100)
    check_equal(Tagger.from_path(target)(SENTENCES), in_torch(SENTENCES))


def test_pickled_it_is_its_folder(pairs: Any) -> None:
    tagger = Tagger.from_path(pairs("crf", "long_texts")[1], thresholds=0.2)
    pickled = pickle.dumps(tagger)
    assert len(pickled) < 1000
    assert pickle.loads(pickled)(SENTENCES) == tagger(SENTENCES)


def test_in_threads_and_in_a_forked_process(pairs: Any) -> None:
    tagger = Tagger(graphs_with_threads(pairs("crf", "long_texts")[1], 2))
    expected = tagger(SENTENCES)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(tagger, [SENTENCES] * 12))
    context = multiprocessing.get_context("fork")
    queue: Any = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(tagger(SENTENCES)))
    process.start()
    process.join(60)
    if process.is_alive():
        process.kill()
    assert process.exitcode == 0
    check_equal(queue.get(), expected)


def graphs_with_threads(target: Path, threads: int) -> Any:
    from ner_plugins.tagger.onnx.backend import OnnxBackend

    return OnnxBackend(target, threads)


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert graphs.threads_of(None) == 3 and graphs.threads_of(2) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert graphs.threads_of(None) == 0
    with pytest.raises(ConfigError, match="threads is 0"):
        graphs.threads_of(0)


BLOCKED = """
import sys, runpy
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "allennlp", "numba", "scipy", "onnx", "onnxscript"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv[0] = "ner_plugins.tagger"
runpy.run_module("ner_plugins.tagger", run_name="__main__", alter_sys=True)
"""


def run_without_torch(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, timeout=60)


def test_the_command_without_torch_transformers_and_allennlp(pairs: Any) -> None:
    in_torch, target = pairs("crf", "long_texts")
    texts = [text for text in SENTENCES if text]
    done = run_without_torch(target, given="\n".join(texts).encode())
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["text"] for one in found] == texts and [one["id"] for one in found] == list(range(len(texts)))
    for one, other in zip(found, in_torch(texts), strict=True):
        expected = other.to_json()["entities"]
        assert [{**e, "score": 0} for e in one["entities"]] == [{**e, "score": 0} for e in expected]
        assert [e["score"] for e in one["entities"]] == pytest.approx([e["score"] for e in expected], abs=2e-5)


def test_an_archive_without_torch(repository: Path) -> None:
    done = run_without_torch(repository / "fixtures/archives/biaffine.tar.gz")
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert b"not an exported model" in done.stderr


def test_from_an_archive_where_torch_is_missing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ner_plugins.tagger.archive", None)
    with pytest.raises(ConfigError, match=r"reading an archive needs .*, which is not installed: export it"):
        Tagger.from_path(repository / "fixtures/archives/biaffine.tar.gz")


def test_options_of_archives_are_refused(pairs: Any) -> None:
    target = pairs("crf", "long_texts")[1]
    for options in ({"device": 0}, {"overrides": {"model.thresholds": 1}}, {"weights_file": "w.th"}):
        with pytest.raises(ConfigError, match=f"an exported model has no {next(iter(options))}"):
            Tagger.from_path(target, **options)  # type: ignore[arg-type]
    assert Tagger.from_path(target, device=-1).backend.types


def copy_of(target: Path, tmp_path: Path) -> Path:
    """A copy whose files are links to the original's."""
    copied = tmp_path / "copy"
    copied.mkdir()
    for path in target.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    return copied


def test_damaged_exports_end_in_one_message(pairs: Any, tmp_path: Path) -> None:
    copied = copy_of(pairs("crf", "long_texts")[1], tmp_path)
    whole = {path.name: path.read_bytes() for path in copied.iterdir()}
    manifest = json.loads(whole[MANIFEST])

    def fails(name: str, content: bytes | None, message: str) -> None:
        if content is None:
            (copied / name).unlink()
        else:
            (copied / name).write_bytes(content)
        with pytest.raises(ArchiveError, match=message) as caught:
            Tagger.from_path(copied)
        assert "\n" not in str(caught.value)
        (copied / name).write_bytes(whole[name])

    fails(ENCODER, whole[ENCODER][:-10], r"encoder\.onnx: has \d+ bytes instead of \d+. Copy the folder again")
    fails(TOKENS, None, r"tokens\.onnx: is missing")
    fails(MANIFEST, None, r"has no manifest\.json")
    fails(TOKENS, bytes(len(whole[TOKENS])), r"onnxruntime .* cannot read it")
    fails(ARRAYS, bytes(len(whole[ARRAYS])), "damaged")
    fails("tokenizer.json", b" " * len(whole["tokenizer.json"]), "cannot read it")
    newer = {**manifest, "format_version": FORMAT_VERSION + 1}
    fails(MANIFEST, json.dumps(newer).encode(), f"format_version is {FORMAT_VERSION + 1}")
    fails(MANIFEST, json.dumps({**manifest, "target": "huggingface"}).encode(), "exported with --to huggingface")
    details = {**manifest["details"], "head": {"kind": "other"}}
    fails(MANIFEST, json.dumps({**manifest, "details": details}).encode(), "a head of the kind 'other'")
    fails(MANIFEST, json.dumps({**manifest, "details": {"files": {}}}).encode(), "manifest is damaged")


def test_a_text_whose_scores_are_not_numbers_is_named(pairs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend: Any = Tagger.from_path(pairs("biaffine", "embedding")[1]).backend
    encoded = backend.encode(["我在北京", "我在上海"], ["first", "second"])
    run = backend._graphs.run

    def spoilt(name: str, feeds: Any) -> Any:
        results = run(name, feeds)
        if name == TOKENS:
            results[0][1] = np.nan
        return results

    monkeypatch.setattr(backend._graphs, "run", spoilt)
    with pytest.raises(NerError, match=r"not numbers in sentence\(s\) second "):
        backend.find(encoded)
