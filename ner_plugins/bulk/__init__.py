"""
`allennlp ner-bulk`: the entities of millions of lines, on this machine or a cluster, with Ray Data.

`inputs.py`, `indexing.py` and `rows.py` read files; `row_ids.py` numbers their lines; `job.py` and `commits.py` keep
what is done in the output folder; `tagging.py` is the actor; `pipeline.py` and `session.py` are Ray; `run.py` is the
command. Ray and pyarrow are the extra `ray`, and imported when used.
"""
