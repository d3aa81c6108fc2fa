from pathlib import Path

import pytest
from allennlp.data import DatasetReader
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers.klp import KlpReader
from ner_plugins.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "klp"
GOOD = "; 한별이 왔다.\n$<한별:PS>이 왔다.\n1\t한별\tNNP\tB_PS\n1\t이\tJKS\tO\n"


def surfaces(sentence):
    return [(sentence.text[e.start : e.end], e.type) for e in sentence.entities]


def test_fixture():
    reader = DatasetReader.by_name("klp")()
    train, dev, test = (list(reader.sentences(f"{FIXTURES}#{split}")) for split in ("train", "dev", "test"))
    assert reader.counts == {"tokens": 18 + 9 + 5}
    assert [surfaces(s) for s in train] == [[("한별", "PS")], [("미르 시장", "LC"), ("이틀", "DT")]]
    assert train[1].text == "미르 시장은 이틀 뒤 <달무리>를 본다." and train[1].source == f"{FIXTURES}/ner.train:10"
    assert [surfaces(s) for s in dev] == [[("새벽", "TI"), ("해솔전자", "OG"), ("가온", "PS")]]
    assert [(s.text, s.entities) for s in test] == [("눈이 온다.", ())]


@pytest.mark.parametrize(
    "change, line, message",
    [
        (("; ", ""), 1, "'한별이 왔다.' as line 1 of a block"),
        (("$<", "<"), 2, "as line 2 of a block"),
        ((GOOD[GOOD.index("$") :], ""), 1, "the block ends here"),
        (("이\tJKS\tO", "이\tJKS"), 4, "3 columns"),
        (("PS>이", "PS>가"), 2, "at character 7 '가"),
        (("한별:PS", "한별:PER"), 2, "unknown type 'PER'"),
    ],
)
def test_bad_blocks(tmp_path, change, line, message):
    bad = GOOD.replace(*change)
    path = tmp_path / "ner.train"
    path.write_text(f"{GOOD}\n{bad}\n{GOOD}", encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        list(KlpReader().sentences(str(path)))
    assert (caught.value.path, caught.value.line) == (str(path), 5 + line) and caught.value.remedy
    reader = KlpReader(on_error="skip")
    assert [surfaces(s) for s in reader.sentences(str(path))] == [[("한별", "PS")]] * 2
    assert reader.counts["skipped"] == 1 and reader.counts["tokens"] == 4


@settings(max_examples=100)
@given(data=st.data())
def test_mutated_files_raise_data_errors_only(tmp_path_factory, data):
    blob = bytearray((FIXTURES / "ner.train").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.getbasetemp() / "mutated.train"
    path.write_bytes(blob)
    for options in ({}, {"on_error": "skip", "encoding_errors": "replace"}):
        try:
            for sentence in KlpReader(**options).sentences(str(path)):
                assert all(0 <= e.start < e.end <= len(sentence.text) for e in sentence.entities)
        except DataError as error:
            assert str(path) in str(error)
