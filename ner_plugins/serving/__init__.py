"""
The server of `allennlp ner-serve`: models behind HTTP, and a page to try them.

`fair_queue.py` holds the texts that wait, in fair turns; `worker.py` answers them in batches; `service.py` loads the
models and knows whether the server is ready. What speaks HTTP is in the private package `_web`, the only place that
needs FastAPI and uvicorn (the extra `serve`).
"""

from ner_plugins.serving.fair_queue import FairQueue, QueueFull
from ner_plugins.serving.limits import Limits
from ner_plugins.serving.service import ModelPlace, ServedModel, Service
from ner_plugins.serving.worker import Answer, Failure, WaitingText, Worker

__all__ = [
    "Answer",
    "Failure",
    "FairQueue",
    "Limits",
    "ModelPlace",
    "QueueFull",
    "ServedModel",
    "Service",
    "WaitingText",
    "Worker",
]  # fmt: skip
