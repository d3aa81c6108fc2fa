"""Makes small random encoders of every supported family, as the folders that pretrained ones come in. No network."""

import json
from pathlib import Path
from typing import Any

HAN = "我在北京上海大学读书他是中国人民银行行长王小明喜欢看电影红楼梦的了不很好天气今"
HANGUL = "나는서울에서일하고있다김철수삼성전자부산대학교"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYMBOLS = "0123456789,.!?，。！？《》“”()-:"

FAMILIES = ("bert", "roberta", "ernie", "electra", "albert", "deberta", "deberta-v2")

_WORD_PIECE = ("bert", "ernie", "electra", "nezha")
_BYTE_LEVEL = ("roberta", "deberta")


def make_encoder(
    folder: Path,
    family: str = "bert",
    positions: int = 40,
    layers: int = 2,
    half: bool = False,
    seed: int = 0,
    head: bool = False,
) -> str:
    """
    Write an encoder folder and return its path.

    `positions` is what the encoder reads at once, special pieces included; `half` stores float16 weights; `head`
    adds that of a masked language model.
    """
    import torch
    from transformers import AutoModel, AutoModelForMaskedLM

    from ner_plugins.pretrained._nezha_config import register_nezha_config, register_nezha_model

    folder.mkdir(parents=True, exist_ok=True)
    size = _write_tokenizer(folder, family, positions)
    torch.manual_seed(seed)
    register_nezha_config()
    config = _config(family, size, positions, layers)
    register_nezha_model(config)
    model = (AutoModelForMaskedLM if head else AutoModel).from_config(config)
    for parameter in model.parameters():  # the usual initial deviation of 0.02 makes all vectors alike
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.15)
        elif head:  # or the biases would be 0, and the norms 1
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    (model.half() if half else model).save_pretrained(folder)
    return str(folder)


def _config(family: str, size: int, positions: int, layers: int) -> Any:
    from transformers import AutoConfig

    settings: dict[str, Any] = {
        "vocab_size": size,
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
    }
    if family == "roberta":
        settings.update(max_position_embeddings=positions + 2, pad_token_id=1, type_vocab_size=1)
    if family == "nezha":
        settings["max_relative_position"] = 6
    if family in ("electra", "albert"):
        settings["embedding_size"] = 16
    if family.startswith("deberta"):
        settings.update(relative_attention=True, pos_att_type=["p2c", "c2p"], position_biased_input=False)
        settings.update(type_vocab_size=0)
    return AutoConfig.for_model(family, **settings)


def _write_tokenizer(folder: Path, family: str, positions: int) -> int:
    """Write the tokenizer's files and return the size of its vocabulary."""
    if family in _WORD_PIECE:
        tokenizer, special, name = _word_piece(), ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), "BertTokenizer"
        settings: dict[str, Any] = {"do_lower_case": True}
        if family == "electra":
            name = "ElectraTokenizer"
    elif family in _BYTE_LEVEL:
        special = ("<s>", "<pad>", "</s>", "<unk>", "<mask>") if family == "roberta" else _BRACKETS
        tokenizer, name = _byte_level(special), "RobertaTokenizer" if family == "roberta" else "DebertaTokenizer"
        settings = {"add_prefix_space": False}
    else:
        special = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]") if family == "albert" else _BRACKETS
        tokenizer, name = _unigram(special), "AlbertTokenizer" if family == "albert" else "DebertaV2Tokenizer"
        settings = {}
    _add_special(tokenizer, special)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings.update(_names(special), tokenizer_class=name, model_max_length=positions)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return int(tokenizer.get_vocab_size())


_BRACKETS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")


def _names(special: tuple[str, ...]) -> dict[str, str]:
    kinds = {"pad": "pad_token", "unk": "unk_token", "cls": "cls_token", "sep": "sep_token", "mask": "mask_token"}
    kinds.update({"s": "cls_token", "/s": "sep_token"})
    return {kinds[token.strip("<>[]").lower()]: token for token in special}


def vocabulary(upper: bool = False) -> list[str]:
    """The pieces of the WordPiece families' vocabulary."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = list(dict.fromkeys(HAN + HANGUL + LETTERS + SYMBOLS + (LETTERS.upper() if upper else "")))
    return pieces + characters + ["##" + c for c in LETTERS + HANGUL + "0123456789"] + ["the", "##ing", "서울"]


def _word_piece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    ids = {piece: index for index, piece in enumerate(dict.fromkeys(vocabulary()))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _byte_level(special: tuple[str, ...]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), "th", "the", "Ġa", "Ġth"]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "a"), ("Ġ", "th")]
    ids = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(ids, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _unigram(special: tuple[str, ...]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    characters = dict.fromkeys(HAN + HANGUL + LETTERS + SYMBOLS)
    words = [("▁the", -4.0), ("▁我", -5.0), ("ing", -4.5), ("北京", -4.0)]
    pieces = [(token, 0.0) for token in special] + [("▁", -3.0)] + words
    pieces += [(character, -6.0 - index / 100) for index, character in enumerate(characters)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=[piece for piece, _ in pieces].index(_unknown(special))))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def _unknown(special: tuple[str, ...]) -> str:
    return _names(special)["unk_token"]


def _add_special(tokenizer: Any, special: tuple[str, ...]) -> None:
    from tokenizers import AddedToken, processors

    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    names = _names(special)
    before, after = names["cls_token"], names["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before} $A {after}",
        pair=f"{before} $A {after} $B {after}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (before, after)],
    )
