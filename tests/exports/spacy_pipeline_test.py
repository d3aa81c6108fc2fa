"""The spaCy component: the entities of the `Tagger` in spaCy's documents, and the folder that `spacy.load` opens."""

import ast
import json
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fitted_archive import fitted_archive, run_here
from forked import run_ranks

from ner_plugins.commands.ner_export import NerExportCommand
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.exports.spacy_component import NerComponent
from ner_plugins.exports.spacy_pipeline import export, import_spacy
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.tagger import Tagger

pytest.importorskip("spacy.vocab", reason="needs spaCy")

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "fixtures/sample/dev.json").read_text(encoding="utf-8").splitlines()
TEXTS = [json.loads(line)["text"] for line in LINES[:25]] + ["", " ", "张三\t在 北京。\n", "a b"]


@pytest.fixture(scope="module")
def spacy() -> Any:
    return import_spacy()


@pytest.fixture(scope="module")
def archive(repository: Path) -> Path:
    return fitted_archive(repository, "crf_tagger")


@pytest.fixture(scope="module")
def tagger(archive: Path) -> Tagger:
    return Tagger.from_path(archive, device=-1)


@pytest.fixture(scope="module")
def source(archive: Path, tagger: Tagger) -> ExportSource:
    backend: Any = tagger.backend
    config = json.loads((archive.parent / "config.json").read_text(encoding="utf-8"))
    return ExportSource(str(archive), backend.model, backend.reader, config)


@pytest.fixture(scope="module")
def exported(spacy: Any, source: ExportSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spacy") / "pipeline"
    details = export(source, folder, ExportOptions())
    assert details["language"] == "zh" and details["tokenizer"] == "characters"
    return folder


def in_ents(doc: Any) -> list[tuple]:
    return [(span.start_char, span.end_char, span.label_) for span in doc.ents]


def in_spans(doc: Any, key: str = "ner") -> list[tuple]:
    group = doc.spans[key]
    offsets, scores = group.attrs["offsets"], group.attrs["scores"]
    return [(*at, span.label_, score) for span, at, score in zip(group, offsets, scores, strict=True)]


def of(tagger: Tagger, text: str) -> list[tuple]:
    return [(entity.start, entity.end, entity.type) for entity in tagger([text])[0].entities]


def test_a_folder_that_spacy_loads_has_the_entities_of_the_tagger(
    spacy: Any, exported: Path, tagger: Tagger, tmp_path: Path
) -> None:
    moved = shutil.copytree(exported, tmp_path / "moved")
    nlp = spacy.load(moved)
    assert nlp.pipe_names == ["ner_plugins"]
    assert set(nlp.pipe_labels["ner_plugins"]) == set(tagger.backend.types)
    found = 0
    docs = [nlp(text) for text in TEXTS[:3]] + list(nlp.pipe(TEXTS[3:], batch_size=7))
    for text, doc in zip(TEXTS, docs, strict=True):
        expected = of(tagger, text)
        assert doc.text == text and in_ents(doc) == expected
        scores = [entity.score for entity in tagger([text])[0].entities]
        assert [one[:3] for one in in_spans(doc)] == expected
        assert [one[3] for one in in_spans(doc)] == pytest.approx(scores, abs=1e-5)
        found += len(expected)
    assert found > 20
    assert nlp.get_pipe("ner_plugins").path == str(moved / "ner_plugins/model.tar.gz")


def test_nothing_of_this_machine_is_in_the_folder(exported: Path, archive: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in exported.rglob("*") if path.suffix in (".cfg", ".json")]
    assert len(texts) >= 3 and not any(str(archive.parent) in text for text in texts)


def test_a_component_of_an_archive(spacy: Any, archive: Path, tagger: Tagger, tmp_path: Path) -> None:
    types = [next(entity for text in TEXTS for entity in tagger([text])[0].entities if entity.score > 0.5).type]
    config = {"path": str(archive), "types": types, "thresholds": 0.3, "spans_key": "mine", "device": -1}
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner_plugins", config=config)
    expected = tagger.with_options(types=types, thresholds=0.3)
    docs = list(nlp.pipe(TEXTS[:25]))
    assert [in_ents(doc) for doc in docs] == [of(expected, text) for text in TEXTS[:25]]
    assert any(in_spans(doc, "mine") for doc in docs)
    nlp.to_disk(tmp_path / "mine")
    again = spacy.load(tmp_path / "mine")
    assert [in_ents(doc) for doc in again.pipe(TEXTS[:25])] == [in_ents(doc) for doc in docs]
    assert again.get_pipe("ner_plugins").labels == tuple(types)
    again.to_disk(tmp_path / "mine")  # onto itself
    of_bytes = spacy.blank("zh")
    of_bytes.add_pipe("ner_plugins")
    of_bytes.from_bytes(again.to_bytes())
    assert in_ents(of_bytes(TEXTS[0])) == in_ents(docs[0])


def test_entities_inside_tokens_and_entities_that_overlap(
    spacy: Any, tagger: Tagger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ner_plugins.entities import Entity

    text = "서울에서 삼성전자 부장"
    entities = [Entity(0, 2, "LOC", 0.9), Entity(5, 9, "ORG", 0.8), Entity(5, 12, "PER", 0.7), Entity(5, 7, "ORG", 0.6)]
    monkeypatch.setattr(tagger, "find", lambda encoded: [entities] * len(encoded))
    component = NerComponent()
    component.use(tagger)
    nlp = spacy.blank("xx")
    with caplog.at_level(logging.WARNING):
        doc = component(nlp(text))
        list(component.pipe([nlp(text)]))
    assert in_ents(doc) == [(5, 12, "PER")]
    assert in_spans(doc) == [(e.start, e.end, e.type, e.score) for e in entities]
    assert [span.text for span in doc.spans["ner"]] == ["서울에서", "삼성전자", "삼성전자 부장", "삼성전자"]
    assert [r.message for r in caplog.records] == [
        f"2 entities of {text!r} begin or end inside a token of spaCy: they are in doc.spans['ner'] alone, not in "
        "doc.ents. A tokenizer that splits characters avoids it, as that of `allennlp ner-export --to spacy`"
    ]


def test_models_of_words_keep_the_words_of_the_language(spacy: Any, source: ExportSource, tmp_path: Path) -> None:
    from copy import copy
    from dataclasses import replace

    from ner_plugins.tokenizers import NerWordTokenizer

    reader = copy(source.reader)
    reader.tokenizer = NerWordTokenizer()
    details = export(replace(source, reader=reader), tmp_path / "en", ExportOptions(language="en"))
    assert (details["language"], details["tokenizer"]) == ("en", "words")
    assert [token.text for token in spacy.load(tmp_path / "en").make_doc("It isn't.")] == ["It", "is", "n't", "."]
    unknown = replace(source, config={"dataset_reader": {"type": "conll_ner"}})
    assert export(unknown, tmp_path / "any", ExportOptions())["language"] == "xx"
    with pytest.raises(ConfigError, match="--language klingon: spaCy cannot load"):
        export(unknown, tmp_path / "none", ExportOptions(language="klingon"))


def test_a_model_that_was_exported_to_onnx(spacy: Any, source: ExportSource, tagger: Tagger, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    pytest.importorskip("onnxscript", reason="needs onnxscript")
    from ner_plugins.exports.run import export as export_to

    export_to(source, str(tmp_path / "onnx"), "onnx", ExportOptions())
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner_plugins", config={"path": str(tmp_path / "onnx")})
    nlp.to_disk(tmp_path / "pipeline")
    shutil.rmtree(tmp_path / "onnx")
    again = spacy.load(tmp_path / "pipeline")
    assert [in_ents(doc) for doc in again.pipe(TEXTS[:9])] == [of(tagger, text) for text in TEXTS[:9]]


def test_the_command_writes_the_pipeline_with_a_card_whose_code_runs(
    spacy: Any, archive: Path, tagger: Tagger, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    overrides = '{"model.thresholds": 0.4}'
    arguments = (archive, "-o", tmp_path / "out", "--to", "spacy", "--language", "ko", "--overrides", overrides)
    run_here(NerExportCommand(), "ner-export", *arguments)
    nlp = spacy.load(tmp_path / "out")
    assert nlp.lang == "ko"
    expected = tagger.with_options(thresholds=0.4)
    assert [in_ents(nlp(text)) for text in TEXTS[:5]] == [of(expected, text) for text in TEXTS[:5]]
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "\nlanguage: ko\nlibrary_name: spacy\n" in card and 'spacy.load("out")' in card
    [program] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(program.replace("刘晓燕去了北京", TEXTS[0]), {})
    *entities, spans = capsys.readouterr().out.splitlines()
    found = expected([TEXTS[0]])[0].entities
    assert entities == [f"{entity.start} {entity.end} {entity.type} {entity.text}" for entity in found] != []
    assert spans.startswith(f"[({found[0].text}, 0.")


def test_spans_in_processes(spacy: Any, exported: Path, tagger: Tagger) -> None:
    component = spacy.load(exported).get_pipe("ner_plugins")
    again = pickle.loads(pickle.dumps(component))
    doc = again(spacy.blank("zh")(TEXTS[0]))
    assert in_ents(doc) == of(tagger, TEXTS[0])


# Before the model is loaded, and after the parent has used it.
IN_PROCESSES = """
import json, multiprocessing, sys
import spacy
multiprocessing.set_start_method("fork", force=True)  # the default of Linux before Python 3.14
_, folder, texts = sys.argv[1:]
texts = json.loads(texts)
nlp = spacy.load(folder)
for turn in range(2):
    docs = nlp.pipe(texts, n_process=2, batch_size=5)
    print(json.dumps([[[span.start_char, span.end_char, span.label_] for span in doc.ents] for doc in docs]))
    nlp(texts[0])
doc = list(nlp.pipe(texts[:9], n_process=2, batch_size=5))[0]
print(json.dumps([doc.spans["ner"].attrs[name] for name in ("offsets", "scores")]))
"""


@pytest.mark.exhaustive
def test_texts_are_shared_by_processes(exported: Path, tagger: Tagger, tmp_path: Path) -> None:
    [done] = run_ranks(IN_PROCESSES, tmp_path, str(exported), json.dumps(TEXTS), ranks=1)
    assert done.returncode == 0, done.stderr
    *turns, (offsets, scores) = map(json.loads, done.stdout.splitlines())
    assert turns == [[list(map(list, of(tagger, text))) for text in TEXTS]] * 2
    entities = tagger([TEXTS[0]])[0].entities
    assert offsets == [[entity.start, entity.end] for entity in entities]
    assert scores == pytest.approx([entity.score for entity in entities], abs=1e-5)


def test_without_a_model_the_remedy_is_told(spacy: Any, tmp_path: Path) -> None:
    nlp = spacy.blank("zh")
    nlp.add_pipe("ner_plugins")
    with pytest.raises(ConfigError, match=r'nlp.add_pipe\("ner_plugins", config='):
        nlp("张三")
    with pytest.raises(ArchiveError, match="not the folder of a spaCy component"):
        NerComponent().from_disk(tmp_path)
    absent = spacy.blank("zh")
    absent.add_pipe("ner_plugins", config={"path": str(tmp_path / "absent.tar.gz")})
    with pytest.raises((OSError, ConfigError), match="absent"):
        absent("张三")


def test_spacy_finds_the_component_and_the_tokenizer_by_entry_points(exported: Path, tmp_path: Path) -> None:
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    [points] = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "entry_points"]
    lines = [f"[{group}]\n" + "\n".join(names) for group, names in ast.literal_eval(points).items()]
    metadata = tmp_path / "ner_plugins_of_test-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ner_plugins_of_test\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("\n\n".join(lines) + "\n")
    code = (
        "import spacy, sys\nprint(spacy.load(sys.argv[1]).pipe_names, spacy.blank('zh').add_pipe('ner_plugins').path)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", code, str(exported)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert done.stdout.split() == ["['ner_plugins']", "None"], done.stderr
