"""`python -m ner_plugins.tagger FOLDER < texts.txt`: predictions of an exported model, without AllenNLP."""

import argparse
import sys
from typing import BinaryIO, Iterator, Optional, Sequence, cast

from ner_plugins.errors import NerError
from ner_plugins.files.output_files import dump_json
from ner_plugins.files.text_lines import read_lines
from ner_plugins.tagger.onnx.backend import OnnxBackend
from ner_plugins.tagger.tagger import Tagger

DESCRIPTION = "Find the entities of the texts on standard input, one on each line, and print a line of JSON for each."


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command, and return its exit status. A user's mistake ends in one message on standard error."""
    parser = argparse.ArgumentParser("python -m ner_plugins.tagger", description=DESCRIPTION)
    parser.add_argument("folder", help="a model that `allennlp ner-export --to onnx` wrote")
    parser.add_argument("--threads", type=int, help="threads to use (default: OMP_NUM_THREADS, or one for each core)")
    parser.add_argument("--batch-size", type=int, help="highest number of lines in a batch, and of lines read ahead")
    parser.add_argument(
        "--threshold", type=float, help="lowest probability of an entity (default: the model's thresholds)"
    )
    args = parser.parse_args(arguments)
    try:
        tagger = Tagger(
            OnnxBackend(args.folder, args.threads),
            thresholds=args.threshold,
            batch_size=args.batch_size,
            window=args.batch_size,
        )
        for number, tagged in enumerate(tagger.tag(_lines())):
            sys.stdout.buffer.write(f"{dump_json({'id': number, **tagged.to_json()})}\n".encode())
            sys.stdout.buffer.flush()  # the next program waits for each line
    except NerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head`
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


class _Arriving:
    """Standard input as a stream whose `read` returns as soon as anything has arrived."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as soon as there are any; none at the end."""
        arrived: bytes = sys.stdin.buffer.read1(size)  # type: ignore[union-attr]
        return arrived


def _lines() -> Iterator[str]:
    return (line for _, line in read_lines(cast(BinaryIO, _Arriving()), "standard input"))


if __name__ == "__main__":
    sys.exit(main())
