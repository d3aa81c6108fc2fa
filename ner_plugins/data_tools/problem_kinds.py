"""The kinds of problems in corpora; apart from the checks, since every command's parser lists them."""

from typing import NamedTuple

SEVERITIES = ("error", "warning", "note")


class Kind(NamedTuple):
    """
    A kind of problem.

    # Parameters

    severity : `str`
        `error`: the file breaks its own format. `warning`: probably a mistake, or results cannot be trusted.
        `note`: worth knowing.
    meaning : `str`
        A description for users.
    """

    severity: str
    meaning: str


KINDS: dict[str, Kind] = {
    "unreadable": Kind("error", "a record that cannot be read: bad syntax, or offsets that do not fit the text"),
    "illegal-tags": Kind("error", "a tag that its scheme does not allow there"),
    "misaligned": Kind("error", "an entity outside the text"),
    "empty-entity": Kind("error", "an entity of white space only"),
    "leak": Kind("warning", "a text that is in two splits"),
    "conflicting-copy": Kind("warning", "a repeated text with different gold"),
    "unlabelled-repeat": Kind("warning", "a labelled surface that also occurs in its text without a label"),
    "conflict": Kind("warning", "a surface with two types in one text"),
    "same-span": Kind("warning", "one span with two types"),
    "crossing": Kind("warning", "entities that overlap without one containing the other"),
    "unlabelled": Kind("warning", "a file for training or development without any label"),
    "wrong-reader": Kind("warning", "a file that looks meant for another reader or other options"),
    "one-sentence": Kind("warning", "a column file without blank lines"),
    "unseen-type": Kind("warning", "a type that the training split lacks"),
    "edge-space": Kind("warning", "an entity that begins or ends with white space"),
    "cut-character": Kind("warning", "an entity that begins or ends between a character and its accent or joiner"),
    "odd-character": Kind("warning", "an entity with a control, invisible, private-use or replacement character"),
    "normalisation": Kind("warning", "a surface with another Unicode spelling, mixed in itself or used elsewhere"),
    "empty-text": Kind("warning", "a text that is empty or white space only"),
    "cut-word": Kind("note", "an entity that begins or ends inside a Latin word or a number"),
    "nested": Kind("note", "an entity inside another one"),
    "left-out": Kind("note", "parts of a file that are not read, by a rule: relations, cancelled annotations"),
    "rare-type": Kind("note", "a type that a frequent surface almost never has"),
    "repeated-text": Kind("note", "a text that occurred earlier in its split"),
    "long-text": Kind("note", "a text longer than most encoders can read at once"),
}
