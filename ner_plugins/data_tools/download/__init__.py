"""
Public corpora from the addresses where they are published.

`catalogue` lists the corpora (`catalogue.json`), `http` fetches a file, resuming where it stopped, and `corpus_files`
unpacks and verifies the files of a corpus and puts them into its folder.
"""

from ner_plugins.data_tools.download.catalogue import PublicCorpus, choose_corpora, load_catalogue
from ner_plugins.data_tools.download.corpus_files import Downloaded, check_permission, download
from ner_plugins.data_tools.download.http import DownloadError

__all__ = [
    "DownloadError", "Downloaded", "PublicCorpus", "check_permission", "choose_corpora", "download", "load_catalogue",
]  # fmt: skip
