"""
What AllenNLP's own tokenizer, indexers and embedders for pretrained transformers compute: with Transformers 4.41 for
`scripts/stock_fixtures.py`, which writes it down, and with the installed version in the tests that compare.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any, Optional

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures/stock"
FAMILIES = ("bert", "roberta", "albert", "xlm-roberta", "deberta", "deberta-v2")
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "spm.model")
"""The files of a slow tokenizer, from which Transformers 4 makes a fast one where there is no tokenizer.json."""

TEXTS = (
    "张伟在北京大学读书。",
    "김철수는 서울에서 일한다.",
    "각\u1112\u1161\u11ab글",  # a syllable, one in letters, a syllable
    "Élodie CAFÉ naïve e\u0301",
    "ＡＢＣ１２３　“ｔｅｓｔ”",
    "  two  spaces\tand\na line ",
    "It's 3.14% — don't; ``quoted''",
    "it <mask> is [MASK] at </s> [SEP]",
    "a1b22中c한d",
    "\U0001f600 \u200b\u0e01 \ue000",
    "supercalifragilistic" * 6,
    "",
    "   ",
)
WORDS = (
    ("张", "伟", "在", "北", "京"),
    ("김철수", "는", "서울", "\u200b", "에서", ".", "CAFÉ"),
    ("Two", "words", " ", "don't", "ａ", "supercalifragilistic", "<mask>"),
    (),
)
WINDOW = 6
"""The `max_length` of windows."""


VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("bert", "fast", {"do_lower_case": False}),
    ("bert", "slow", {"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": False}),
    ("bert", "fast", {"additional_special_tokens": ["two", "Café"]}),
    ("roberta", "fast", {"add_prefix_space": True, "trim_offsets": False}),
    ("roberta", "slow", {"add_prefix_space": True}),
    ("albert", "slow", {"do_lower_case": False, "keep_accents": True}),
    ("xlm-roberta", "fast", {"unk_token": "<mask>"}),
    ("deberta", "slow", {"add_prefix_space": True}),
    ("deberta-v2", "slow", {"do_lower_case": True, "split_by_punct": True}),
)
"""Families, files and options of tokenizers."""


def prepare(family: str, files: str, folder: Path) -> str:
    """
    Write an encoder to a new folder and return its path: the family's configuration, weights that are the same on every
    version, and of its tokenizer what `files` says: all (`fast`) or the files of the slow one alone (`slow`).
    """
    shutil.copytree(FIXTURES / family, folder)
    for path in list(folder.iterdir()):
        vocabulary = path.name in VOCABULARIES
        if path.name != "config.json" and (vocabulary if files == "fast" else not vocabulary):
            path.unlink()
    write_weights(folder)
    return str(folder)


def write_weights(folder: Path) -> None:
    """Write weights to an encoder's folder that depend on the parameters' names and shapes only."""
    import torch
    from transformers import AutoConfig, AutoModel

    model = AutoModel.from_config(AutoConfig.from_pretrained(str(folder)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            phase = sum(name.encode()) % 97
            steps = torch.arange(parameter.numel(), dtype=torch.float64)
            wave = torch.sin(steps * 1.7 + phase) * 0.4 + (1 if name.endswith("LayerNorm.weight") else 0)
            parameter.copy_(wave.reshape(parameter.shape).float())
    model.save_pretrained(str(folder))


def values_of(model_name: str, tokenizer_kwargs: Optional[dict[str, Any]] = None) -> dict[str, Any]:
    """Everything that is compared, as JSON holds it."""
    from allennlp.data import Vocabulary

    vocabulary = Vocabulary()
    values = {
        "tokenizer": _tokenizer_values(model_name, tokenizer_kwargs),
        "indexer": _indexer_values(model_name, tokenizer_kwargs, vocabulary),
        "mismatched": _mismatched_values(model_name, tokenizer_kwargs, vocabulary),
        "vocabulary": sorted(vocabulary.get_index_to_token_vocabulary("tags").items())[::17],
        "vocabulary_size": vocabulary.get_vocab_size("tags"),
        "embedder": _embedder_values(model_name, tokenizer_kwargs, vocabulary),
    }
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def differences(expected: Any, found: Any, tolerance: float, place: str = "") -> list[str]:
    """Where two values of JSON differ, numbers with a fraction by more than `tolerance`."""
    if isinstance(expected, float) and isinstance(found, (int, float)):
        close = abs(expected - found) <= tolerance
        return [] if close else [f"{place}: {expected} expected, {found} found"]
    if isinstance(expected, dict) and isinstance(found, dict) and set(expected) == set(found):
        pairs = [(str(key), expected[key], found[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [(str(number), *pair) for number, pair in enumerate(zip(expected, found, strict=True))]
    else:
        return [] if expected == found else [f"{place}: {expected} expected, {found} found"]
    return [line for key, *pair in pairs for line in differences(*pair, tolerance, f"{place}/{key}")]


def expected(name: str) -> Any:
    """The values that `scripts/stock_fixtures.py` wrote down."""
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def variant_values(folder: Path) -> list[Any]:
    """The values of each tokenizer of `VARIANTS`, and of the classes that a tokenizer_config.json may name."""
    values = []
    for number, (family, files, options) in enumerate(VARIANTS):
        values.append(_tokenizer_values(prepare(family, files, folder / str(number)), options))
    for name, settings in (("roberta", {}), ("generic", {"tokenizer_class": "PreTrainedTokenizerFast"})):
        path = Path(prepare("bert", "fast", folder / name))
        for file, changes in (("config.json", {"model_type": "roberta"}), ("tokenizer_config.json", settings)):
            content = json.loads((path / file).read_text(encoding="utf-8"))
            (path / file).write_text(json.dumps({**content, **changes}), encoding="utf-8")
        values.append(_tokenizer_values(str(path), None))
    plain: list[Any] = json.loads(json.dumps(values))
    return plain


def _row(token: Any) -> list[Any]:
    return [token.text, token.text_id, token.type_id, token.idx, token.idx_end]


def _tokenizer_values(model_name: str, tokenizer_kwargs: Optional[dict[str, Any]]) -> dict[str, Any]:
    from allennlp.data.tokenizers import PretrainedTransformerTokenizer

    def make(**options: Any) -> Any:
        return PretrainedTransformerTokenizer(model_name, tokenizer_kwargs=tokenizer_kwargs, **options)

    plain, short, bare = make(), make(max_length=WINDOW), make(add_special_tokens=False, max_length=WINDOW)
    special = ("single_sequence_start_tokens", "single_sequence_end_tokens", "sequence_pair_start_tokens",
               "sequence_pair_mid_tokens", "sequence_pair_end_tokens")  # fmt: skip
    types = ("single_sequence_token_type_id", "sequence_pair_first_token_type_id", "sequence_pair_second_token_type_id")
    pair = plain.intra_word_tokenize_sentence_pair(list(WORDS[0]), list(WORDS[1]))
    return {
        "special": [[_row(token) for token in getattr(plain, name)] for name in special],
        "types": [getattr(plain, name) for name in types],
        "counts": [plain.num_special_tokens_for_sequence(), plain.num_special_tokens_for_pair()],
        "lowercases": plain._tokenizer_lowercases,
        "texts": [[_row(token) for token in plain.tokenize(text)] for text in TEXTS],
        "truncated": [[token.text_id for token in short.tokenize(text)] for text in TEXTS],
        "bare": [[token.text_id for token in bare.tokenize(text)] for text in TEXTS],
        "pair": [[_row(token)[:3] for token in pair[0]], *pair[1:]],
    }


def _tensors(indexed: list[Any], indexer: Any) -> dict[str, Any]:
    """The padded batch of an indexer."""
    import torch

    longest = {key: max(len(one[key]) for one in indexed) for key in indexed[0]}
    padded = [indexer.as_padded_tensor_dict(one, longest) for one in indexed]
    return {key: torch.stack([one[key] for one in padded]) for key in padded[0]}


def _indexed(indexer: Any, lists: list[Any], vocabulary: Any) -> dict[str, Any]:
    tensors = _tensors([indexer.tokens_to_indices(tokens, vocabulary) for tokens in lists], indexer)
    return {key: tensor.int().tolist() for key, tensor in sorted(tensors.items())}


def _indexer_values(model_name: str, tokenizer_kwargs: Any, vocabulary: Any) -> dict[str, Any]:
    from allennlp.data.token_indexers import PretrainedTransformerIndexer
    from allennlp.data.tokenizers import PretrainedTransformerTokenizer

    tokenizer = PretrainedTransformerTokenizer(model_name, tokenizer_kwargs=tokenizer_kwargs)
    lists = [tokenizer.tokenize(text) for text in TEXTS[:5]]
    return {
        str(length): _indexed(
            PretrainedTransformerIndexer(model_name, max_length=length, tokenizer_kwargs=tokenizer_kwargs),
            lists,
            vocabulary,
        )
        for length in (None, WINDOW)
    }


def _mismatched_values(model_name: str, tokenizer_kwargs: Any, vocabulary: Any) -> dict[str, Any]:
    from allennlp.data import Token
    from allennlp.data.token_indexers import PretrainedTransformerMismatchedIndexer as Indexer

    lists = [[Token(word) for word in words] for words in WORDS]
    return {
        str(length): _indexed(
            Indexer(model_name, max_length=length, tokenizer_kwargs=tokenizer_kwargs), lists, vocabulary
        )
        for length in (None, WINDOW)
    }


def _embedder_values(model_name: str, tokenizer_kwargs: Any, vocabulary: Any) -> dict[str, Any]:
    """Sums over weighted dimensions: one number for each vector."""
    import torch
    from allennlp.data import Token
    from allennlp.data.token_indexers import PretrainedTransformerMismatchedIndexer as Indexer
    from allennlp.modules.token_embedders import PretrainedTransformerMismatchedEmbedder as Embedder

    values = {}
    lists = [[Token(word) for word in words] for words in WORDS[:3]]
    for length, last, mode in ((None, True, "avg"), (WINDOW, False, "first"), (WINDOW, True, "avg")):
        indexer = Indexer(model_name, max_length=length, tokenizer_kwargs=tokenizer_kwargs)
        batch = _tensors([indexer.tokens_to_indices(tokens, vocabulary) for tokens in lists], indexer)
        embedder = Embedder(
            model_name, max_length=length, last_layer_only=last, sub_token_mode=mode, tokenizer_kwargs=tokenizer_kwargs
        ).eval()
        with torch.no_grad():
            vectors = embedder(**batch)
        weights = torch.tensor([math.cos(index) for index in range(vectors.shape[-1])])
        values[f"{length} {last} {mode}"] = [
            [round(number, 6) for number in row] for row in (vectors @ weights).tolist()
        ]
    return values
