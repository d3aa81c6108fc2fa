"""
Modules taken from an archive: `{"_pretrained": {"archive_file": …, "module_path": …, "freeze": …}}` in place of an
object of a config.
"""

import copy
import inspect
import json
import logging
import os
import shutil
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, get_args, get_origin

from ner_plugins.archives.assets import ASSETS_FOLDER, is_loading
from ner_plugins.archives.vocabularies import check_same_tokenizer, fit_to_vocabulary
from ner_plugins.compat.replace import replace
from ner_plugins.distributed import is_first_rank
from ner_plugins.errors import ConfigError, shown
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.run_record import PRETRAINED_MODULES
from ner_plugins.options import place_of_object

logger = logging.getLogger(__name__)

KEY = "_pretrained"
_CONFIGS = "modules.json"
# The modules that are built while an archive is loaded, with the configuration of each; `None` at other times.
_notes: ContextVar[Optional[list[tuple[Any, dict[str, Any]]]]] = ContextVar("ner_plugins_built_modules", default=None)


class PretrainedModule:
    """
    Where a module comes from.

    # Parameters

    archive_file : `str`
        The archive of a trained model, or the folder of its run.
    module_path : `str`
        The module's path among the attributes of that model, such as `text_field_embedder`.
    freeze : `bool`, optional (default=`True`)
        Whether its weights stay as they are.
    """

    def __init__(self, archive_file: str, module_path: str, freeze: bool = True) -> None:
        self.archive_file, self.module_path, self.freeze = archive_file, module_path, freeze


def take_modules_from_archives() -> None:
    """
    AllenNLP 2.10.1 takes the module as it is: where the vocabularies differ, its vectors belong to other tokens than
    the data's. It needs the archive again whenever the new model is loaded, and it does not know `Lazy` arguments.

    Here each token keeps its vector, whatever its id; what cannot be matched is refused. The new archive carries the
    module's configuration, as if it had been built of it.
    """
    from allennlp.common import from_params

    def building_by_argument(original: Any) -> Any:
        def pop_and_construct_arg(
            class_name: str, argument_name: str, annotation: Any, default: Any, params: Any, /, **extras: Any
        ) -> Any:
            if argument_name in extras or not _is_given(params.get(argument_name, None)):
                return original(class_name, argument_name, annotation, default, params, **extras)
            value = params.pop(argument_name)
            return from_params.construct_arg(class_name, argument_name, value, annotation, default, **extras)

        return pop_and_construct_arg

    def taking_modules(original: Any) -> Any:
        def construct_arg(
            class_name: str, argument_name: str, value: Any, annotation: Any, default: Any, /, **extras: Any
        ) -> Any:
            if not _is_given(value):
                return original(class_name, argument_name, value, annotation, default, **extras)
            return _of_archive(place_of_object() + argument_name, value, annotation, extras)

        return construct_arg

    replace(from_params, "pop_and_construct_arg", building_by_argument)
    replace(from_params, "construct_arg", taking_modules)
    replace(from_params.FromParams, "from_params", _noting)


def _is_given(value: Any) -> bool:
    return isinstance(value, Mapping) and KEY in value


def _noting(original: Any) -> Any:
    """Note the configuration of each module that is built while an archive is loaded for its modules."""

    def from_params(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        notes = _notes.get()
        if notes is None:
            return original(cls, *args, **kwargs)
        params = kwargs["params"] if "params" in kwargs else args[0] if args else None
        config = {"type": params} if isinstance(params, str) else copy.deepcopy(getattr(params, "params", None))
        built = original(cls, *args, **kwargs)
        if isinstance(config, dict):
            notes.append((built, {**_sizes(built, kwargs), **config}))
        return built

    return from_params


def _sizes(built: Any, given: Mapping[str, Any]) -> dict[str, int]:
    """The input size of an encoder that the archive's model has filled in; another model may not."""
    from allennlp.modules import Seq2SeqEncoder

    if not isinstance(built, Seq2SeqEncoder):
        return {}
    known = inspect.signature(type(built).__init__).parameters
    return {name: given[name] for name in ("input_size", "input_dim") if name in known and name in given}


@contextmanager
def _built_modules() -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    notes: list[tuple[Any, dict[str, Any]]] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def _of_archive(key: str, value: Mapping[str, Any], annotation: Any, extras: Mapping[str, Any]) -> Any:
    """The module that `value` names, fitted to the new model's vocabulary; within a `Lazy` if that is asked for."""
    from allennlp.common import Lazy

    given = _options(key, value)
    lazy = get_origin(annotation) is Lazy
    expected = get_args(annotation)[0] if lazy else annotation
    module = _taken(key, given, extras)
    if inspect.isclass(expected) and not isinstance(module, expected):
        raise ConfigError(
            f"{key}._pretrained.module_path is {given.module_path!r}, which is a {type(module).__name__}, but has to "
            f"be a {expected.__name__}"
        )
    return Lazy(_Ready(key, module)) if lazy else module


def _options(key: str, value: Mapping[str, Any]) -> PretrainedModule:
    others = [name for name in value if name != KEY]
    if others:
        raise ConfigError(f"{key}.{others[0]} has no effect beside _pretrained: remove it")
    options = value[KEY]
    known = inspect.signature(PretrainedModule).parameters
    if not isinstance(options, Mapping):
        raise ConfigError(f"{key}._pretrained has to be an object with {', '.join(known)}")
    for name in options:
        if name not in known:
            raise ConfigError(f"{key}._pretrained has no option {shown(name)}. It has: {', '.join(known)}")
    for name in ("archive_file", "module_path"):
        if not isinstance(options.get(name), str):
            raise ConfigError(f"{key}._pretrained.{name} is missing, or is not a string")
    return PretrainedModule(**options)


def _taken(key: str, given: PretrainedModule, extras: Mapping[str, Any]) -> Any:
    from allennlp.common.file_utils import cached_path
    from allennlp.models import archival

    from ner_plugins.archives.reading import naming_archive

    with ExitStack() as stack:
        stack.enter_context(naming_archive(given.archive_file))
        found = Path(cached_path(given.archive_file))
        folder = found if found.is_dir() else Path(stack.enter_context(archival.extracted_archive(found)))
        built = stack.enter_context(_built_modules())
        model = archival.load_archive(folder).model
        module = dict(model.named_modules()).get(given.module_path)
        if module is None:
            raise ConfigError(
                f"{key}._pretrained.module_path is {given.module_path!r}, which the archive's model does not have; it "
                f"has {', '.join(name for name, _ in model.named_children())}, and what is in them"
            )
        folder_of_run = extras.get("serialization_dir")
        if not is_loading() and folder_of_run is not None and is_first_rank():
            check_same_tokenizer(key, module, folder / ASSETS_FOLDER, Path(folder_of_run) / ASSETS_FOLDER)
            _save(Path(folder_of_run), key, _config_of(key, given, module, built), folder / ASSETS_FOLDER)
    fit_to_vocabulary(key, module, model.vocab, extras.get("vocab"))
    return module.requires_grad_(not given.freeze)


def _config_of(
    key: str, given: PretrainedModule, module: Any, built: list[tuple[Any, dict[str, Any]]]
) -> dict[str, Any]:
    """The configuration that a module of an archive was built of."""
    # The last note of a module is that of the outermost call, which has its `type`.
    found: Optional[dict[str, Any]] = next((config for one, config in reversed(built) if one is module), None)
    if found is None:
        raise ConfigError(
            f"{key}._pretrained.module_path is {given.module_path!r}, a part of a module without a configuration of "
            "its own: name the whole module"
        )
    if f'"{KEY}"' in json.dumps(found):
        raise ConfigError(f"{key}._pretrained.archive_file needs a further archive itself: train it again")
    return found


class _Ready:
    """The constructor of a `Lazy` argument whose object is there already; it checks what it is given."""

    def __init__(self, key: str, module: Any) -> None:
        self.key, self.module = key, module

    def __call__(self, **given: Any) -> Any:
        """The module."""
        module = self.module
        size = next((given[name] for name in ("encoding_dim", "input_dim", "input_size") if name in given), None)
        own = getattr(module, "encoding_dim", None)
        own = module.get_input_dim() if own is None and hasattr(module, "get_input_dim") else own
        if size is not None and own is not None and size != own:
            raise ConfigError(f"{self.key} of the archive has input size {own}, but its input vectors have size {size}")
        if "types" in given and list(given["types"]) != list(module.types):
            raise ConfigError(
                f"{self.key} of the archive is for the entity types {', '.join(module.types)}, in this order, but the "
                f"data have {', '.join(given['types'])}: train the archive further instead (from_archive, new_types)"
            )
        return module


def _save(folder: Path, key: str, config: dict[str, Any], assets: Path) -> None:
    """Keep what an archive of the run in `folder` needs of another one: a module's configuration, and assets."""
    own = folder / PRETRAINED_MODULES
    (own / ASSETS_FOLDER).mkdir(parents=True, exist_ok=True)
    if assets.is_dir():
        shutil.copytree(assets, own / ASSETS_FOLDER, dirs_exist_ok=True)
    saved = _saved(folder)
    with atomic_path(own / _CONFIGS) as partial:
        Path(partial).write_text(json.dumps({**saved, key: config}, ensure_ascii=False, indent=1), encoding="utf-8")


def _saved(folder: Path) -> dict[str, Any]:
    path = folder / PRETRAINED_MODULES / _CONFIGS
    found: dict[str, Any] = parsed_json(path.read_bytes()) if path.is_file() else {}
    return found


def with_own_modules(config: dict[str, Any], folder: "os.PathLike[str]") -> tuple[dict[str, Any], list[Path]]:
    """
    The configuration of a run, with the configurations of the modules that it took from archives in place of
    `_pretrained`.

    # Parameters

    config : `dict[str, Any]`
    folder : `os.PathLike[str]`
        The run's.

    # Returns

    `tuple[dict[str, Any], list[pathlib.Path]]`
        Also the assets of the modules.
    """
    saved = _saved(Path(folder))
    model = _replaced(config.get("model"), "model", saved) if saved else config.get("model")
    if model == config.get("model"):
        return config, []
    return {**config, "model": model}, sorted((Path(folder) / PRETRAINED_MODULES / ASSETS_FOLDER).iterdir())


def _replaced(value: Any, key: str, saved: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_replaced(one, f"{key}.{place}", saved) for place, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if KEY in value and key in saved:
        return saved[key]
    return {name: _replaced(one, f"{key}.{name}", saved) for name, one in value.items()}
