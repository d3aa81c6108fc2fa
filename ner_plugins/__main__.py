"""`python -m ner_plugins …` is `allennlp …`, for a Python without the import hook."""


def main() -> None:
    """Run AllenNLP's command line."""
    from allennlp.__main__ import run

    run()


if __name__ == "__main__":
    main()
