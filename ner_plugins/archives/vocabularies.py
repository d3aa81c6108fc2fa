"""Modules of an archive in a model with another vocabulary: each token keeps its vector."""

import logging
from pathlib import Path
from typing import Any, Optional

from ner_plugins.archives.assets import asset_name
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.errors import ConfigError

logger = logging.getLogger(__name__)

_TOKENIZER = "tokenizer.json"


def fit_to_vocabulary(key: str, module: Any, before: Any, now: Optional[Any]) -> None:
    """
    Order the rows of a module's embeddings by another vocabulary, in place. Tokens that the module's own does not have
    get the vector of its unknown token, so that a text is embedded as the archive's model embeds it.

    # Parameters

    key : `str`
        The module's key in the config, for messages.
    module : `torch.nn.Module`
    before, now : `Vocabulary`
        Of the archive, and of the model that the module becomes a part of.

    # Raises

    `ConfigError` if the module depends on the vocabulary in another way and the vocabularies differ, or if the two do
    not treat unknown tokens alike.
    """
    from allennlp.data import Vocabulary
    from allennlp.modules.token_embedders import Embedding

    for path, part in module.named_modules():
        place = f"{key}.{path}" if path else key
        if isinstance(part, Embedding):
            if part._vocab_namespace:
                _fit_embedding(place, part, before, now)
        elif getattr(part, "ids_follow_vocabulary", False) or _holds(part, Vocabulary):
            _check_same(place, part, before, now)


def _fit_embedding(place: str, embedding: Any, before: Any, now: Any) -> None:
    import torch

    namespace = embedding._vocab_namespace
    old, new = _tokens(before, namespace), _tokens(now, namespace)
    if old == new:
        return
    if embedding.num_embeddings != len(old) or before.is_padded(namespace) != now.is_padded(namespace):
        raise _unlike(place, namespace)
    ids = {token: index for index, token in enumerate(old)}
    unknown = ids.get(before._oov_token)
    rows = [ids.get(token, unknown) for token in new]
    if now.is_padded(namespace):
        rows[:2] = [0, unknown]  # whatever the two vocabularies call padding and the unknown token
    if None in rows or not new:
        raise _unlike(place, namespace)
    strangers = sum(token not in ids for token in new[2 if now.is_padded(namespace) else 0 :])
    if strangers:
        logger.info(
            "%s: %d of %d tokens (%s) are unknown to the archive and get the vector of its unknown token",
            place, strangers, len(new), namespace,
        )  # fmt: skip
    weight = embedding.weight.detach()[torch.tensor(rows, device=embedding.weight.device)].clone()
    embedding.weight = torch.nn.Parameter(weight, requires_grad=embedding.weight.requires_grad)
    embedding.num_embeddings = len(new)


def _tokens(vocabulary: Any, namespace: str) -> list[str]:
    """The tokens of a namespace in order of their ids; empty if the vocabulary does not have it."""
    if vocabulary is None or namespace not in vocabulary.get_namespaces():
        return []
    names = vocabulary.get_index_to_token_vocabulary(namespace)
    return [names[index] for index in sorted(names)]


def _unlike(place: str, namespace: str) -> ConfigError:
    return ConfigError(
        f"{place}: its vectors are for the tokens of the archive's namespace {namespace!r}, which cannot be matched "
        "with those of these data: use the token_indexers of the archive, or train the archive further (from_archive)"
    )


def _check_same(place: str, part: Any, before: Any, now: Any) -> None:
    names = before.get_namespaces() - {ENTITY_NAMESPACE}
    if any(_tokens(before, name) != _tokens(now, name) for name in names):
        raise ConfigError(
            f"{place}: a {type(part).__name__} depends on the vocabulary, and that of these data is not that of the "
            "archive. Train the archive further (from_archive), or set vocabulary to "
            '{"type": "from_files", "directory": …} with the archive\'s vocabulary'
        )


def _holds(part: Any, kind: type) -> bool:
    """Whether an attribute of a module itself is of a class."""
    return any(isinstance(value, kind) for value in vars(part).values())


def check_same_tokenizer(key: str, module: Any, before: Path, now: Path) -> None:
    """
    Check that the data are read with the tokenizers of a module's transformers.

    # Parameters

    key : `str`
        The module's key in the config, for messages.
    module : `torch.nn.Module`
    before, now : `Path`
        The assets of the archive, and of the run.

    # Raises

    `ConfigError` if they are not.
    """
    for part in module.modules():
        name = getattr(part, "model_name", None)
        tokenizer = before / asset_name(name) / _TOKENIZER if isinstance(name, str) else None
        if tokenizer is None or not tokenizer.is_file():
            continue
        if all(other.read_bytes() != tokenizer.read_bytes() for other in now.glob(f"*/{_TOKENIZER}")):
            raise ConfigError(
                f"{key}: the archive's encoder is {name!r}, but the data are read with another tokenizer: set "
                "model_name of dataset_reader.token_indexers to that encoder"
            )
