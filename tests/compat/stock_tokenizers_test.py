"""AllenNLP's classes for pretrained transformers compute what they did with Transformers 4.41 (`fixtures/stock`)."""

import json
from pathlib import Path

import pytest
import stock_runs
from stock_values import FAMILIES, differences, expected, prepare, values_of, variant_values

from ner_plugins.compat.stock_tokenizers import build_inputs_with_special_tokens

FLOATS = 2e-5


@pytest.mark.parametrize("files", ["fast", "slow"])
@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_offsets_masks_windows_and_vectors(family: str, files: str, tmp_path: Path) -> None:
    found = values_of(prepare(family, files, tmp_path / family))
    assert differences(expected(family)[files], found, FLOATS)[:5] == []


def test_options_and_classes_of_tokenizers(tmp_path: Path) -> None:
    assert differences(expected("variants"), variant_values(tmp_path), FLOATS)[:5] == []


QUICK = [("bert", "tagging"), ("xlm-roberta", "classification"), ("deberta-v2", "tagging")]
RUNS = [(family, kind) for family, kinds in expected("runs").items() for kind in kinds]


@pytest.mark.parametrize(
    ("family", "kind"),
    [pytest.param(*run, marks=() if run in QUICK else pytest.mark.exhaustive) for run in RUNS],
)
def test_training_evaluation_and_prediction(family: str, kind: str, tmp_path: Path) -> None:
    found = stock_runs.run(kind, prepare(family, "fast", tmp_path / family), tmp_path / kind)
    assert differences(expected("runs")[family][kind], found, 1e-4)[:5] == []


def test_the_commands_run_such_an_experiment(allennlp, tmp_path: Path) -> None:
    settings = stock_runs.classification(prepare("bert", "fast", tmp_path / "bert"), tmp_path)
    config, lines, archive = tmp_path / "config.json", tmp_path / "lines.json", tmp_path / "run/model.tar.gz"
    config.write_text(json.dumps(settings), encoding="utf-8")
    lines.write_text('{"sentence": "张伟在北京大学读书。"}\n', encoding="utf-8")
    for command in (
        ("train", config, "-s", tmp_path / "run"),
        ("evaluate", archive, settings["train_data_path"], "--output-file", tmp_path / "evaluation.json"),
        ("predict", archive, lines, "--output-file", tmp_path / "predicted.json", "--silent"),
    ):
        done = allennlp(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    known = expected("runs")["bert"]["classification"]
    loss = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["loss"]
    predicted = json.loads((tmp_path / "predicted.json").read_text(encoding="utf-8"))
    assert loss == pytest.approx(known["evaluation"]["loss"], abs=1e-4)
    assert predicted["probs"] == pytest.approx(known["predictions"][0], abs=1e-4)


def test_the_vocabulary_of_a_transformer(tmp_path: Path) -> None:
    from allennlp.data import Vocabulary

    name = prepare("roberta", "fast", tmp_path / "roberta")
    vocabulary = Vocabulary.from_pretrained_transformer(name)
    assert vocabulary._oov_token == "<unk>"
    assert vocabulary.get_token_index("<mask>", "tokens") == 4


def test_special_pieces_of_a_pair(tmp_path: Path) -> None:
    from allennlp.common.cached_transformers import get_tokenizer

    tokenizer = get_tokenizer(prepare("roberta", "fast", tmp_path / "roberta"))
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert build_inputs_with_special_tokens(tokenizer, [7, 8]) == [start, 7, 8, end]
    assert build_inputs_with_special_tokens(tokenizer, [7], [9, 9]) == [start, 7, end, end, 9, 9, end]
    assert build_inputs_with_special_tokens(tokenizer, [], [7]) == [start, end, end, 7, end]


def test_a_tokenizer_is_loaded_once(tmp_path: Path) -> None:
    from allennlp.common.cached_transformers import get_tokenizer

    name = prepare("bert", "fast", tmp_path / "bert")
    with_special, without = get_tokenizer(name, add_special_tokens=True), get_tokenizer(name, add_special_tokens=False)
    assert with_special is without
    backend = without.backend_tokenizer
    get_tokenizer(name)
    assert without.backend_tokenizer is backend
