"""
Tools for corpora, the rooms behind `allennlp ner-data`.

`corpora` opens data paths as corpora with readers (`guess` finds a reader, `unrecognised` explains why none fits).
`statistics` counts, `checks` finds problems (`problem_kinds`), `formats` writes corpora, `sampling` draws samples and
splits, and `download` fetches public corpora.
"""
