"""
The parts of `ner-ensemble`, which combines archives into one.

`members.py` loads them and checks what they have to have in common; `making.py` makes the ensemble. `combining.py`
writes the archive of a `ner_ensemble`, `ballots.py` finds thresholds for its votes, `soups.py` averages weights, and
`record.py` writes what it was made of.
"""
