"""Data loader workers started by spawn."""

import functools
from types import ModuleType
from typing import Any


class _ContextLocks(ModuleType):
    """What the loader's module sees as `multiprocessing` while it starts workers: locks of the workers' own context."""

    def __init__(self, multiprocessing: ModuleType, context: Any) -> None:
        super().__init__(multiprocessing.__name__)
        self.__dict__.update(_multiprocessing=multiprocessing, RLock=context.RLock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_multiprocessing"], name)


def share_locks() -> None:
    """
    AllenNLP 2.10.1 hands workers a lock of the default start method; Python 3.11 refuses to give that of fork to spawn.
    """
    from allennlp.data.data_loaders import multiprocess_data_loader as module

    loader = module.MultiProcessDataLoader
    for name in ("_start_instance_workers", "_start_batch_workers"):
        method = getattr(loader, name)
        if not hasattr(method, "shares_locks"):
            setattr(loader, name, _with_locks_of_context(module, method))


def _with_locks_of_context(module: Any, start: Any) -> Any:
    @functools.wraps(start)
    def start_with_locks(self: Any, queue: Any, ctx: Any) -> Any:
        multiprocessing = module.mp
        module.mp = _ContextLocks(multiprocessing, ctx)
        try:
            return start(self, queue, ctx)
        finally:
            module.mp = multiprocessing

    start_with_locks.shares_locks = True  # type: ignore[attr-defined]
    return start_with_locks
