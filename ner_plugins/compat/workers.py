"""Data loader workers started by spawn."""

from types import ModuleType
from typing import Any

from ner_plugins.compat.replace import replace


class _ContextLocks(ModuleType):
    """`multiprocessing` for the loader's module while it starts workers, with locks of the workers' own context."""

    def __init__(self, multiprocessing: ModuleType, context: Any) -> None:
        super().__init__(multiprocessing.__name__)
        self.__dict__.update(_multiprocessing=multiprocessing, RLock=context.RLock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_multiprocessing"], name)


def share_locks() -> None:
    """
    AllenNLP 2.10.1 gives workers a lock of the default start method; Python 3.11 refuses to pass a fork lock to spawn.
    """
    from allennlp.data.data_loaders import multiprocess_data_loader as module

    def with_context_locks(start: Any) -> Any:
        def start_with_locks(self: Any, queue: Any, ctx: Any) -> Any:
            multiprocessing = module.mp
            module.mp = _ContextLocks(multiprocessing, ctx)
            try:
                return start(self, queue, ctx)
            finally:
                module.mp = multiprocessing

        return start_with_locks

    for name in ("_start_instance_workers", "_start_batch_workers"):
        replace(module.MultiProcessDataLoader, name, with_context_locks)
