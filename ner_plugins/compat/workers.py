"""Data loader workers: started by spawn, and instances in the order of the data."""

from collections import deque
from types import ModuleType
from typing import Any, Iterator

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


def keep_order() -> None:
    """
    AllenNLP 2.10.1 takes instances from several workers as they come, so that two runs of one config differ: in the
    order of the sentences, and in the ids of labels that are equally frequent.
    """
    from allennlp.data.data_loaders.multiprocess_data_loader import MultiProcessDataLoader

    replace(MultiProcessDataLoader, "_instance_worker", _numbering)
    replace(MultiProcessDataLoader, "_gather_instances", lambda original: _gather_in_order)


def _numbering(work: Any) -> Any:
    def _instance_worker(self: Any, worker_id: int, queue: Any, lock: Any, rx: Any) -> None:
        put = self._safe_queue_put

        def put_numbered(number: int, item: Any, queue: Any, rx: Any) -> bool:
            instance, error = item
            return bool(put(number, ((number, instance), error), queue, rx))

        self._safe_queue_put = put_numbered
        work(self, worker_id, queue, lock, rx)

    return _instance_worker


def _gather_in_order(self: Any, queue: Any) -> Iterator[Any]:
    """The instances of all workers in turns, as the reader has dealt them out."""
    from allennlp.data.data_loaders.multiprocess_data_loader import WorkerError

    waiting: list[deque[Any]] = [deque() for _ in range(self.num_workers)]
    turn = finished = 0
    while finished < self.num_workers:
        place, error = queue.get()
        if error is not None:
            raise WorkerError(*error)
        if place is None:
            finished += 1
        else:
            number, instance = place
            waiting[number].append(instance)
        while waiting[turn] or (finished == self.num_workers and any(waiting)):
            if waiting[turn]:
                yield _indexed(self, waiting[turn].popleft())
            turn = (turn + 1) % self.num_workers
        if place is not None:
            queue.task_done()


def _indexed(loader: Any, instance: Any) -> Any:
    loader.reader.apply_token_indexers(instance)
    if loader._vocab is not None:
        instance.index_fields(loader._vocab)
    return instance
