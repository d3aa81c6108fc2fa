import gzip
import io
import random
import re
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.brackets import from_brackets, to_brackets
from ner_plugins.dataset_readers.kmou import KmouReader
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "kmou"
FOLDER = "말뭉치 - 형태소_개체명"
GOOD = (
    "## 1\n## 한별이 왔다.\n## <한별:PER>이 왔다.\n"
    "한별\t한별\tNNP\tB-PER\n이\t이\tJKS\tO\n_\t_\t_\tO\n왔\t오+았\tVV+EP\tO\n다\t다\tEF\tO\n.\t.\tSF\tO\n"
)


def surfaces(sentence):
    return [(sentence.text[e.start : e.end], e.type) for e in sentence.entities]


def read(path, **options):
    reader = KmouReader(**options)
    return {s.id: s for s in reader.sentences(str(path))}, reader.counts


def test_fixture_by_annotated_line():
    found, counts = read(f"{FIXTURES}#train")
    assert list(found) == [
        *(f"00002_NER:{n}" for n in range(1, 7)),
        *(f"00105_NER:{n}" for n in range(1, 6)),
        *(f"EXOBRAIN_NE_CORPUS_002:{n}" for n in (1, 2)),
    ]
    assert counts == {"tokens": 177}
    first = found["00002_NER:1"]
    assert first.text == "한별이는 3월 5일 미르시에 갔다." == found["00002_NER:6"].text
    assert first.entities == (Entity(0, 2, "PER"), Entity(5, 10, "DAT"), Entity(11, 14, "LOC"))
    assert first.source == f"{FIXTURES}/00002_NER.txt:1" and found["00002_NER:2"].source.endswith("_NER.txt:22")
    assert {id_: surfaces(found[id_]) for id_ in list(found)[1:]} == {
        "00002_NER:2": [("해솔전자", "ORG"), ("윤슬", "PER"), ("12:30", "TIM")],
        "00002_NER:3": [("미르구", "LOC"), ("2박 3일", "DUR")],
        "00002_NER:4": [("dal_bit", "POH")],
        "00002_NER:5": [("푸른\u00ad숲", "ORG"), ("이틀", "DUR")],
        "00002_NER:6": surfaces(first),
        "00105_NER:1": [("달무리", "POH"), ("두 편", "NOH")],
        "00105_NER:2": [("<7>", "NOH")],
        "00105_NER:3": [("02-11-22", "POH"), ("새벽별", "ORG")],
        "00105_NER:4": [("가람", "ORG"), ("누리", "ORG"), ("다솜", "ORG")],
        "00105_NER:5": [("이든", "PER")],
        "EXOBRAIN_NE_CORPUS_002:1": [("늘봄", "PER"), ("9000원", "MNY"), ("8.5점", "PNT")],
        "EXOBRAIN_NE_CORPUS_002:2": [],
    }


def test_fixture_by_tags():
    lines, _ = read(f"{FIXTURES}#train")
    tags, counts = read(f"{FIXTURES}#train", annotation="tags")
    assert [(s.id, s.text, s.source) for s in lines.values()] == [(s.id, s.text, s.source) for s in tags.values()]
    assert {id_: surfaces(s) for id_, s in tags.items() if s.entities != lines[id_].entities} == {
        "00002_NER:3": [("2박 3", "DUR")],  # both entities end inside a morpheme
        "00002_NER:5": [("푸른\u00ad숲", "ORG"), (" 이틀", "DUR")],  # B- on a space
    }
    assert counts == {"tokens": 177}


def test_fixture_dev():
    found, _ = read(f"{FIXTURES}#dev")
    assert {id_: surfaces(s) for id_, s in found.items()} == {
        "EXOBRAIN_NE_CORPUS_009:1": [("노을", "PER"), ("물빛팀", "ORG"), ("세 골", "NOH")],
        "EXOBRAIN_NE_CORPUS_010:1": [("오전 9시", "TIM"), ("물빛", "LOC")],
        "EXOBRAIN_NE_CORPUS_010:2": [("한별", "PER"), ("3월 5일", "DAT"), ("미르시", "LOC")],
    }
    with pytest.raises(DataError, match=r"without a split 'test'.*#train, .*#dev"):
        read(f"{FIXTURES}#test")


def wrappings(folder):
    """The corpus in an archive whose folders have other text files too, and in a folder of compressed files."""
    names = sorted(path.name for path in FIXTURES.glob("*.txt"))
    with tarfile.open(folder / "k.tar.gz", "w:gz") as tar:
        tar.add(FIXTURES / "LICENSE", "k/LICENSE")
        tar.add(FIXTURES / "LICENSE", "k/README.txt")
        for name in names[::-1]:
            tar.add(FIXTURES / name, f"k/{FOLDER}/{name}")
        tar.add(FIXTURES / "LICENSE", f"k/{FOLDER}/LICENSE.txt")
    (folder / "compressed").mkdir()
    with zipfile.ZipFile(folder / "k.zip", "w") as archive:
        for name in names:
            archive.write(FIXTURES / name, f"{FOLDER}/{name}")
            (folder / "compressed" / f"{name}.gz").write_bytes(gzip.compress((FIXTURES / name).read_bytes()))
    return [f"{folder}/{name}" for name in ("k.tar.gz", "k.zip", "compressed", f"k.tar.gz!k/{FOLDER}")]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_wrappings_give_the_same_sentences(tmp_path, split):
    expected = [(s.id, s.text, s.entities) for s in read(f"{FIXTURES}#{split}")[0].values()]
    for path in wrappings(tmp_path):
        assert [(s.id, s.text, s.entities) for s in read(f"{path}#{split}")[0].values()] == expected, path


def test_one_file_of_other_names_and_line_ends(tmp_path):
    data = (FIXTURES / "00105_NER.txt").read_bytes()
    expected = [(s.text, s.entities) for s in read(FIXTURES / "00105_NER.txt")[0].values()]
    assert len(expected) == 5
    for changed in (
        b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
        data.rstrip(b"\n"),
        b"\n \n" + data.replace(b"\n\n", b"\n\n\t\n\n"),
    ):
        (tmp_path / "any.name").write_bytes(changed)
        assert [(s.text, s.entities) for s in read(tmp_path / "any.name")[0].values()] == expected
    (tmp_path / "k.tar.gz").write_bytes(archive_of({"a/only.txt": data}))
    assert list(read(f"{tmp_path}/k.tar.gz#train")[0]) == [f"only:{n}" for n in range(1, 6)]


def archive_of(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


BAD = {
    "no number": (("## 1\n", "## 한별\n"), 1, "'## 한별' as line 1 of a block"),
    "no raw line": (("## 한별이 왔다.\n", ""), 3, r"'한별\\t한별\\tNNP\\tB-PER' as line 3 of a block"),
    "no annotated line": (("## <한별:PER>이 왔다.\n", "<한별:PER>이 왔다.\n"), 3, "as line 3 of a block"),
    "headers alone": ((GOOD[GOOD.index("한별\t") :], ""), 3, "the block ends here, without a morpheme"),
    "two lines": ((GOOD[GOOD.index("## <") :], ""), 2, "the block ends here .expected ## SENTENCE"),
    "a blank line in it": (("_\t_\t_\tO\n", "_\t_\t_\tO\n\n"), 6, "the morphemes end, but.*goes on with '왔다.'"),
    "three columns": (("이\t이\tJKS\tO", "이\t이\tO"), 5, "3 columns"),
    "five columns": (("이\t이\tJKS\tO", "이\t이\tJKS\tO\tO"), 5, "5 columns"),
    "spaces for tabs": (("이\t이\tJKS\tO", "이 이 JKS O"), 5, "1 columns"),
    "no blank line between": (("다\t다", "## 2\n다\t다"), 8, "a new block, '## 2', after a line of another"),
    "other morpheme": (("왔\t오", "갔\t오"), 7, "the morpheme '갔', where the raw line has '왔다.'.*.line 12."),
    "underscore for a space": (("_\t_\t_\tO", "_\t_\tSW\tO"), 6, "the morpheme '_', where the raw line has ' 왔다.'"),
    "empty morpheme": (("이\t이\tJKS", "\t이\tJKS"), 5, "the morpheme '', where"),
    "morpheme too many": ((".\t.\tSF\tO", ".\t.\tSF\tO\n.\t.\tSF\tO"), 10, "the morpheme '.', .*has ended"),
    "morpheme too few": (("\n.\t.\tSF\tO", ""), 8, "the morphemes end, but the raw line goes on with '.'"),
    "annotated line differs": (("PER>이 왔", "PER>가 왔"), 3, "at character 8 '가 왔다.', where the text has '이"),
    "bracket not closed": (("별:PER>", "별:PER"), 3, "at character 3 ':PER이 왔다.'"),
    "unknown type": (("별:PER>", "별:EVT>"), 3, "unknown type 'EVT' at character 4.*option types"),
}


def with_bad_block(path, change):
    bad = GOOD.replace(*change)
    assert bad != GOOD
    path.write_text(f"{GOOD}\n{bad}\n{GOOD}", encoding="utf-8")
    return len(GOOD.split("\n"))  # lines before the bad block


@pytest.mark.parametrize("name", BAD)
def test_bad_blocks(tmp_path, name):
    change, line, message = BAD[name]
    path = tmp_path / "f.txt"
    before = with_bad_block(path, change)
    with pytest.raises(DataError, match=message) as caught:
        list(KmouReader().sentences(str(path)))
    error = caught.value
    assert (error.path, error.line) == (str(path), before + line) and error.expected and error.remedy
    skipping = KmouReader(on_error="skip")
    found = list(skipping.sentences(str(path)))
    assert [found[0].source, found[-1].source] == [f"{path}:1", f"{path}:{last_block(path)}"]
    assert len(found) == 2 and skipping.counts["skipped"] == (2 if name == "a blank line in it" else 1)
    assert skipping.counts["tokens"] == 12


def last_block(path):
    """The line in which the file's last block begins."""
    text = path.read_text(encoding="utf-8")
    return text.count("\n", 0, text.rindex(GOOD)) + 1


TAGS = {
    "no tag": (("B-PER", "PER"), 4, "the tag 'PER'"),
    "unknown type": (("B-PER", "B-EVT"), 4, "the tag 'B-EVT'.*option types"),
    "other scheme": (("B-PER", "S-PER"), 4, "the tag 'S-PER'"),
    "empty": (("NNP\tB-PER", "NNP\t"), 4, "the tag ''"),
    "long": (("B-PER", "B-" + "9" * 5000), 4, r"the tag 'B-9{74}\.\.\. \(expected"),
}


@pytest.mark.parametrize("name", TAGS)
def test_bad_tags(tmp_path, name):
    change, line, message = TAGS[name]
    path = tmp_path / "f.txt"
    before = with_bad_block(path, change)
    with pytest.raises(DataError, match=message) as caught:
        list(KmouReader(annotation="tags").sentences(str(path)))
    assert caught.value.line == before + line
    assert [surfaces(s) for s in KmouReader().sentences(str(path))] == [[("한별", "PER")]] * 3
    found, counts = read(path, annotation="tags", on_error="skip")
    assert len(list(found)) == 1 and counts["skipped"] == 1  # both good blocks are number 1


@pytest.mark.parametrize("rule, entities", [("repair", [("이", "PER")]), ("drop", []), ("strict", None)])
def test_illegal_tags(tmp_path, rule, entities):
    path = tmp_path / "f.txt"
    path.write_text(GOOD.replace("B-PER", "O").replace("JKS\tO", "JKS\tI-PER"), encoding="utf-8")
    reader = KmouReader(annotation="tags", illegal_tags=rule)
    heard = []
    reader.listener = heard.append
    if rule == "strict":
        with pytest.raises(DataError, match=r"f\.txt:5: illegal tag: I-PER after O.*illegal_tags"):
            list(reader.sentences(str(path)))
        return
    assert [surfaces(s) for s in reader.sentences(str(path))] == [entities]
    assert reader.counts[{"repair": "repaired", "drop": "dropped"}[rule]] == 1
    assert [error.line for error in heard] == [5] and "I-PER after O" in str(heard[0])


def test_more_types(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text(GOOD.replace("PER", "EVT.X"), encoding="utf-8")
    for annotation in ("brackets", "tags"):
        found, _ = read(path, annotation=annotation, types=["EVT.X", "PER"])
        assert surfaces(found["f:1"]) == [("한별", "EVT.X")]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"annotation": "tag"}, r'annotation is "tag"; it can be brackets or tags\. Did you mean tags\?'),
        ({"illegal_tags": "mend"}, 'illegal_tags is "mend"; it can be repair, strict or drop'),
    ],
)
def test_wrong_choices(options, message):
    with pytest.raises(ConfigError, match=message):
        DatasetReader.from_params(Params({"type": "kmou", **options}))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"types": "EVT"}, "types is 'EVT', but must list"),
        ({"types": ["a>"]}, "must list names of types"),
        ({"types": [""]}, "must list names of types"),
    ],
)
def test_wrong_types(options, message):
    with pytest.raises(ConfigError, match=message):
        KmouReader(**options)


def test_instances():
    reader = DatasetReader.from_params(Params({"type": "kmou", "annotation": "tags", "on_error": "skip"}))
    instances = list(reader.read(f"{FIXTURES}#dev"))
    assert isinstance(reader, KmouReader) and len(instances) == 3
    metadata = instances[0]["metadata"].metadata
    assert metadata["id"] == "EXOBRAIN_NE_CORPUS_009:1" and metadata["entities"][0] == {
        "start": 0, "end": 2, "type": "PER",
    }  # fmt: skip


def test_a_bad_line_belongs_to_its_block(tmp_path):
    """The parser yields a block before it takes a line of the next one: an undecodable line costs one block."""
    path = tmp_path / "f.txt"
    data = GOOD.encode()
    path.write_bytes(data + b"\n" + data.replace("다\t다".encode(), b"\xff\t\xff") + b"\n" + data)
    found = list(KmouReader(on_error="skip").sentences(str(path)))
    assert [s.source.rpartition(":")[2] for s in found] == ["1", "21"]


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_and_random_files_raise_data_errors_only(tmp_path_factory, data):
    name = data.draw(st.sampled_from(["00002_NER.txt", "00105_NER.txt", "EXOBRAIN_NE_CORPUS_002.txt", None]))
    blob = bytearray((FIXTURES / name).read_bytes() if name else data.draw(st.binary(max_size=200)))
    for _ in range(data.draw(st.integers(1, 8)) if name else 0):
        at = data.draw(st.integers(0, len(blob) - 1))
        blob[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4) | st.sampled_from([b"\n", b"<"]))
    path = tmp_path_factory.getbasetemp() / "mutated.txt"
    path.write_bytes(blob)
    for options in ({}, {"on_error": "skip"}, {"annotation": "tags", "on_error": "skip", "encoding_errors": "replace"}):
        try:
            for sentence in KmouReader(**options).sentences(str(path)):
                assert all(0 <= e.start < e.end <= len(sentence.text) for e in sentence.entities)
        except DataError as error:
            assert str(path) in str(error)


# The real corpus.

REAL = {
    (
        "train",
        "brackets",
    ): "PER 17791 ORG 16464 NOH 15302 POH 8181 LOC 7688 DAT 6511 PNT 1846 MNY 1599 DUR 1536 TIM 464",
    ("train", "tags"): "PER 17691 ORG 16413 NOH 15220 POH 8173 LOC 7667 DAT 6507 PNT 1845 MNY 1599 DUR 1536 TIM 464",
    ("dev", "brackets"): "NOH 1010 PER 856 ORG 797 POH 215 LOC 206 DAT 182 PNT 60 DUR 50 MNY 20 TIM 19",
    ("dev", "tags"): "NOH 1007 PER 853 ORG 795 POH 214 LOC 206 DAT 182 PNT 60 DUR 50 MNY 20 TIM 19",
}
TOTALS = {
    ("train", "brackets"): 77382, ("train", "tags"): 77115, ("dev", "brackets"): 3415, ("dev", "tags"): 3406,
}  # fmt: skip
SIZES = {"train": (23033, 1_010_427, 1970), "dev": (931, 36_906, 202)}


@pytest.fixture(scope="module")
def real_tar(shared_data):
    return shared_data / "kmou" / "kmou_ner.tar.gz"


@pytest.fixture(scope="module")
def real(real_tar):
    """For each split and annotation the sentences and the reader's counts."""
    found = {}
    for split, annotation in REAL:
        reader = KmouReader(annotation=annotation)
        found[split, annotation] = list(reader.sentences(f"{real_tar}#{split}")), reader.counts
    return found


@pytest.mark.data
@pytest.mark.parametrize("split, annotation", REAL)
def test_real_counts(real, split, annotation):
    sentences, counts = real[split, annotation]
    words = REAL[split, annotation].split()
    assert Counter(e.type for s in sentences for e in s.entities) == dict(
        zip(words[::2], map(int, words[1::2]), strict=True)
    )
    assert sum(len(s.entities) for s in sentences) == TOTALS[split, annotation]
    assert (len(sentences), counts["tokens"], max(len(s.text) for s in sentences)) == SIZES[split]
    assert set(counts) == {"tokens"}
    assert all(s.text[e.start : e.end] for s in sentences for e in s.entities)


@pytest.mark.data
def test_real_quirks(real):
    (train, _), (dev, _) = real["train", "brackets"], real["dev", "brackets"]
    by_source = {s.source.rpartition("/")[2]: s for s in train}
    assert len(by_source) == len(train)
    found = by_source["10232_NER.txt:636"]
    assert surfaces(found) == [("<2>", "NOH")] and found.text.startswith("<2> ") and found.id == "10232_NER:13"
    assert sum(s.id.startswith("EXOBRAIN_NE_CORPUS_002:") for s in train) and by_source["EXOBRAIN_NE_CORPUS_002.txt:1"]
    texts = Counter(s.text for s in train)
    assert len(train) - len(texts) == 249 and len({s.text for s in dev} & set(texts)) == 1
    assert sum("\u00ad" in s.text for s in (*train, *dev)) and len({s.id for s in (*train, *dev)}) == 23_964
    differing = {"train": 632, "dev": 27}
    for split, count in differing.items():
        pairs = zip(real[split, "brackets"][0], real[split, "tags"][0], strict=True)
        assert sum(a.entities != b.entities for a, b in pairs) == count


@pytest.mark.data
def test_real_round_trips(real, real_tar):
    annotated = {}  # by file and line of the block
    with tarfile.open(real_tar) as tar:
        for member in tar:
            if member.name.endswith(".txt"):
                lines = tar.extractfile(member).read().decode("utf-8-sig").split("\n")
                for at in range(len(lines) - 2):
                    if re.match(r"## \d+$", lines[at]) and (at == 0 or not lines[at - 1]):
                        annotated[f"{member.name.rpartition('/')[2]}:{at + 1}"] = lines[at + 2][3:]
    literal = 0
    for sentence in (*real["train", "brackets"][0], *real["dev", "brackets"][0]):
        line = to_brackets(sentence.text, sentence.entities)
        assert from_brackets(line) == (sentence.text, list(sentence.entities))
        own = annotated.pop(sentence.source.rpartition("/")[2])
        if re.search(r"[<>\\]", sentence.text):
            literal += 1
        else:
            assert line == own
        # The same without escapes, whatever the text holds: the walk found a reading of the file's own line.
        assert re.sub(r"\\(.)", r"\1", line) == own
    assert not annotated and literal == 23


@pytest.mark.data
def test_real_time(real_tar):
    start = time.process_time()
    assert sum(1 for split in ("train", "dev") for _ in KmouReader().sentences(f"{real_tar}#{split}")) == 23_964
    assert time.process_time() - start < 15


@pytest.mark.data
def test_real_files_mutated(real_tar, tmp_path):
    draw = random.Random(0)
    with tarfile.open(real_tar) as tar:
        members = [member for member in tar if member.name.endswith(".txt")]
        for member in draw.sample(members, 30):
            blob = bytearray(tar.extractfile(member).read())
            for _ in range(20):
                at = draw.randrange(len(blob))
                blob[at : at + draw.randrange(3)] = bytes(draw.choices(b"<>:\n\t_\xff#", k=draw.randrange(3)))
            path = tmp_path / "mutated.txt"
            path.write_bytes(blob)
            for annotation in ("brackets", "tags"):
                reader = KmouReader(annotation=annotation, on_error="skip")
                assert list(reader.sentences(str(path))) and reader.counts["skipped"]
