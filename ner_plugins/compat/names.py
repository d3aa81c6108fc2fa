"""Names that AllenNLP 2.10.1 imports from Transformers and huggingface_hub, and that newer versions lack."""

import sys
from typing import Any, Optional

from ner_plugins.compat.stand_ins import StandInModule


def supply_adamw() -> None:
    """
    Transformers 4.50 has no `AdamW`, a base class in `allennlp.training.optimizers` (`huggingface_adamw`).

    Runs right before that module is imported: Transformers 5 replaces its module object in `sys.modules` when lazy
    submodules load, which would lose a name set earlier.
    """
    import transformers  # noqa: F401

    current: Any = sys.modules["transformers"]
    if not hasattr(current, "AdamW"):
        from ner_plugins.compat.adamw import AdamW

        current.AdamW = AdamW


def supply_file_utils() -> None:
    """Transformers 5 has no `transformers.file_utils`, from which AllenNLP's own transformer imports `WEIGHTS_NAME`."""
    import transformers.utils

    try:
        import transformers.file_utils
    except ImportError:
        module = StandInModule("transformers.file_utils")
        module.__dict__["WEIGHTS_NAME"] = transformers.utils.WEIGHTS_NAME
        sys.modules["transformers.file_utils"] = module


def supply_hub_names() -> None:
    """huggingface_hub 1.0 has no `HfFolder` and `Repository`, imported by `allennlp.common.push_to_hf`."""
    import huggingface_hub

    if not hasattr(huggingface_hub, "HfFolder"):
        huggingface_hub.HfFolder = _HfFolder
    if not hasattr(huggingface_hub, "Repository"):
        huggingface_hub.Repository = _Repository


class _HfFolder:
    @staticmethod
    def get_token() -> Optional[str]:
        """The token of the user, or `None`."""
        import huggingface_hub

        token: Optional[str] = huggingface_hub.get_token()
        return token


class _Repository:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError(
            "`allennlp push-to-hf` needs huggingface_hub < 1.0 (and Transformers 4). "
            "Upload the serialization directory with `hf upload` instead."
        )
