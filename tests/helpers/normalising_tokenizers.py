"""Makes tokenizers of every kind over every normaliser, as the folders that pretrained ones come in. No network."""

import functools
import json
import unicodedata
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

# What normalisers change, and how: composed and taken apart, lower-cased to more characters, compatibility forms
# of one character for several, half and full width, removed or turned into a space, joined emoji, white space.
HANGUL = "한국은뷁서울각값"
JAMO = "".join(dict.fromkeys(unicodedata.normalize("NFD", HANGUL)))
CHANGING = "İẞŉﬁ㈜½…ＡＢ１éÉÅｶﾞｱㅋㅏﾡￂ①"
MARKS = "\u0301\u0307"  # of one class, so that no normal form reorders them
REMOVED = "\u00ad\u200b\u200d\u2060\ufeff\x00\x1b\x7f\ufe0f"
EMOJI = "❤️👨\u200d👩\u200d👧👍🏽"
SPACES = " \t\n\r\x0b\x1c\x85\u00a0\u2003\u2028\u3000"
PLAIN = "abcABC12(),.-我在北京"
ALPHABET = HANGUL + JAMO + CHANGING + MARKS + REMOVED + EMOJI + SPACES + PLAIN

_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def _bert(**options: Any) -> Any:
    return normalizers.BertNormalizer(**options)


WORD_PIECE = {
    "plain": lambda: None,
    "nfc": normalizers.NFC,
    "nfd": normalizers.NFD,
    "nfkc": normalizers.NFKC,
    "nfkd": normalizers.NFKD,
    "lower": normalizers.Lowercase,
    "bert": _bert,
    "bert-cased": functools.partial(_bert, lowercase=False),
    "bert-accents": functools.partial(_bert, strip_accents=False),
    "strip-compose": lambda: normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.NFC()]
    ),
}
UNIGRAM = {
    "metaspace": lambda: None,
    "sentencepiece": lambda: _precompiled("nmt_nfkc"),
    "sentencepiece-folding": lambda: _precompiled("nmt_nfkc_cf"),
    "albert": lambda: normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), _precompiled("nmt_nfkc"), _blanks()]
    ),
}
BYTES = {"bytes": lambda: None, "bytes-nfc": normalizers.NFC}
FALLBACK = ("unigram-fallback", "bpe-fallback")
KINDS = (*WORD_PIECE, *UNIGRAM, *BYTES, *FALLBACK)


def make_tokenizer(folder: Path, kind: str) -> str:
    """Write a folder with the tokenizer `kind` and return its path."""
    if kind in WORD_PIECE:
        tokenizer, unknown = _word_piece(kind), "[UNK]"
    elif kind in BYTES:
        tokenizer, unknown = _byte_level(kind), None
    elif kind == "bpe-fallback":
        tokenizer, unknown = _byte_fallback(), "<unk>"
    else:
        tokenizer, unknown = _unigram(kind), "<unk>"
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    if unknown:
        settings.update(unk_token=unknown, pad_token=unknown)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return str(folder)


def _characters() -> list[str]:
    """All that the alphabet is turned into."""
    forms = [unicodedata.normalize(form, ALPHABET) for form in _FORMS]
    # One syllable at a time too, as parts of the alphabet stand beside others.
    forms += [unicodedata.normalize(form, character) for form in _FORMS for character in ALPHABET]
    text = "".join(forms) + ALPHABET
    return sorted({character for character in text + text.lower() if not character.isspace()})


def _word_piece(kind: str) -> Tokenizer:
    pieces = ["[UNK]", *_characters(), *("##" + character for character in _characters()), "한국", "##bc"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    if (normalizer := WORD_PIECE[kind]()) is not None:
        tokenizer.normalizer = normalizer
    bert = kind.startswith("bert")
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer() if bert else pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _unigram(kind: str) -> Tokenizer:
    pieces = [("<unk>", 0.0), ("▁", -3.0), ("▁한국", -4.0), ("▁a", -4.0), ("bc", -4.0)]
    pieces += [(character, -6.0) for character in _characters() if character != "▁"]
    fallback = kind == "unigram-fallback"
    if fallback:
        pieces = [*pieces[:5], *((f"<0x{byte:02X}>", -10.0) for byte in range(256)), ("한", -6.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=fallback))
    normalizer = None if fallback else UNIGRAM[kind]()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def _byte_level(kind: str) -> Tokenizer:
    """Merges of two bytes of a syllable, of all three, and of the end of one with the start of the next (은뷁)."""
    one, two, three, four = (pre_tokenizers.ByteLevel(False).pre_tokenize_str(c)[0][0] for c in "한국은뷁")
    merges = [(three[2], four[0]), (one[0], one[1]), (one[0] + one[1], one[2]), (two[1], two[2]), ("Ġ", "a")]
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(merge) for merge in merges)]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    if (normalizer := BYTES[kind]()) is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _byte_fallback() -> Tokenizer:
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "한", "국", "한국", "▁a"]
    merges = [("한", "국"), ("▁", "a")]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


def _blanks() -> Any:
    return normalizers.Replace(Regex(" {2,}"), " ")


@functools.cache
def _charsmap(rule: str) -> bytes:
    import io

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["한국 서울 the abc"] * 10),
        model_writer=model,
        vocab_size=30,
        normalization_rule_name=rule,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    spec: bytes = proto.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap
    return spec


def _precompiled(rule: str) -> Any:
    return normalizers.Precompiled(_charsmap(rule))
