"""Packaging of ner_plugins; docs/first-steps.md has the commands that install it."""

import os
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HOOK = "ner_plugins.pth"
SERVE = [
    "fastapi>=0.115",  # endpoints and their description
    "prometheus-client>=0.20",  # metrics
    "pydantic>=2.7",  # checks requests; FastAPI brings it
    "starlette>=0.37",  # requests and responses, on which FastAPI is built
    "uvicorn>=0.30",  # HTTP
]
TEST = [
    "hypothesis",  # generated input
    "mypy",  # checks types
    "onnx",  # with the next two: exports to it
    "onnxruntime",
    "onnxscript",
    "optuna",  # searches of ner-sweep
    "pandas",  # Ray Data needs it
    "pyarrow",  # Parquet, for ner-bulk and ner-folds
    "pytest",  # runs the tests
    "pytest-xdist",  # in several processes
    "playwright",  # drives the browser in which the server's page is tested
    "pytorch-crf",  # another CRF to compare with
    "ray",  # ner-bulk
    "ruff",  # checks style
    "schemathesis",  # requests from the server's own description
    "spacy",  # DocBins, and the component ner_plugins
]
DOCS = [
    "mkdocs",  # builds the site from docs/
    "mkdocs-material",  # its theme
    "mkdocstrings",  # pages of the API
    "mkdocstrings-python",  # reads docstrings without importing the package
    "pymdown-extensions",  # code blocks, and pages that include a file
    "ruff",  # formats signatures
]


class BuildWithHook(build_py):
    """
    Puts the import hook's `.pth` file at the root of a wheel, and so into site-packages.

    An editable install has no place for it: there `python -m ner_plugins.install_hook` writes it.
    """

    def run(self) -> None:
        """Build, and add the file."""
        super().run()
        if not getattr(self, "editable_mode", False):
            shutil.copyfile(os.path.join("ner_plugins", HOOK), os.path.join(self.build_lib, HOOK))


def version() -> str:
    """The package's version, read without importing it."""
    names: dict = {}
    with open(os.path.join("ner_plugins", "version.py"), encoding="utf-8") as file:
        exec(file.read(), names)
    return names["VERSION"]


def readme() -> str:
    """The long description."""
    with open("README.md", encoding="utf-8") as file:
        return file.read()


setup(
    name="ner_plugins",
    version=version(),
    description="AllenNLP plugins for Chinese and Korean named entity recognition",
    long_description=readme(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["ner_plugins", "ner_plugins.*"]),
    package_data={
        "ner_plugins": [
            HOOK,
            "py.typed",
            "data_tools/download/*.json",
            "audit/page.*",
            "reports/page.*",
            "serving/page/*",
            "exports/*.md",
        ]
    },
    entry_points={  # where spaCy looks for names in its configuration
        "spacy_factories": ["ner_plugins = ner_plugins.exports._spacy_factory:make_component"],
        "spacy_tokenizers": ["ner_plugins.characters = ner_plugins.exports._spacy_factory:make_character_tokenizer"],
    },
    cmdclass={"build_py": BuildWithHook},
    # AllenNLP and allennlp-models are not listed: their own pins (torch < 1.13, transformers < 4.21) contradict
    # everything below. Install them with --no-deps (docs/first-steps.md); what they import is listed here.
    install_requires=[
        # This package computes with these.
        "torch>=2.4",  # models; 2.4 is the first version whose safe loading has an allow-list
        "transformers>=4.49,<6",  # pretrained encoders and their fast tokenizers
        "numpy>=1.26",  # window plans, and arrays between torch and AllenNLP
        "safetensors>=0.4",  # encoder weights without pickled code
        "seqeval>=1.2.2",  # the strict entity scores that papers report
        "jsonnet>=0.20",  # configs; without it AllenNLP silently reads them as plain JSON
        "tqdm>=4.62",  # progress bars
        "matplotlib>=3.7",  # pictures of corpora and reports
        "jinja2>=3.1",  # the HTML page of a report, with every text escaped; torch brings it
        "numba>=0.60",  # the CRF's compiled kernels on a CPU; without it torch computes the same
        "llvmlite>=0.43",  # numba's compiler, which one of the kernels calls directly
        "pyahocorasick>=2.0",  # finds a lexicon's words in a text in one pass
        "regex>=2022.1.18",  # regular expressions of rules, with a time limit; Transformers brings it
        # AllenNLP 2.10.1 imports these when it starts.
        "base58",  # hashes in the names of its cache files
        "cached-path>=1.1,<2",  # data and archives by URL
        "dill",  # its worker processes
        "filelock",  # vocabularies written by one process
        "h5py",  # its ELMo weights
        "huggingface_hub",  # models by hub name
        "lmdb",  # its tensor cache
        "more-itertools",  # its samplers
        "nltk",  # suggestions for misspelt names
        "requests",  # its downloads
        "scikit-learn",  # its metrics, and seqeval
        "scipy",  # its metrics
        "sentencepiece",  # tokenizers of ALBERT and others
        "tensorboardX",  # its TensorBoard callback
        "termcolor",  # its result printing
        "typer",  # cached-path's command line
        # allennlp-models 2.10.1 imports these when a config names one of its classes.
        "conllu",
        "ftfy",
        "py-rouge",
        "word2number",
        "setuptools<81",  # py-rouge imports pkg_resources, which later versions lack
    ],
    extras_require={
        # ner-export --to onnx: torch writes graphs with onnx and onnxscript. What is exported runs with onnxruntime and
        # tokenizers alone, beside numpy (docs/prediction.md).
        "onnx": ["onnx>=1.17", "onnxscript>=0.5", "onnxruntime>=1.20", "tokenizers>=0.21"],
        "ray": ["ray[data]==2.60.*"],  # the command ner-bulk, which asks this version's planner
        "parquet": ["pyarrow>=15"],  # the Parquet file of ner-folds
        "spacy": ["spacy>=3.5"],  # the reader spacy_ner, the format docbin, and the component ner_plugins for spaCy
        "tracking": ["mlflow-skinny>=2.9", "wandb>=0.16"],  # the callbacks mlflow and wandb
        "sweep": ["optuna>=4"],  # ner-sweep: samplers that learn from earlier trials
        "serve": SERVE,  # the command ner-serve
        "test": [*TEST, *SERVE],
        "docs": DOCS,
        "dev": [*TEST, *SERVE, *DOCS, "pre-commit"],
    },
)
