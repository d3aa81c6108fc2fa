"""The pieces of a pretrained tokenizer, with offsets in the text as it was given."""

from typing import Any, Dict, Iterable, List, Optional, Tuple

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer, replace_surrogates


@Tokenizer.register("ner_subwords")
class NerSubwordTokenizer(NerTokenizer):
    """
    Splits a text into the sub-word pieces of a fast Hugging Face tokenizer, special tokens left out.

    Offsets refer to the text as given, whatever the tokenizer normalises (decomposition, lower-casing, characters it
    removes). Spaces at the edges of a piece are no part of the token; a piece with nothing else is dropped. Pieces
    that share a character (the bytes of a byte-level BPE, the parts of a decomposed syllable) make one token. A
    token of exactly one piece has its id as `text_id`. Characters that yield no piece belong to no token.

    # Parameters

    model_name : `str`
        The tokenizer: a name on the model hub, or a folder.
    lowercase : `Optional[bool]`, optional (default=`None`)
        Whether to lower-case the text first, character by character (one whose lower case is longer is kept), for
        tokenizers that do not do it by themselves. `None` does so where the vocabulary has no upper-case letter.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        The training directory or extracted archive, which has the tokenizer's files. AllenNLP's commands set it.
    """

    def __init__(
        self, model_name: str, lowercase: Optional[bool] = None, serialization_dir: Optional[str] = None
    ) -> None:
        from ner_plugins.token_indexers.pretrained_tokenizer import load_tokenizer, needs_lowercase

        self.model_name = model_name
        self.lowercase = lowercase
        self._tokenizer = load_tokenizer(model_name, serialization_dir)
        self._lower = needs_lowercase(self._tokenizer) if lowercase is None else lowercase

    def tokenize(self, text: str) -> List[Token]:
        """The pieces of `text` as tokens."""
        return self.batch_tokenize([text])[0]

    def batch_tokenize(self, texts: List[str]) -> List[List[Token]]:
        """As `tokenize`, for many texts in one call."""
        if not texts:
            return []
        safe = [replace_surrogates(text) for text in texts]
        encoding = self._tokenizer(
            [lower_characters(text) for text in safe] if self._lower else safe,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            verbose=False,  # no warning at texts longer than the encoder: its embedder cuts windows
        )
        return [
            merge_pieces(text, ids, offsets)
            for text, ids, offsets in zip(safe, encoding["input_ids"], encoding["offset_mapping"], strict=True)
        ]

    def _to_params(self) -> Dict[str, Any]:
        return {"type": "ner_subwords", "model_name": self.model_name, "lowercase": self.lowercase}


def lower_characters(text: str) -> str:
    """`text` lower-cased one character for one: a character whose lower case has more (U+0130) stays."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(character.lower() if len(character.lower()) == 1 else character for character in text)


def merge_pieces(text: str, ids: Iterable[int], offsets: Iterable[Tuple[int, int]]) -> List[Token]:
    """
    Tokens from pieces: trimmed of white space, the empty ones dropped, those that overlap joined.

    # Parameters

    text : `str`
        What the offsets refer to; without lone surrogates.
    ids, offsets : `Iterable[int]`, `Iterable[Tuple[int, int]]`
        Each piece's id and its half-open characters.
    """
    pieces: List[Tuple[int, int, int]] = []
    for piece_id, (start, end) in zip(ids, offsets, strict=True):
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if start < end:
            pieces.append((start, end, piece_id))
    tokens: List[Token] = []
    for start, end, piece_id in sorted(pieces, key=lambda piece: piece[:2]):
        last = tokens[-1] if tokens else None
        if last is not None and last.idx_end is not None and start < last.idx_end:
            last.idx_end, last.text_id = max(last.idx_end, end), None
            last.text = text[last.idx : last.idx_end]
        else:
            tokens.append(Token(text[start:end], start, end, text_id=piece_id))
    return tokens
