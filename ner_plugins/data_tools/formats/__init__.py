"""
The formats that corpora are written in, one module each: `cluener`, `brackets`, `datasets_rows`, `columns`, `docbin`,
`doccano`, `label_studio`.

`base` is their common interface, `registry` lists them by name with the reader of each, and `writer` writes a corpus
to a file. The readers are in `ner_plugins.dataset_readers`.
"""

from ner_plugins.data_tools.formats.registry import DEFAULT_FORMAT, FORMATS, format_of, reader_for, split_file
from ner_plugins.data_tools.formats.writer import CorpusWriter, WriteSummary, open_corpus_writer, write_corpus

__all__ = [
    "DEFAULT_FORMAT", "FORMATS", "CorpusWriter", "WriteSummary", "format_of", "open_corpus_writer", "reader_for",
    "split_file", "write_corpus",
]  # fmt: skip
