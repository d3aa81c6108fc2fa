"""What a server accepts: sizes, waiting texts, and times."""

from dataclasses import dataclass, fields

from ner_plugins.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """
    The limits of a server.

    # Parameters

    max_body : `int`, optional (default=`4_194_304`)
        Bytes of a request's body; of a stream, of each line.
    max_texts : `int`, optional (default=`1_000`)
        Texts of a request; a stream may have any number.
    max_characters : `int`, optional (default=`10_000`)
        Characters of a text. A text is answered in one piece, while others wait.
    queue : `int`, optional (default=`4_096`)
        Texts that wait for a model. Streams fill at most half of it.
    timeout : `float`, optional (default=`30.0`)
        Seconds until a request must be answered; of a stream, seconds without progress.
    batch_wait : `float`, optional (default=`0.002`)
        Seconds that a text waits for others to share a batch with, if the model is idle.

    # Raises

    `ConfigError` for a value that is too low, or a queue that is smaller than `max_texts`.
    """

    max_body: int = 4 * 2**20
    max_texts: int = 1_000
    max_characters: int = 10_000
    queue: int = 4_096
    timeout: float = 30.0
    batch_wait: float = 0.002

    def __post_init__(self) -> None:
        for field in fields(self):
            value, lowest = getattr(self, field.name), 0 if field.name == "batch_wait" else 1e-3
            if not lowest <= value < float("inf"):
                wanted = "a number >= 0" if lowest == 0 else "above 0"
                raise ConfigError(f"{field.name} is {value}; it must be {wanted}")
        if self.queue < self.max_texts:
            raise ConfigError(
                f"queue is {self.queue}, but a request may have {self.max_texts} texts (max_texts), which would never "
                "find room: raise queue, or lower max_texts"
            )
