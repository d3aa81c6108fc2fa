"""Small random encoders in the layouts of published families: the files that their folders have, and no others."""

import io
import json
from pathlib import Path
from typing import Any

from tiny_encoders import HANGUL, vocabulary

# The type of the model, the class that names the tokenizer ("" for none), and whether there is a tokenizer.json.
LAYOUTS: dict[str, tuple[str, str, bool]] = {
    "roberta-wwm": ("bert", "", False),
    "macbert": ("bert", "BertTokenizer", True),
    "ernie": ("ernie", "BertTokenizer", True),
    "nezha": ("nezha", "BertTokenizer", False),
    "koelectra": ("electra", "", False),
    "klue-roberta": ("roberta", "BertTokenizer", True),
    "kobert": ("bert", "", False),
    "distilkobert": ("distilbert", "KoBertTokenizer", False),
}
_KLUE = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")


def make_published(folder: Path, family: str) -> str:
    """Write an encoder of a family, and return its path."""
    import torch

    from ner_plugins.pretrained._nezha_config import register_nezha_config
    from ner_plugins.pretrained.encoder import build_encoder

    folder.mkdir(parents=True)
    kind, tokenizer_class, is_fast = LAYOUTS[family]
    pieces = _sentencepiece(folder) if "kobert" in family else _word_pieces(family)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    settings: dict[str, Any] = {"do_lower_case": family not in ("koelectra", "klue-roberta")}
    if tokenizer_class:
        settings["tokenizer_class"] = tokenizer_class
    if is_fast:
        _write_fast(folder, pieces, settings["do_lower_case"])
    if family != "roberta-wwm":
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    register_nezha_config()
    torch.manual_seed(0)
    build_encoder(_config(kind, pieces)).save_pretrained(folder)
    return str(folder)


def _config(kind: str, pieces: list[str]) -> Any:
    from transformers import AutoConfig

    padding = pieces.index("[PAD]")
    if kind == "distilbert":
        sizes: dict[str, Any] = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 48}
    else:
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    sizes["max_position_embeddings"] = 40 + (padding + 1 if kind == "roberta" else 0)
    return AutoConfig.for_model(kind, vocab_size=len(pieces), pad_token_id=padding, **sizes)


def _word_pieces(family: str) -> list[str]:
    pieces = list(dict.fromkeys(vocabulary(upper=family == "koelectra")))
    return [*_KLUE, *(piece for piece in pieces if piece not in _KLUE)] if family == "klue-roberta" else pieces


def _write_fast(folder: Path, pieces: list[str], lowercase: bool) -> None:
    """The tokenizer.json of a WordPiece vocabulary."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in _KLUE])
    special = [(name, pieces.index(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=special
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def _sentencepiece(folder: Path) -> list[str]:
    """Write the SentencePiece model, and return the pieces of a vocabulary with other ids."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([HANGUL, "나는 서울에서 일하고 있다", "김철수 부산대학교"] * 10),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    (folder / "tokenizer_78b3253a26.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.IdToPiece(number) for number in range(3, processor.GetPieceSize())]
    return ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *pieces]
