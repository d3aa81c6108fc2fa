"""
The tokenizers of pretrained transformers that AllenNLP 2.10.1 loads, with the values that they have in Transformers
4.41, the last version with which `pretrained_transformer` and `pretrained_transformer_mismatched` work.

Newer versions refuse an option that AllenNLP passes (4.42). Version 5 lacks two methods, and no longer reads the steps
of a tokenizer.json: it builds them from the tokenizer's class, which gives other pieces and offsets.
"""

import json
import os
from typing import Any, Optional

from ner_plugins.compat.replace import replace


def keep_tokenizers() -> None:
    """Have `allennlp.common.cached_transformers.get_tokenizer` load tokenizers that work as in Transformers 4.41."""
    import transformers
    from allennlp.common import cached_transformers

    if tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 42):
        return
    replace(cached_transformers, "get_tokenizer", _as_in_4_41)
    base, fast = transformers.PreTrainedTokenizerBase, transformers.PreTrainedTokenizerFast
    if not hasattr(base, "encode_plus"):
        base.encode_plus = base.__call__
    if not hasattr(fast, "build_inputs_with_special_tokens"):
        fast.build_inputs_with_special_tokens = build_inputs_with_special_tokens


def _as_in_4_41(original: Any) -> Any:
    def get_tokenizer(model_name: str, **kwargs: Any) -> Any:
        # Without effect in 4.41 and refused since: it is the name of a method.
        kwargs.pop("add_special_tokens", None)
        tokenizer = original(model_name, **kwargs)
        if _is_rebuilt(tokenizer) and not hasattr(tokenizer, _RESTORED):
            restore_pipeline(tokenizer, model_name, kwargs)
            setattr(tokenizer, _RESTORED, True)
        return tokenizer

    return get_tokenizer


_RESTORED = "_restored_by_ner_plugins"


def _is_rebuilt(tokenizer: Any) -> bool:
    """Whether this is a fast tokenizer of Transformers 5."""
    return hasattr(type(tokenizer), "convert_to_native_format") and hasattr(tokenizer, "backend_tokenizer")


def build_inputs_with_special_tokens(self: Any, token_ids_0: list[int], token_ids_1: Optional[list[int]] = None) -> Any:
    """
    The ids of one sequence or two with the special pieces of a fast tokenizer, as its method in Transformers 4.

    # Parameters

    token_ids_0 : `list[int]`
    token_ids_1 : `Optional[list[int]]`, optional (default=`None`)

    # Returns

    `list[int]`
    """
    given = [token_ids_0] if token_ids_1 is None else [token_ids_0, token_ids_1]
    self.backend_tokenizer.no_truncation()  # each call sets its own
    for probe in ("a", "1"):
        encoding = self.backend_tokenizer.encode(*[probe] * len(given), add_special_tokens=True)
        if set(encoding.sequence_ids) >= set(range(len(given))):
            break
    ids: list[int] = []
    rest = dict(enumerate(given))
    for piece, sequence in zip(encoding.ids, encoding.sequence_ids, strict=True):
        ids += [piece] if sequence is None else rest.pop(sequence, [])
    return ids


# Where the file of a tokenizer is looked for.
_LOCATION = ("cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token")


def restore_pipeline(tokenizer: Any, model_name: str, options: dict[str, Any]) -> None:
    """
    Give a fast tokenizer of Transformers 5 the steps that version 4.41 gives it: those of its tokenizer.json with the
    options of its class, or else those into which that version converts the files of a slow tokenizer.

    # Parameters

    tokenizer : `Any`
        A tokenizer that has just been loaded; changed in place.
    model_name : `str`
        The encoder's folder or its name on the hub.
    options : `dict[str, Any]`
        Those with which it was loaded.
    """
    from tokenizers import Tokenizer
    from transformers.utils import cached_file

    where = {name: options[name] for name in _LOCATION if name in options}
    path = cached_file(model_name, "tokenizer.json", _raise_exceptions_for_missing_entries=False, **where)
    if path is not None and os.path.isfile(path):
        backend = Tokenizer.from_file(path)
        _apply_options(backend, tokenizer)
        added = tokenizer.added_tokens_decoder
    else:
        backend = _converted(tokenizer)
        added = _added_to_converted(tokenizer, backend.get_vocab_size())
    known = backend.get_added_tokens_decoder()
    backend.add_tokens([token for number, token in sorted(added.items()) if number not in known])
    tokenizer._tokenizer = backend


def _added_to_converted(tokenizer: Any, size: int) -> dict[int, Any]:
    """
    The added tokens of a converted slow tokenizer with a vocabulary of `size`: the special ones, and those outside of
    it. Transformers 5 also adds every control symbol of a SentencePiece model.
    """
    from tokenizers import AddedToken

    special = set(tokenizer.special_tokens_map.values())
    added = {
        number: token
        for number, token in tokenizer.added_tokens_decoder.items()
        if number >= size or token.content in special
    }
    if type(tokenizer).__name__ in _MASKS_WITH_SPACE:
        mask = AddedToken(tokenizer.mask_token, lstrip=True, normalized=False, special=True)
        added[tokenizer.mask_token_id] = mask
    return added


# Their mask piece takes the space before it.
_MASKS_WITH_SPACE = ("AlbertTokenizer", "DebertaTokenizer", "RobertaTokenizer", "XLMRobertaTokenizer")


def _apply_options(backend: Any, tokenizer: Any) -> None:
    """Change the steps of a tokenizer.json by the options that a tokenizer's class has, with their defaults."""
    options = tokenizer.init_kwargs
    prefix = {"add_prefix_space": options.get("add_prefix_space", False)}
    if {"do_lower_case", "tokenize_chinese_chars", "strip_accents"} <= set(options):
        lowering = {
            "lowercase": options["do_lower_case"],
            "strip_accents": options["strip_accents"],
            "handle_chinese_chars": options["tokenize_chinese_chars"],
        }
        backend.normalizer = _changed(backend.normalizer, "BertNormalizer", lowering)
    if type(tokenizer).__name__ != "TokenizersBackend":
        backend.pre_tokenizer = _changed(backend.pre_tokenizer, "ByteLevel", prefix)
    if "trim_offsets" in options:
        trimming = {**prefix, "trim_offsets": options["trim_offsets"]}
        backend.post_processor = _changed(backend.post_processor, "RobertaProcessing", trimming)


def _changed(step: Any, name: str, settings: dict[str, Any]) -> Any:
    """A step of the class `name` with other settings; any other step as it is."""
    if type(step).__name__ != name:
        return step
    state = json.loads(step.__getstate__())
    del state["type"]
    state = {key: tuple(value) if isinstance(value, list) else value for key, value in {**state, **settings}.items()}
    # Their names in Python differ from those in the file.
    positional = [state.pop(key) for key in ("sep", "cls") if key in state]
    return type(step)(*positional, **state)


def _converted(tokenizer: Any) -> Any:
    """The steps into which Transformers 4.41 converts a slow tokenizer, without added tokens."""
    from tokenizers import Tokenizer
    from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS

    name, steps = type(tokenizer).__name__, tokenizer.backend_tokenizer
    if name in _FROM_SENTENCE_PIECE:
        steps = SLOW_TO_FAST_CONVERTERS[name](tokenizer).converted()
    backend = Tokenizer(steps.model)
    for step in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        if getattr(steps, step) is not None:
            setattr(backend, step, getattr(steps, step))
    if name == "DebertaTokenizer":
        from tokenizers.processors import TemplateProcessing

        special = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("[CLS]", "[SEP]")]
        backend.post_processor = TemplateProcessing(
            "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special
        )
    return backend


_FROM_SENTENCE_PIECE = ("AlbertTokenizer", "DebertaV2Tokenizer", "XLMRobertaTokenizer")
