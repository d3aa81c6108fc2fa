"""Arguments that name a file or folder to write."""

import argparse


def output_name(value: str) -> str:
    """
    `value`, as the `type` of such an argument.

    # Raises

    `argparse.ArgumentTypeError` if it is empty, as with `-o "$UNSET"`: it would stand for the current folder.
    """
    if not value.strip():
        raise argparse.ArgumentTypeError("the name is empty")
    return value
