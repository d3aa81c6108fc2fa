"""Archives made of another one: with other weights, another configuration, or another order of types."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from allennlp.models.archival import extracted_archive, load_archive

from ner_plugins.archives.weights import load_weights, save
from ner_plugins.ensembles.packing import pack_archive
from ner_plugins.entities import ENTITY_NAMESPACE

Change = Callable[[Any], None]


def varied(archive: Path, target: Path, noise: int = 0, config: Change | None = None, size: float = 0.05) -> Path:
    """A copy of an archive, with noise on its weights (its seed, 0 for none) and changes of its configuration."""
    with extracted_archive(archive) as folder:
        if noise:
            generator = torch.Generator().manual_seed(noise)
            weights = load_weights(Path(folder, "weights.th"))
            for tensor in weights.values():
                if tensor.is_floating_point():
                    tensor += size * torch.randn(tensor.shape, generator=generator)
            save(weights, Path(folder, "weights.th"))
        if config is not None:
            path = Path(folder, "config.json")
            content = json.loads(path.read_text())
            config(content)
            path.write_text(json.dumps(content))
        pack_archive(folder, str(target))
    return target


def with_types_in_another_order(archive: Path, target: Path) -> Path:
    """The same model with its types in reverse order of their ids."""
    with extracted_archive(archive) as folder:
        model = load_archive(folder).model
        file = Path(folder, "vocabulary", f"{ENTITY_NAMESPACE}.txt")
        types = model.types[::-1]
        file.write_text("\n".join(types) + "\n", encoding="utf-8")
        model.vocab._token_to_index[ENTITY_NAMESPACE] = {name: place for place, name in enumerate(types)}
        model.vocab._index_to_token[ENTITY_NAMESPACE] = dict(enumerate(types))
        model.change_types(keep=True)
        save(model.state_dict(), Path(folder, "weights.th"))
        pack_archive(folder, str(target))
    return target
