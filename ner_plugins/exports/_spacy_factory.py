"""
The spaCy component `ner_plugins` and the tokenizer `ner_plugins.characters`, which spaCy finds by entry points.

The name of this module begins with an underscore because AllenNLP imports all others with the package, and spaCy need
not be installed.
"""

from typing import Callable, Dict, List, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import DummyTokenizer, registry
from spacy.vocab import Vocab

from ner_plugins.exports.spacy_component import NerComponent


@Language.factory(
    "ner_plugins",
    assigns=["doc.ents", "doc.spans"],
    default_config={
        "path": None,
        "thresholds": None,
        "types": None,
        "device": None,
        "overrides": "",
        "spans_key": "ner",
    },
)
def make_component(
    nlp: Language,
    name: str,
    path: Optional[str],
    thresholds: Optional[Union[float, Dict[str, float]]],  # noqa: UP006 (spaCy's config reads the types)
    types: Optional[List[str]],  # noqa: UP006
    device: Optional[int],
    overrides: str,
    spans_key: str,
) -> NerComponent:
    """The component; parameters as in `NerComponent`."""
    return NerComponent(path, thresholds, types, device, overrides, spans_key)


class CharacterTokenizer(DummyTokenizer):  # type: ignore[misc]
    """
    One token per character (code point), spaces included, so that each entity begins and ends with a token.

    # Parameters

    vocab : `spacy.vocab.Vocab`
    """

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        """The document of a text."""
        return Doc(self.vocab, words=list(text), spaces=[False] * len(text))


@registry.tokenizers("ner_plugins.characters")
def make_character_tokenizer() -> Callable[[Language], CharacterTokenizer]:
    """What makes a pipeline's tokenizer."""
    return lambda nlp: CharacterTokenizer(nlp.vocab)
