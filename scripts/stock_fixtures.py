"""
Write `fixtures/stock/`: a small tokenizer and configuration for each family of encoders, and what AllenNLP 2.10.1
computes from them on Transformers 4.41, the last version that its classes for pretrained transformers support.

    make .venv-indexing/.ready
    .venv-indexing/bin/python scripts/stock_fixtures.py [--values-only]
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

from stock_runs import KINDS, run  # noqa: E402
from stock_values import FAMILIES, FIXTURES, prepare, values_of, variant_values  # noqa: E402

import ner_plugins  # noqa: E402, F401  (AllenNLP needs its stand-ins)

CORPUS = (
    "张伟在北京大学读书，李娜在上海工作。",
    "王芳去了北京，又去上海；北京大学在北京。",
    "김철수는 서울에서 일한다. 이영희는 부산에서 일한다.",
    "서울 대학교 학생은 서울에 산다.",
    "The cafe is old. Two words and a line; the test is done.",
    "Don't quote it: it's a naive test, and the line has two words.",
    "ABC 123 and 3.14% of a1 b22 in the cafe",
    "one two three four five six seven eight nine ten words",
    *["a b c 1 2 3 a b c 1 2 3 a b"] * 8,  # AllenNLP tries out what is added to "a" and "b"
)
CHARSMAP = "\n".join([*(f"{0xFF01 + i:X}\t{0x21 + i:X}" for i in range(94)), "3000\t20", "9\t20", "A\t20"]) + "\n"
"""Full-width forms, white space: the real map has 200,000 bytes."""

DIMENSIONS = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 160,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
DIMENSIONS_OF: dict[str, dict[str, Any]] = {
    "roberta": {"type_vocab_size": 1, "max_position_embeddings": 162, "pad_token_id": 1},
    "xlm-roberta": {"type_vocab_size": 1, "max_position_embeddings": 162, "pad_token_id": 1},
    "albert": {"embedding_size": 6},
    "deberta": {"type_vocab_size": 2, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"type_vocab_size": 0, "relative_attention": True, "pos_att_type": ["c2p", "p2c"],
                   "position_buckets": 8, "share_att_key": True, "norm_rel_ebd": "layer_norm",
                   "position_biased_input": False},
}  # fmt: skip


def word_piece(folder: Path) -> Any:
    """BERT's tokenizer, uncased."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    trained = BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator(CORPUS, vocab_size=240, min_frequency=1, show_progress=False)
    trained.save_model(str(folder))
    return BertTokenizerFast(str(folder / "vocab.txt"))


def byte_level(special: list[str], name: str) -> Callable[[Path], Any]:
    """The tokenizer of RoBERTa and the first DeBERTa."""

    def make(folder: Path) -> Any:
        import transformers
        from tokenizers import ByteLevelBPETokenizer

        trained = ByteLevelBPETokenizer()
        trained.train_from_iterator(
            CORPUS, vocab_size=340, min_frequency=2, show_progress=False, special_tokens=special
        )
        trained.save_model(str(folder))
        return getattr(transformers, name)(str(folder / "vocab.json"), str(folder / "merges.txt"))

    return make


def sentence_piece(file: str, name: str, **options: Any) -> Callable[[Path], Any]:
    """A tokenizer that SentencePiece trained."""

    def make(folder: Path) -> Any:
        import sentencepiece
        import transformers

        with tempfile.TemporaryDirectory() as scratch:
            rules = Path(scratch) / "rules.tsv"
            rules.write_text(CHARSMAP, encoding="utf-8")
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(CORPUS), model_prefix=f"{scratch}/m", vocab_size=150, model_type="unigram",
                hard_vocab_limit=False, normalization_rule_tsv=str(rules), minloglevel=2, num_threads=1, **options,
            )  # fmt: skip
            shutil.copy(f"{scratch}/m.model", folder / file)
        return getattr(transformers, name)(str(folder / file))

    return make


CONTROL = ["[CLS]", "[SEP]"]
MAKERS: dict[str, Callable[[Path], Any]] = {
    "bert": word_piece,
    "roberta": byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "RobertaTokenizerFast"),
    "deberta": byte_level(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "DebertaTokenizerFast"),
    "albert": sentence_piece(
        "spiece.model", "AlbertTokenizerFast", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
        control_symbols=[*CONTROL, "[MASK]"],
    ),
    "xlm-roberta": sentence_piece(
        "sentencepiece.bpe.model", "XLMRobertaTokenizerFast", unk_id=0, bos_id=1, eos_id=2, pad_id=-1
    ),
    "deberta-v2": sentence_piece(
        "spm.model", "DebertaV2TokenizerFast", pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
    ),
}  # fmt: skip


def make_folder(family: str) -> None:
    """Write the tokenizer, in the files of the fast and of the slow one, and the configuration of a family."""
    from transformers import AutoConfig

    folder = FIXTURES / family
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer = MAKERS[family](folder)
    tokenizer.save_pretrained(str(folder))
    settings = {**DIMENSIONS, **DIMENSIONS_OF.get(family, {}), "vocab_size": len(tokenizer)}
    AutoConfig.for_model(family, **settings).save_pretrained(str(folder))


def main() -> None:
    """Write the folders and the values."""
    import transformers
    from allennlp.common import cached_transformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values-only", action="store_true", help="keep the tokenizers")
    values_only = parser.parse_args().values_only
    if not transformers.__version__.startswith("4.41.") or hasattr(cached_transformers.get_tokenizer, "__wrapped__"):
        sys.exit("the values come from Transformers 4.41 and AllenNLP's own get_tokenizer: use .venv-indexing")
    for family in FAMILIES:
        if not values_only:
            make_folder(family)
        values = {}
        for files in ("fast", "slow"):
            with tempfile.TemporaryDirectory() as scratch:
                values[files] = values_of(prepare(family, files, Path(scratch) / family))
        write(family, values)
    with tempfile.TemporaryDirectory() as scratch:
        write("variants", variant_values(Path(scratch)))
    write("runs", {family: runs(family) for family in FAMILIES})


def runs(family: str) -> dict[str, Any]:
    """The figures of each experiment for which the family's models have what it needs."""
    with tempfile.TemporaryDirectory() as scratch:
        model_name = prepare(family, "fast", Path(scratch) / family)
        # The others have no pooler for AllenNLP's `bert_pooler`.
        kinds = KINDS if family in ("bert", "roberta", "xlm-roberta") else ["tagging"]
        return {kind: run(kind, model_name, Path(scratch) / kind) for kind in kinds}


def write(name: str, values: Any) -> None:
    """Write values as a fixture."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    (FIXTURES / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
