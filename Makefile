# make train   set up, then train, evaluate and predict on the bundled sample
# make test    set up, lint, and run the tests
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TEST_READY := $(VENV)/.test-ready
# In the order of tests/conftest.py rather than the files with the most tests first.
PYTEST := -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# setuptools warns of every editable install.
EDITABLE := PYTHONWARNINGS='ignore:Editable installation'
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup train lint test test-all test-transformers4 test-newest test-allennlp golden fuzz docs bench clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo "make setup   set up .venv for training and prediction"
	@echo "make lint    ruff and mypy"
	@echo "make test-all             every test, those marked exhaustive too"
	@echo "make test-transformers4   the same on Transformers 4.49, in .venv-transformers4"
	@echo "make test-newest   the same on the newest PyTorch and Transformers, in .venv-newest (TESTS='tests/compat' for a part)"
	@echo "make test-allennlp ALLENNLP=<checkout> ALLENNLP_MODELS=<checkout>   AllenNLP's own tests on these libraries"
	@echo "make golden BASE=<commit>   compare every config's losses and predictions with a commit's, bit for bit"
	@echo "make fuzz    hostile inputs by chance, for three minutes from where the last ones stopped (ARGUMENTS='--seconds 900')"
	@echo "make docs    build the documentation into site/, in .venv-docs"
	@echo "make bench   every measurement of benchmarks/ (hours)"

setup: $(READY)

$(READY): requirements.txt setup.py ner_plugins/ner_plugins.pth
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else "ner_plugins needs Python 3.10 to 3.13, and this is %d.%d: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "setting up $(VENV): downloading and installing PyTorch, Transformers and AllenNLP takes some 2 to 15 minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip  # older ones build seqeval for many minutes
	@$(BIN)/python -m pip install --quiet -r requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps allennlp==2.10.1 allennlp-models==2.10.1
	@$(EDITABLE) $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m ner_plugins.install_hook > /dev/null
	@touch $(READY)

$(TEST_READY): requirements-test.txt $(READY)
	@echo "adding what lint and tests need to $(VENV)"
	@$(BIN)/python -m pip install --quiet --no-warn-conflicts -r requirements-test.txt  # AllenNLP's own pins are known to conflict
	@touch $(TEST_READY)

train: $(READY)
	$(BIN)/python scripts/train_sample.py

lint: $(TEST_READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python $(PYTEST) -m "not exhaustive"

test-all: lint
	$(BIN)/python $(PYTEST)

golden: $(READY)
	@test -n "$(BASE)" || { echo "name the commit to compare with: make golden BASE=<commit>"; exit 2; }
	$(BIN)/python scripts/golden.py against $(BASE)

fuzz: $(TEST_READY)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/fuzz.py $(ARGUMENTS)

# The older release line of Transformers, in an environment of its own.
OLD := .venv-transformers4
$(OLD)/.ready: requirements.txt requirements-test.txt setup.py
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --upgrade pip
	sed -e 's/^transformers==.*/transformers==4.49.0/' -e 's/^huggingface_hub==.*/huggingface_hub<1.0/' requirements.txt > $(OLD)/requirements.txt
	$(OLD)/bin/python -m pip install --quiet -r $(OLD)/requirements.txt -r requirements-test.txt
	$(OLD)/bin/python -m pip install --quiet --no-deps allennlp==2.10.1 allennlp-models==2.10.1
	$(EDITABLE) $(OLD)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(OLD)/bin/python -m ner_plugins.install_hook > /dev/null
	@touch $@

test-transformers4: $(OLD)/.ready
	$(OLD)/bin/python $(PYTEST)

# The newest PyTorch and Transformers that install, whatever requirements.txt pins, in an environment of its own.
NEWEST := .venv-newest
UNPINNED := torch transformers huggingface_hub safetensors
$(NEWEST)/.ready: requirements.txt requirements-test.txt setup.py
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade pip
	sed $(foreach name,$(UNPINNED),-e 's/^$(name)==.*/$(name)/') requirements.txt > $(NEWEST)/requirements.txt
	$(NEWEST)/bin/python -m pip install --quiet -r $(NEWEST)/requirements.txt -r requirements-test.txt
	$(NEWEST)/bin/python -m pip install --quiet --no-deps allennlp==2.10.1 allennlp-models==2.10.1
	$(EDITABLE) $(NEWEST)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(NEWEST)/bin/python -m ner_plugins.install_hook > /dev/null
	@touch $@

test-newest: $(NEWEST)/.ready
	$(NEWEST)/bin/python -m pip install --quiet --upgrade $(UNPINNED)
	@$(NEWEST)/bin/python -m pip list | grep --extended-regexp '^(torch|transformers|huggingface[_-]hub|safetensors) '
	$(NEWEST)/bin/python $(PYTEST) -m "not exhaustive" $(TESTS)

# What AllenNLP's own tests need besides, beside .venv; the tests themselves are in its repositories alone.
SUITE := .venv-suite
ALLENNLP ?= ../allennlp
ALLENNLP_MODELS ?= ../allennlp-models
$(SUITE)/.ready: $(TEST_READY)
	@$(BIN)/python -m pip install --quiet --no-deps --target $(SUITE) flaky==3.8.1 responses==0.26.3
	@touch $@

test-allennlp: $(SUITE)/.ready
	PYTHONPATH="$(CURDIR)/$(SUITE)" $(BIN)/python scripts/allennlp_suite.py $(ALLENNLP) $(ALLENNLP_MODELS)

# The site: the build fetches nothing. It reads docstrings without importing the package, so it needs neither torch nor
# AllenNLP.
DOCS := .venv-docs
$(DOCS)/.ready: requirements-docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --upgrade pip
	$(DOCS)/bin/python -m pip install --quiet -r requirements-docs.txt
	@touch $@

docs: $(DOCS)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict

# Transformers 4.41, the last with which AllenNLP's own indexer works: the peer in benchmarks/indexing.py.
PEER := .venv-indexing
$(PEER)/.ready:
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --upgrade pip
	sed -e 's/^transformers==.*/transformers==4.41.2/' -e 's/^huggingface_hub==.*/huggingface_hub<1.0/' requirements.txt > $(PEER)/requirements.txt
	$(PEER)/bin/python -m pip install --quiet -r $(PEER)/requirements.txt
	$(PEER)/bin/python -m pip install --quiet --no-deps allennlp==2.10.1
	@touch $@

# Hugging Face datasets, the peer in benchmarks/readers.py.
READERS := .venv-readers
$(READERS)/.ready:
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/python -m pip install --quiet --upgrade pip
	$(READERS)/bin/python -m pip install --quiet datasets==5.2.0
	@touch $@

# What the Trainer of Transformers needs, the peer in benchmarks/training.py; beside .venv, which works without it.
TRAINER := .venv-trainer
$(TRAINER)/.ready: $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --target $(TRAINER) accelerate==1.15.0 psutil==7.2.2
	@touch $@

# The encoder of spaCy 3, a peer in benchmarks/prediction.py.
SPACY := .venv-spacy
$(SPACY)/.ready: $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --target $(SPACY) spacy-curated-transformers==0.3.1 curated-transformers==0.1.1 curated-tokenizers==0.9.2
	@touch $@

bench: $(READY) $(PEER)/.ready $(READERS)/.ready $(TRAINER)/.ready
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/indexing.py
	$(BIN)/python benchmarks/readers.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/structured.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/span_decoding.py
	$(BIN)/python benchmarks/lexicon_matching.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/flat.py
	$(BIN)/python benchmarks/cluener.py
	$(BIN)/python benchmarks/corpora.py resume
	$(BIN)/python benchmarks/corpora.py weibo
	$(BIN)/python benchmarks/corpora.py kmou
	$(BIN)/python benchmarks/lattice.py weibo
	$(BIN)/python benchmarks/lattice.py resume
	PYTHONPATH=$(TRAINER) $(BIN)/python benchmarks/training.py --threads 2
	PYTHONPATH=$(TRAINER) $(BIN)/python benchmarks/training.py --corpus msra --threads 2
	$(BIN)/python benchmarks/distributed.py
	$(BIN)/python benchmarks/regularisers.py
	$(BIN)/python benchmarks/ensemble.py
	$(BIN)/python benchmarks/batching.py

clean:
	rm -rf $(VENV) $(OLD) $(NEWEST) $(SUITE) $(DOCS) $(PEER) $(READERS) $(TRAINER) build dist site *.egg-info runs
