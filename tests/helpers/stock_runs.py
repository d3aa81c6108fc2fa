"""
Experiments of AllenNLP's own parts alone over a pretrained transformer: trained, evaluated and used for prediction,
with Transformers 4.41 for `scripts/stock_fixtures.py` and with the installed version in the tests that compare.
"""

import json
from pathlib import Path
from typing import Any

_TAGGED = """张###PER 伟###PER 在###O 北###LOC 京###LOC 工###O 作###O
김철수###PER 는###O 서울###LOC 에서###O 일한다###O
Two###O words###O in###O CAFÉ###LOC .###O
李###PER 娜###PER 去###O 了###O 上###LOC 海###LOC
"""
_CLASSIFIED = (
    ("张伟在北京大学读书。", "study"),
    ("李娜在上海工作。", "work"),
    ("학생은 대학교에 있다.", "study"),
    ("김철수는 서울에서 일한다.", "work"),
)

_COMMON: dict[str, Any] = {
    "random_seed": 1,
    "numpy_seed": 2,
    "pytorch_seed": 3,
    "data_loader": {"batch_size": 2, "shuffle": False},
    "trainer": {
        "num_epochs": 3,
        "cuda_device": -1,
        "optimizer": {"type": "sgd", "lr": 0.05},
        "run_confidence_checks": False,
    },
}


def tagging(model_name: str, folder: Path) -> dict[str, Any]:
    """`simple_tagger` over the vectors of words, in windows."""
    data = folder / "tagged.tsv"
    data.write_text(_TAGGED.replace(" ", "\t"), encoding="utf-8")
    part = {"type": "pretrained_transformer_mismatched", "model_name": model_name, "max_length": 6}
    return {
        **_COMMON,
        "dataset_reader": {"type": "sequence_tagging", "token_indexers": {"pieces": part}},
        "train_data_path": str(data),
        "validation_data_path": str(data),
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"pieces": part}},
            "encoder": {"type": "pass_through", "input_dim": 8},
            # The same at the start, whatever random numbers a version draws before.
            "initializer": {
                "regexes": [["projection.*weight", {"type": "eye"}], ["projection.*bias", {"type": "zero"}]]
            },
        },
    }


def classification(model_name: str, folder: Path) -> dict[str, Any]:
    """`basic_classifier` over the pooled vector of a text."""
    data = folder / "classified.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in _CLASSIFIED]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part = {"type": "pretrained_transformer", "model_name": model_name}
    return {
        **_COMMON,
        "dataset_reader": {
            "type": "text_classification_json",
            "tokenizer": {**part, "max_length": 12},
            "token_indexers": {"pieces": {**part, "namespace": "tokens"}},
        },
        "train_data_path": str(data),
        "validation_data_path": str(data),
        "model": {
            "type": "basic_classifier",
            "text_field_embedder": {"token_embedders": {"pieces": part}},
            "seq2vec_encoder": {"type": "bert_pooler", "pretrained_model": model_name},
            "initializer": {
                "regexes": [["_classification.*weight", {"type": "eye"}], ["_classification.*bias", {"type": "zero"}]]
            },
        },
    }


KINDS = {"tagging": tagging, "classification": classification}


def run(kind: str, model_name: str, folder: Path) -> dict[str, Any]:
    """Train in `folder/run`, then evaluate and predict with the archive; the figures of each step."""
    from allennlp.commands.train import train_model
    from allennlp.common import Params
    from allennlp.data.data_loaders import SimpleDataLoader
    from allennlp.evaluation import Evaluator
    from allennlp.models import load_archive

    folder.mkdir(parents=True, exist_ok=True)
    experiment = KINDS[kind](model_name, folder)
    train_model(Params(json.loads(json.dumps(experiment))), str(folder / "run"))
    metrics = json.loads((folder / "run/metrics.json").read_text(encoding="utf-8"))
    archive = load_archive(str(folder / "run/model.tar.gz"))
    instances = list(archive.validation_dataset_reader.read(experiment["train_data_path"]))
    loader = SimpleDataLoader(instances, 2)
    loader.index_with(archive.model.vocab)
    evaluation = Evaluator.by_name("simple")()(archive.model, loader)
    key = "class_probabilities" if kind == "tagging" else "probs"
    predictions = [output[key].tolist() for output in archive.model.forward_on_instances(instances)]
    return {
        "metrics": {name: value for name, value in metrics.items() if "loss" in name or "accuracy" in name},
        "evaluation": evaluation,
        "predictions": predictions,
    }
