from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.guess import guess_reader
from ner_plugins.dataset_readers import ConllReader
from ner_plugins.dataset_readers.columns.notation import USUAL, TagNotation, detect_notation
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError
from ner_plugins.tag_schemes import SCHEMES, spans_to_tags

FIXTURES = Path(__file__).parents[3] / "fixtures" / "conll_naver"


@pytest.mark.parametrize(
    ("cells", "notation"),
    [
        ("O B-PER I-PER", USUAL),
        ("O O", USUAL),
        ("- B-PER", TagNotation(False, True)),
        ("PER_B PER_I -", TagNotation(True, True)),
        ("PER_B O", TagNotation(True, False)),
        ("PER-B ORG-I O", TagNotation(True, False)),
        ("PER/S B.C|E", TagNotation(True, False)),
        ("B-I I-B", USUAL),
        ("- -", None),
        ("- O", None),
        ("NNP VB", None),
        ("_B PER_X", None),
    ],
)
def test_detection(cells: str, notation: TagNotation | None) -> None:
    assert detect_notation(Counter(cells.split()), 1.0) == notation


def test_a_share_of_other_cells() -> None:
    cells = Counter({"PER_B": 90, "-": 8, "x": 2})
    assert detect_notation(cells, 0.95) == TagNotation(True, True) and detect_notation(cells, 0.99) is None


@given(
    st.lists(st.sampled_from(["PER", "B", "NAME.NOM", "가"]), min_size=1, max_size=4), st.sampled_from(SCHEMES),
    st.sampled_from("_-/|"), st.booleans(),
)  # fmt: skip
def test_the_normal_form_is_the_usual_one(types: list[str], scheme: str, separator: str, dash: bool) -> None:
    spans = [(3 * i, 3 * i + 1 + i % 3, type_) for i, type_ in enumerate(types)]
    tags = spans_to_tags(spans, 3 * len(types) + 1, scheme)
    written = ["-" if dash and tag == "O" else tag[2:] + separator + tag[0] if tag != "O" else tag for tag in tags]
    assert list(map(TagNotation(True, dash).normal, written)) == tags


def test_the_fixture() -> None:
    reader = ConllReader()
    sentences = [*reader.sentences(f"{FIXTURES}#train"), *reader.sentences(f"{FIXTURES}#dev")]
    assert [[(s.text[e.start : e.end], e.type) for e in s.entities or ()] for s in sentences] == [
        [("민준은", "PER"), ("어제", "DAT"), ("서울 시청에", "LOC")],
        [("한별 미르가", "PER"), ("가온대학교에서", "ORG")], [],
        [("내일", "DAT"), ("오후에", "TIM")],
    ]  # fmt: skip
    assert guess_reader(str(FIXTURES)).name == "conll_ner" and not reader.counts["repaired"]


def test_characters_and_illegal_tags(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("雾 LOC_I\n港 LOC_I\n的 -\n人 -\n\n晴 PER_B\n", encoding="utf-8")
    reader = ConllReader(scheme="BIO")
    assert [sentence.entities for sentence in reader.sentences(str(path))] == [
        (Entity(0, 2, "LOC"),), (Entity(0, 1, "PER"),),
    ]  # fmt: skip
    assert reader.counts["repaired"] == 1
    path.write_text("雾 LOC_B\n港 LOC_I\n" * 20 + "的 B-LOC\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.txt:41: 'B-LOC' is not a tag such as O and PER_B"):
        list(reader.sentences(str(path)))


def test_a_given_tag_column(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("한별 PER_B x\n왔다 - y\n", encoding="utf-8")
    (sentence,) = ConllReader(tag_columns=[1]).sentences(str(path))
    assert sentence.entities == (Entity(0, 2, "PER"),)
