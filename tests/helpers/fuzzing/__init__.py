"""
Inputs by chance for everything that reads what users write, and what has to hold for each of them.

`scripts/fuzz.py` runs millions of them; the tests run a few. `campaign` has the kinds.
"""
