"""The sub-word pieces of a pretrained tokenizer, with offsets in the original text."""

from typing import Any, Callable, Iterable, Optional, Sequence

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.segmentation.characters import replace_surrogates
from ner_plugins.segmentation.subwords import EncodedPieces, Subword, SubwordSegmenter, group_pieces
from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer


class SubwordToken(Token):
    """
    A token that consists of several pieces.

    # Parameters

    text : `str`
    start, end : `int`
        Half-open characters.
    piece_ids : `Sequence[int]`
        The ids of its pieces in the whole text.
    """

    __slots__ = ("piece_ids",)

    def __init__(self, text: str, start: int, end: int, piece_ids: Sequence[int]) -> None:
        super().__init__(text, start, end)
        self.piece_ids = tuple(piece_ids)


@Tokenizer.register("ner_subwords")
class NerSubwordTokenizer(NerTokenizer):
    """
    Splits a text into the sub-word pieces of a fast Hugging Face tokenizer, without special tokens.

    Offsets refer to the original text, whatever the tokenizer normalises (composition and decomposition, lower-casing,
    removed characters):

    - Pieces that share a character (the bytes of a byte-level BPE, the parts of a decomposed syllable) form one token,
      a `SubwordToken` with their ids. A token of one piece has its id as `text_id`.
    - A token is trimmed of white space, and of characters that the tokenizer converts to white space (SentencePiece:
      U+200B, U+FEFF, U+FFFD) or removes. A piece of such characters alone belongs to the token directly after it, or is
      dropped if there is none.
    - A character that yields no piece belongs to the token that it continues (the vowel of a syllable that the
      tokenizer composes, an accent that it strips), or to none (U+00AD or a control character that it removes).

    # Parameters

    model_name : `str`
        The tokenizer: a name on the model hub or a folder.
    lowercase : `Optional[bool]`, optional (default=`None`)
        Whether to lower-case the text first, for tokenizers that do not do so themselves. Characters whose lower case
        is longer are kept. `None`: if the vocabulary has no upper-case letter.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        The training directory or extracted archive with the tokenizer's files. Set by AllenNLP's commands.
    """

    def __init__(
        self, model_name: str, lowercase: Optional[bool] = None, serialization_dir: Optional[str] = None
    ) -> None:
        from ner_plugins.pretrained.tokenizer import load_tokenizer, needs_lowercase

        self.model_name = model_name
        self.lowercase = lowercase
        self._tokenizer = load_tokenizer(model_name, serialization_dir)
        self.lowers = needs_lowercase(self._tokenizer) if lowercase is None else lowercase
        self._segmenter = SubwordSegmenter(self._encode, self._normal_form, self.lowers)

    @property
    def backend(self) -> Any:
        """The tokenizer, as the package tokenizers has it."""
        return self._tokenizer.backend_tokenizer

    def tokenize(self, text: str) -> list[Token]:
        """Tokenize `text`."""
        return self.batch_tokenize([text])[0]

    def batch_tokenize(self, texts: list[str]) -> list[list[Token]]:
        """Tokenize many texts in one call."""
        grouped = self._segmenter.segment(texts)
        return [_tokens(replace_surrogates(text), subwords) for text, subwords in zip(texts, grouped, strict=True)]

    def _encode(self, texts: list[str]) -> list[EncodedPieces]:
        encoding = self._tokenizer(
            texts,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            verbose=False,  # no warning at texts longer than the encoder: its embedder cuts windows
        )
        return list(zip(encoding["input_ids"], encoding["offset_mapping"], strict=True))

    def _normal_form(self, character: str) -> str:
        normalizer = self.backend.normalizer
        return character if normalizer is None else str(normalizer.normalize_str(character))

    def _to_params(self) -> dict[str, Any]:
        return {"type": "ner_subwords", "model_name": self.model_name, "lowercase": self.lowercase}


def merge_pieces(
    text: str,
    ids: Iterable[int],
    offsets: Iterable[tuple[int, int]],
    is_blank: Callable[[str], bool] = str.isspace,
) -> list[Token]:
    """`group_pieces` as tokens; those of several pieces are `SubwordToken`s."""
    return _tokens(text, group_pieces(text, ids, offsets, is_blank))


def _tokens(text: str, subwords: Iterable[Subword]) -> list[Token]:
    return [
        Token(text[start:end], start, end, text_id=ids[0])
        if len(ids) == 1
        else SubwordToken(text[start:end], start, end, ids)
        for start, end, ids in subwords
    ]
