"""Reads pretrained encoders: from a folder, or from the Hugging Face hub by its local cache or the network."""

import contextlib
import inspect
import logging
import os
import pickle
import socket
import urllib.request
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, TypeVar
from urllib.parse import urlsplit

from ner_plugins.errors import ConfigError
from ner_plugins.files.json_files import parsed_json

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CONNECT_SECONDS = 5.0


def encoder_folder(model_name: str) -> Optional[str]:
    """
    The folder that `model_name` names, without using the network.

    # Parameters

    model_name : `str`
        A folder, or a name on the hub ("owner/name" or "name").

    # Returns

    `Optional[str]`
        The folder's absolute path, or `None` if `model_name` can only be a hub name.

    # Raises

    `ConfigError` if it is written as a path, and there is no such folder.
    """
    path = os.path.expanduser(model_name)
    if os.path.isdir(path):
        return os.path.abspath(path)
    if os.path.exists(path):
        raise ConfigError(f"model_name: {model_name!r} is a file. Name the folder that holds config.json")
    parent = os.path.dirname(path.rstrip("/\\"))
    written_as_path = path.startswith((".", "/", "~")) or "\\" in path or path.count("/") > 1 or path.endswith("/")
    if not path or written_as_path or (parent and os.path.isdir(parent)):
        raise ConfigError(
            f"model_name: there is no encoder folder {model_name!r} (looked in {os.getcwd()}). Put the encoder there "
            "(config.json, tokenizer and weights), or set model_name to a folder or hub name that exists"
        )
    return None


def read_pretrained(load: Callable[..., T], model_name: str, part: str, **options: Any) -> T:
    """
    Call a `from_pretrained` of transformers: on a folder, else on the hub's local cache, else over the network.

    # Parameters

    load : `Callable[..., T]`
        Takes a folder or hub name and the keyword `local_files_only`.
    model_name : `str`
        As in `encoder_folder`.
    part : `str`
        "tokenizer", "configuration" or "weights"; for messages.

    # Raises

    `ConfigError` if the part cannot be found or read, in one line with what to do.
    """
    failures = _failures()
    folder = encoder_folder(model_name)
    if folder is not None:
        try:
            return load(folder, local_files_only=True, **options)
        except failures as error:
            raise ConfigError(
                f"model_name: cannot read the {part} in {model_name!r}: {first_line(error)}. The folder must hold "
                "config.json, tokenizer.json or vocab.txt, and model.safetensors or pytorch_model.bin"
            ) from error
    try:
        return load(model_name, local_files_only=True, **options)
    except failures:
        pass  # not, or not completely, in the cache
    remedy = "Set model_name to the folder of a downloaded encoder, or run once with network access to fill the cache"
    if not _hub_reachable():
        raise ConfigError(
            f"model_name: {model_name!r} is neither a folder nor in the local hub cache, and the hub cannot be "
            f"reached. {remedy}"
        )
    try:
        return load(model_name, **options)
    except failures as error:
        raise ConfigError(
            f"model_name: cannot read the {part} of {model_name!r} from the hub: {first_line(error)}. {remedy}"
        ) from error


def read_config(model_name: str) -> Any:
    """The encoder's configuration (a `transformers.PretrainedConfig`); errors as in `read_pretrained`."""
    from transformers import AutoConfig

    from ner_plugins.pretrained._nezha_config import register_nezha_config

    register_nezha_config()
    return read_pretrained(AutoConfig.from_pretrained, model_name, "configuration")


def read_encoder(model_name: str, config: Any) -> Any:
    """
    The encoder with its pretrained weights, converted to float32.

    # Parameters

    model_name : `str`
        As in `encoder_folder`.
    config : `transformers.PretrainedConfig`
        From `read_config`.

    # Raises

    `ConfigError` as in `read_pretrained`, and if the weights are those of another model. If only some are missing, such
    as those of a pooler or an adapter, a warning names them.
    """
    from transformers import AutoModel

    from ner_plugins.pretrained._nezha_config import published_names, register_nezha_model

    register_nezha_model(config)
    options = {"config": config, "output_loading_info": True, **without_pooler(config), **published_names(config)}
    with quiet_transformers():
        encoder, report = read_pretrained(AutoModel.from_pretrained, model_name, "weights", **options)
    names = {name for name, _ in encoder.named_parameters()}
    missing = sorted(names & set(report["missing_keys"]))
    if len(missing) == len(names):
        raise ConfigError(
            f"model_name: the weights in {model_name!r} are not those of a {type(encoder).__name__}, which its "
            "config.json asks for. Take both from the same source"
        )
    if missing:
        logger.warning("%s has no weights for %s: they are initialised at random", model_name, ", ".join(missing))
    return encoder.float()


def build_encoder(config: Any) -> Any:
    """An encoder of the configuration's class in float32, without pretrained weights and without reading files."""
    import torch
    from transformers import AutoModel

    from ner_plugins.pretrained._nezha_config import register_nezha_model

    register_nezha_model(config)
    # `from_config` would build in the half precision that some folders declare. Renamed in transformers 4.56.
    setattr(config, "dtype" if hasattr(config, "dtype") else "torch_dtype", torch.float32)
    return AutoModel.from_config(config, trust_remote_code=False, **without_pooler(config)).float()


def without_pooler(config: Any) -> dict[str, bool]:
    """The option that leaves out the pooler, which is never trained; empty if the encoder's class has none."""
    from transformers import MODEL_MAPPING

    encoder_class = MODEL_MAPPING.get(type(config), None)
    if encoder_class is None or isinstance(encoder_class, (tuple, list)):
        return {}
    has_option = "add_pooling_layer" in inspect.signature(encoder_class.__init__).parameters
    return {"add_pooling_layer": False} if has_option else {}


def read_json_file(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty if there is no such file. Raises `ValueError` for other content."""
    if not path.is_file():
        return {}
    value = parsed_json(path.read_bytes())
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return value


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress progress bars and reports that are no problem, such as the unused head of a language model."""
    from transformers.utils import logging as transformers_logging

    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()


def _failures() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    # The errors of transformers for files that are missing, truncated, of another format or of an unknown model.
    return (OSError, ValueError, KeyError, ImportError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError)


def first_line(error: Exception) -> str:
    """The first line of an error's message, to quote in one of ours: libraries write whole paragraphs."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ")[:300] if lines else type(error).__name__


def _hub_reachable() -> bool:
    """Whether the hub can be reached. Its client would retry for most of a minute without a network."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies().keys() & {"http", "https", "all"}:
        return True  # only the proxy can find out
    hub = urlsplit(constants.ENDPOINT)
    try:
        address = (hub.hostname or "", hub.port or (80 if hub.scheme == "http" else 443))
        with socket.create_connection(address, timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
