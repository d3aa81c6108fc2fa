"""KoBERT's tokenizer against its published class, written out over SentencePiece; with offsets."""

import io
import json
import random
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2 as proto

from ner_plugins.errors import ConfigError
from ner_plugins.pretrained.sentencepiece_model import read_sentencepiece
from ner_plugins.pretrained.tokenizer import load_tokenizer, pieces_of_words, special_ids
from ner_plugins.tokenizers import NerSubwordTokenizer

SENTENCES = [
    "한별이는 3월 5일 미르시에 갔다.",
    "나는 서울에서 일하고 있다",
    "부산대학교 총장이 1,000원을 냈다",
    "삼성전자 주가가 2,500,000원이다",
    "the company said 3, 4 and 5,",
    "김철수는 오늘 서울에 왔다, 그리고 갔다.",
    "값이 비싸다! café Ａ１ 뷁",
]
BRACKETS = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "한별이는 서울값뷁가각0123,.'`\"abcé\u0301é㈜Ａ中 \t\u3000\u200b\u1100\u1161\U0001f600"
TEXTS = st.text(CHARACTERS, max_size=14) | st.sampled_from(SENTENCES)


def train(kind: str, **options: Any) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20), model_writer=model, vocab_size=130, model_type=kind, minloglevel=3,
        hard_vocab_limit=False, **options,
    )  # fmt: skip
    return model.getvalue()


@pytest.fixture(scope="module", params=["unigram", "bpe", "unigram-ids"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As monologg/kobert: ids from a vocab.txt of its own. As skt/kobert-base-v1 (`ids`): ids of the model itself."""
    path = tmp_path_factory.mktemp(request.param)
    kind, _, own_ids = request.param.partition("-")
    (path / "config.json").write_text(json.dumps({"model_type": "distilbert" if own_ids else "bert"}))
    if own_ids:
        model = train(kind, unk_piece="[UNK]", control_symbols=BRACKETS[1:], bos_id=-1, eos_id=-1, pad_id=-1)
        (path / "spiece.model").write_bytes(model)
        options = {"tokenizer_class": "XLNetTokenizer", "mask_token": {"content": "[MASK]", "lstrip": True}}
        (path / "tokenizer_config.json").write_text(json.dumps(options))
        return path
    (path / "tokenizer_78b3253a26.model").write_bytes(train(kind))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path / "tokenizer_78b3253a26.model"))
    pieces = [processor.IdToPiece(number) for number in range(processor.GetPieceSize())][3:]
    random.Random(1).shuffle(pieces)
    (path / "vocab.txt").write_text("\n".join([*BRACKETS, *pieces, "[unused1]", "▁한별이는"]) + "\n", encoding="utf-8")
    return path


class Published:
    """The published class, which has no offsets: `_tokenize` and `_convert_token_to_id`."""

    def __init__(self, folder: Path) -> None:
        (model,) = folder.glob("*.model")
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(model))
        vocabulary = folder / "vocab.txt"
        if vocabulary.exists():
            lines = vocabulary.read_text(encoding="utf-8").splitlines()
        else:
            lines = [self.model.IdToPiece(number) for number in range(self.model.GetPieceSize())]
        self.ids = {piece: number for number, piece in enumerate(lines)}

    def pieces(self, text: str) -> list[str]:
        text = " ".join(text.strip().split()).replace("``", '"').replace("''", '"')
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        found: list[str] = []
        for piece in self.model.EncodeAsPieces(text):
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                parts = self.model.EncodeAsPieces(piece[:-1].replace("▁", ""))
                if piece[0] != "▁" and parts[0][0] == "▁":
                    parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
                found += [*parts, ","]
            else:
                found.append(piece)
        return found

    def equal(self, found: list[int], expected: list[int]) -> bool:
        """Whether two lists of pieces are the same, or of the same text and score: ties are decided at random."""
        if found == expected:
            return True
        names = {number: piece for piece, number in self.ids.items()}
        scores, texts = [], []
        for ids in (found, expected):
            pieces = [names[number] for number in ids]
            scores.append(sum(self.model.GetScore(self.model.PieceToId(piece)) for piece in pieces))
            texts.append("".join(pieces))
        return texts[0] == texts[1] and abs(scores[0] - scores[1]) < 1e-4

    def __call__(self, text: str) -> list[int]:
        return [self.ids.get(piece, self.ids["[UNK]"]) for piece in self.pieces(text)]


def test_pieces_are_those_of_the_published_class(folder: Path) -> None:
    tokenizer, published = load_tokenizer(str(folder)), Published(folder)
    assert tokenizer.is_fast and tokenizer.unk_token_id == published.ids["[UNK]"]
    assert tokenizer.convert_tokens_to_ids(BRACKETS) == [published.ids[name] for name in BRACKETS]
    assert special_ids(tokenizer) == ([published.ids["[CLS]"]], [published.ids["[SEP]"]])

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(TEXTS)
    def check(text: str) -> None:
        assert published.equal(tokenizer(text, add_special_tokens=False)["input_ids"], published(text)), text

    check()


def normal(text: str) -> str:
    decomposed = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c) and c != "\u200b")
    return re.sub("``|''", '"', unicodedata.normalize("NFC", "".join(decomposed))).replace(" ", "")


def test_tokens_are_the_text_of_their_pieces(folder: Path) -> None:
    subwords, ids = NerSubwordTokenizer(str(folder)), Published(folder).ids
    names = {number: piece for piece, number in ids.items()}

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(TEXTS)
    def check(text: str) -> None:
        covered: list[int] = []
        for token in subwords.tokenize(text):
            assert text[token.idx : token.idx_end] == token.text
            covered += range(token.idx, token.idx_end)
            pieces = [names[number] for number in getattr(token, "piece_ids", [token.text_id])]
            assert "[UNK]" in pieces or "".join(pieces).replace("▁", "") == normal(token.text)
        assert covered == sorted(set(covered))
        lost = [text[place] for place in sorted(set(range(len(text))) - set(covered))]
        assert not any(normal(character).strip("`'\t") for character in lost)  # of two quotes the first stands for both

    check()


def test_words_and_subwords(folder: Path) -> None:
    tokenizer, published = load_tokenizer(str(folder)), Published(folder)
    words = ["한별이는", "서울에", "뷁", "5,", "中"]
    assert pieces_of_words(tokenizer, words) == [published(word) for word in words]
    text = "한별이는  1,000원을\t냈다"
    tokens = NerSubwordTokenizer(str(folder)).tokenize(text)
    assert "".join(token.text for token in tokens) == "".join(text.split())
    assert all(text[token.idx : token.idx_end] == token.text for token in tokens)
    assert len(tokens) > 3


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_model_files_are_read_as_protobuf_does(kind: str) -> None:
    content = train(kind)
    expected = proto.ModelProto.FromString(content)
    found = read_sentencepiece(content)
    assert found.pieces == [piece.piece for piece in expected.pieces]
    assert found.scores == {piece.piece: piece.score for piece in expected.pieces if piece.type in (1, 4)}
    assert (
        found.kind == expected.trainer_spec.model_type
        and found.charsmap == expected.normalizer_spec.precompiled_charsmap
    )
    for broken in (b"", b"{}", content[:100], b"version https://git-lfs.github.com/spec/v1\n"):
        with pytest.raises(ValueError, match="not a SentencePiece model"):
            read_sentencepiece(broken)


def test_other_folders_are_left_to_transformers_or_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "spiece.model").write_bytes(train("char"))
    with pytest.raises(ConfigError, match=r"cannot read the tokenizer .* the vocabulary has no piece \[UNK\]"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "vocab.txt").write_text("\n".join(BRACKETS))
    with pytest.raises(ConfigError, match="kind 4, which is neither Unigram nor BPE"):
        load_tokenizer(str(tmp_path))
