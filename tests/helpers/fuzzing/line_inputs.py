"""Lines for `allennlp predict` and rows for `ner-bulk`."""

import functools
import json
import random
from pathlib import Path
from typing import Any

from fuzzing.mutations import WRONG, generated, mutated, value_changed
from fuzzing.outcomes import WrongOutcome, check_message
from ner_plugins.errors import NerError
from ner_plugins.predictors.line_prediction import LinePrediction
from ner_plugins.predictors.output_formats import OUTPUT_FORMATS
from ner_plugins.tagger import Tagger

ROOT = Path(__file__).resolve().parents[3]
_RECORDS: tuple[Any, ...] = (
    {"text": "雾港大学"}, {"sentence": "한별"}, {"text": "a", "id": 3}, {"text": "", "id": "x"},
    {"text": "a\nb", "sentence": "c", "id": None, "more": [{}]}, {"text": " 　", "id": [1, {"a": 2}]},
)  # fmt: skip
_TEXTS = ("雾港大学", "", " ", "한별 미르", "a\x00b", "\u202eabc", "é", "👩‍👩‍👧", "x" * 300, "我 B-X", "{", "<a:X>")


@functools.cache
def _predictor() -> Any:
    """The predictor of a small archive."""
    from allennlp.models.archival import load_archive
    from allennlp.predictors import Predictor

    return Predictor.from_archive(load_archive(ROOT / "fixtures/archives/crf_tagger.tar.gz"), "ner")


def compile_kernels() -> None:
    """Predict a text: compiling the kernels for the first time takes half a minute."""
    list(_predictor().predict_records([{"text": "雾港大学"}]))


class _WithoutModel:
    """Predicts no entity for any record, as the predictor would whose model finds none."""

    def predict_records(self, records: Any, **_: Any) -> Any:
        from ner_plugins.predictors.ner_predictor import text_of

        for record in records:
            yield {"id": record.get("id"), "text": text_of(record), "entities": []}


def some_lines(chance: random.Random) -> bytes:
    """A file of texts or JSON objects, most of them right."""
    lines = []
    is_json = chance.random() < 0.6
    for _ in range(chance.randrange(1, 8)):
        if is_json:
            record = chance.choice(_RECORDS)
            record = value_changed(record, chance, WRONG) if chance.random() < 0.4 else record
            lines.append(json.dumps(record, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass"))
        else:
            lines.append(chance.choice(_TEXTS).encode())
    data = chance.choice([b"\n", b"\n", b"\r\n"]).join(lines)
    data += chance.choice([b"", b"\n"])
    act = chance.random()
    return mutated(data, chance) if act < 0.4 else generated(chance) if act < 0.5 else data


def attack_lines(chance: random.Random, folder: Path) -> int:
    """One file of lines: as many come out as go in, each a line of JSON, or one of our own errors."""
    data = some_lines(chance)
    path = folder / chance.choice(["texts.txt", "texts.jsonl", "texts.json.gz"])
    path.write_bytes(data)
    real = len(data) < 500 and chance.random() < 0.03
    predictor = _predictor() if real else _WithoutModel()
    name = chance.choice(sorted(OUTPUT_FORMATS)) if real else "entities"
    tokens = predictor.tagger.backend.tokens if real else Tagger
    on_error = chance.choice(["raise", "skip"])
    prediction = LinePrediction(
        predictor,
        input_format=chance.choice(["json", "text"]),
        batch_size=None,
        on_error=on_error,
        to_line=OUTPUT_FORMATS[name](tokens),
        encoding=chance.choice([None, None, None, "gb18030", "utf-16"]),
    )
    try:
        lines = list(prediction.run(str(path)))
    except NerError as error:
        check_message(error)
    else:
        if len(lines) != prediction.lines - prediction.skipped or (prediction.skipped and on_error == "raise"):
            raise WrongOutcome(f"{prediction.lines} lines, {prediction.skipped} skipped, {len(lines)} predictions")
        for line in lines:
            line.encode()
            if name in ("entities", "cluener"):
                json.loads(line)
                if "\n" in line:
                    raise WrongOutcome(f"a prediction of several lines: {line!r}")
    path.unlink()
    return len(data)
