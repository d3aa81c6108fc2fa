"""The column corpora: their quirks in miniature, and every count of the real files."""

from collections import Counter
from pathlib import Path

import pytest

from ner_plugins.dataset_readers.columns.ccks_address import CcksAddressReader
from ner_plugins.dataset_readers.columns.presets import (
    Conll2003Reader,
    GermevalReader,
    MsraReader,
    OntoNotes4Reader,
    PeoplesDailyReader,
    ResumeReader,
    WeiboReader,
)
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError

FIXTURES = Path(__file__).parents[3] / "fixtures"


def surfaces(sentence):
    return [(sentence.text[e.start : e.end], e.type) for e in sentence.entities]


def read(reader, path):
    return list(reader.sentences(f"{FIXTURES}/{path}"))


def test_msra():
    train = read(MsraReader(), "msra#train")
    assert surfaces(train[0]) == [("顾明远", "PER"), ("青禾市", "LOC"), ("白塔港", "LOC")]
    assert surfaces(train[1])[1:] == [("沈砚秋", "PER"), ("林晓彤", "PER")]  # adjacent
    assert '<ADDREX0TYPE="PHONE">５５０</ADDREX>' in train[3].text and "２０２４年" in train[1].text
    assert train[0].source == f"{FIXTURES}/msra/msra_train_bio:1" and train[0].entities and train[2].entities == ()
    # No sentence is cut, however long.
    assert len(read(MsraReader(), "msra#test")[0].text) > 160


def test_msra_bmes_and_its_type_names():
    names = {"NR": "PER", "NS": "LOC", "NT": "ORG"}
    train, renamed = (read(MsraReader(rename_types=r), "msra_bmes#train") for r in (None, names))
    assert surfaces(train[3]) == [("白塔港海务局", "NT")]
    assert [[(s, names[t]) for s, t in surfaces(sentence)] for sentence in train] == list(map(surfaces, renamed))
    kept = read(MsraReader(rename_types=names, entity_types=["LOC"]), "msra_bmes#train")
    assert [surfaces(s) for s in kept] == [[p for p in surfaces(s) if p[1] == "LOC"] for s in renamed]
    with pytest.raises(ConfigError, match=r"rename_types names 'nr', but .* has only NR, NS, NT. Did you mean 'NR'"):
        read(MsraReader(rename_types={"nr": "PER", "NS": "LOC"}), "msra_bmes#train")


def test_msra_dev_is_drawn_from_train():
    def split(name, seed=1, fraction=0.4):
        reader = MsraReader(dev_fraction=fraction, dev_seed=seed)
        return Counter(s.text for s in reader.sentences(f"{FIXTURES}/msra#{name}"))

    assert split("train") + split("dev") == Counter(s.text for s in read(MsraReader(), "msra#train"))
    assert not set(split("train")) & set(split("dev"))  # "（完）" stands twice, on one side
    assert list(split("test")) == [s.text for s in read(MsraReader(), "msra#test")]


def test_peoples_daily_and_resume_and_ontonotes4():
    assert surfaces(read(PeoplesDailyReader(), "peoples_daily#train")[2]) == [("雾港商会", "ORG"), ("顾明远", "PER")]
    reader = ResumeReader()
    train = read(reader, "resume#train")
    # A sentence was cut inside an entity: each half is one, by the rule for illegal tags.
    assert surfaces(train[2]) == [("白塔", "ORG")] and surfaces(train[3]) == [("书局", "ORG"), ("编审", "TITLE")]
    assert reader.counts["repaired"] == 2
    assert [e for s in read(ResumeReader(illegal_tags="drop"), "resume#train")[2:] for _, e in surfaces(s)] == ["TITLE"]
    onto = read(OntoNotes4Reader(), "ontonotes4#train")
    assert onto[1].text == "他说 ， 云杉电台 不会搬走。" and surfaces(onto[1]) == [("云杉电台", "ORG")]
    assert surfaces(read(OntoNotes4Reader(), "ontonotes4#test")[0]) == [("青禾市", "GPE")]  # no blank line at the end


def test_weibo():
    reader = WeiboReader()
    train = read(reader, "weibo#train")
    assert train[0].text == "@小鱼10点到雾港，老板请客！" and train[1].text.endswith("来了\ufe0f")
    assert surfaces(train[0]) == [("小鱼", "PER.NAM"), ("雾港", "GPE.NAM"), ("老板", "PER.NOM")]
    assert train[3].text == "灯塔下的小店\ue415关了"
    # A destroyed emoji is one token; I- without B- opens an entity, and so does I- of another type.
    assert train[4].text == "看到阿宝在这\ufffd\ufffd街口" and reader.counts["repaired"] == 2
    assert surfaces(train[4]) == [("阿宝", "PER.NAM"), ("在", "LOC.NOM"), ("这", "PER.NOM"), ("街口", "LOC.NOM")]


@pytest.mark.parametrize("cell", ["科x", "科123", "科技0", "0科", "\ufffd\ufffd\ufffd0"])
def test_weibo_cells_that_are_none(tmp_path, cell):
    (tmp_path / "x").write_text(f"好0\tO\n{cell}\tO\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"x:2: .* is not a character and its place"):
        list(WeiboReader().sentences(str(tmp_path / "x")))
    (tmp_path / "x").write_text("好\tO\n1\tO\n", encoding="utf-8")  # an edition without places
    assert [s.text for s in WeiboReader().sentences(str(tmp_path / "x"))] == ["好1"]


def test_conll2003():
    train = read(Conll2003Reader(illegal_tags="strict"), "conll2003#train")
    assert [s.text for s in train][1:] == ["BOATS", "Ansel Shipping Radvik spoke Norvalian ."]
    assert surfaces(train[0]) == [("Mirela Dovan", "PER"), ("Port Ansel", "LOC"), ("Norvale", "LOC")]
    assert surfaces(train[2]) == [("Ansel Shipping", "ORG"), ("Radvik", "PER"), ("Norvalian", "MISC")]
    assert [s.text for s in read(Conll2003Reader(), "conll2003#dev")] == ["Radvik slept", "Rain"]
    assert [s.text for s in read(Conll2003Reader(), "conll2003#test")] == ["Norvale v Ansel", "1-0"]
    documents = read(Conll2003Reader(document_level=True), "conll2003#train")
    assert [d.text.count("\n") for d in documents] == [1, 0] and documents[0].text.endswith(" .\nBOATS")
    assert surfaces(documents[0]) == surfaces(train[0])


def test_germeval():
    reader = GermevalReader(illegal_tags="strict")
    train = read(reader, "germeval#train")
    assert surfaces(train[0]) == [("Ansler", "LOCderiv"), ("Hafenverein Port Ansel", "ORG"), ("Port Ansel", "LOC")]
    crossing = train[1].entities[1:]
    assert crossing[0].crosses(crossing[1]) and surfaces(train[1])[2] == ("Radvik & Söhne", "PER")
    # One span, two types
    assert surfaces(read(reader, "germeval#dev")[0]) == [("Norvale", "LOC"), ("Norvale", "ORG")]
    published = read(reader, "germeval_published#train")
    assert [s.text for s in published] == ["Mirela Dovan aus Port Ansel", "# Regen"]
    assert surfaces(published[0]) == [("Mirela Dovan", "PER"), ("Port Ansel", "LOC")]


def test_ccks_address(tmp_path):
    train = read(CcksAddressReader(illegal_tags="strict"), "ccks_address#train")
    assert surfaces(train[1]) == [("雾港市", "city"), ("海潮镇", "town"), ("望", "community"), ("A", "houseno")]
    test = read(CcksAddressReader(), "ccks_address#test")
    assert [(s.id, s.text, s.entities) for s in test] == [(1, "青禾市灯塔路17号", None), (2, "雾港市海潮镇", None)]
    path = tmp_path / "submission.txt"
    path.write_text("1\x01雾港市\x01B-city I-city E-city\na7\x01好\x01O\n", encoding="utf-8")
    found = list(CcksAddressReader().sentences(str(path)))
    assert [(s.id, s.entities, s.source) for s in found] == [
        (1, (Entity(0, 3, "city"),), f"{path}:1"), ("a7", (), f"{path}:2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\x01雾港\x01O", ":2: 1 tags for 2 characters"),
        ("雾港", ":2: 1 fields"),
        ("1\x01雾\x01O\x01O", ":2: 4 fields"),
        ("1\x01雾\x01Q", ":2: 'Q' is not a tag"),
        ("1\x01雾港\x01O I-city", ":2: I-city after O"),
    ],
)
def test_ccks_address_lines_that_cannot_be_read(tmp_path, line, message):
    path = tmp_path / "x.txt"
    path.write_text(f"0\x01好\x01O\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(CcksAddressReader(illegal_tags="strict").sentences(str(path)))


# Sentences, tokens, entities by type, longest sentence in tokens, sentences without entity, repaired entities.
REAL = [
    (MsraReader, "msra_bio#train", 45000, 2171573, "LOC 36860 ORG 20584 PER 17615", 746, 17442, 0),
    (MsraReader, "msra_bio#test", 3442, 172601, "LOC 2886 ORG 1331 PER 1973", 2427, 1467, 0),
    (MsraReader, "msra_bmes#train", 46364, 2169879, "NS 36517 NT 20571 NR 17615", 581, 18219, 0),
    (MsraReader, "msra_bmes#test", 4365, 172601, "NS 2877 NT 1331 NR 1973", 1475, 1966, 0),
    (PeoplesDailyReader, "peoples_daily#dev", 2318, 109870, "LOC 1951 ORG 984 PER 884", 568, 918, 0),
    (PeoplesDailyReader, "peoples_daily#test", 4636, 219197, "LOC 3658 ORG 2185 PER 1864", 577, 1832, 0),
    (WeiboReader, "weibo#train", 1350, 73778,
     "GPE.NAM 205 GPE.NOM 8 LOC.NAM 56 LOC.NOM 51 ORG.NAM 183 ORG.NOM 42 PER.NAM 578 PER.NOM 772",
     175, 612, 10),
    (WeiboReader, "weibo#dev", 270, 14509,
     "GPE.NAM 26 GPE.NOM 1 LOC.NAM 6 LOC.NOM 6 ORG.NAM 47 ORG.NOM 5 PER.NAM 90 PER.NOM 208",
     145, 123, 0),
    (WeiboReader, "weibo#test", 270, 14842,
     "GPE.NAM 47 GPE.NOM 2 LOC.NAM 19 LOC.NOM 9 ORG.NAM 39 ORG.NOM 17 PER.NAM 113 PER.NOM 172",
     146, 107, 4),
    (ResumeReader, "resume#train", 3821, 124099,
     "CONT 260 EDU 858 LOC 47 NAME 952 ORG 4613 PRO 287 RACE 115 TITLE 6308",
     178, 103, 4),
    (ResumeReader, "resume#dev", 463, 13890,
     "CONT 33 EDU 106 LOC 2 NAME 110 ORG 523 PRO 18 RACE 15 TITLE 690",
     178, 25, 0),
    (ResumeReader, "resume#test", 477, 15100,
     "CONT 28 EDU 112 LOC 6 NAME 112 ORG 553 PRO 33 RACE 14 TITLE 772",
     167, 16, 0),
    (Conll2003Reader, "conll2003#train", 14041, 203621, "LOC 7140 PER 6600 ORG 6321 MISC 3438", 113, 2909, 0),
    (Conll2003Reader, "conll2003#dev", 3250, 51362, "LOC 1837 PER 1842 ORG 1341 MISC 922", 109, 645, 0),
    (Conll2003Reader, "conll2003#test", 3453, 46435, "LOC 1668 PER 1617 ORG 1661 MISC 702", 124, 697, 0),
]  # fmt: skip


def tokens_of(reader, sentence):
    return len(sentence.text) if reader.layout.join == "" else sentence.text.count(" ") + 1


@pytest.mark.data
@pytest.mark.parametrize(("cls", "path", "sentences", "tokens", "types", "longest", "without", "repaired"), REAL)
def test_real_counts(shared_data, cls, path, sentences, tokens, types, longest, without, repaired):
    reader = cls()
    found = list(reader.sentences(f"{shared_data}/{path}"))
    names = types.split()
    assert len(found) == sentences and reader.counts["tokens"] == tokens
    expected = dict(zip(names[::2], map(int, names[1::2]), strict=True))
    assert Counter(e.type for s in found for e in s.entities) == expected
    assert max(tokens_of(reader, s) for s in found) == longest
    assert sum(not s.entities for s in found) == without and reader.counts["repaired"] == repaired


@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ("train", (24000, 452853, 31545, 56, 9948, 2466, 0, 1)),
        ("dev", (2200, 41653, 2886, 50, 866, 212, 0, 0)),
        ("test", (5100, 96499, 6693, 51, 2065, 512, 2, 1)),
    ],
)
def test_real_germeval(shared_data, split, counts):
    reader = GermevalReader(illegal_tags="strict")
    found = list(reader.sentences(f"{shared_data}/germeval2014#{split}"))
    pairs = [(a, b) for s in found for i, a in enumerate(s.entities) for b in s.entities[i + 1 :] if a.overlaps(b)]
    twice = sum((a.start, a.end) == (b.start, b.end) for a, b in pairs)
    crossing = sum(a.crosses(b) for a, b in pairs)
    assert counts == (
        len(found), reader.counts["tokens"], sum(len(s.entities) for s in found),
        max(s.text.count(" ") + 1 for s in found), sum(not s.entities for s in found),
        len(pairs) - crossing - twice, crossing, twice,
    )  # fmt: skip
    assert len({e.type for s in found for e in s.entities}) == 12


@pytest.mark.data
def test_real_msra_dev_split(shared_data):
    train, dev = (
        [s.text for s in MsraReader(dev_fraction=0.1, dev_seed=5).sentences(f"{shared_data}/msra_bio#{split}")]
        for split in ("train", "dev")
    )
    assert len(train) + len(dev) == 45000 and 4200 < len(dev) < 4800
    assert not set(train) & set(dev)


@pytest.mark.data
def test_real_documents(shared_data):
    reader = Conll2003Reader(document_level=True)
    paths = (f"{shared_data}/conll2003#{split}" for split in ("train", "dev", "test"))
    counts = [sum(1 for _ in reader.sentences(path)) for path in paths]
    assert counts == [946, 216, 231]
