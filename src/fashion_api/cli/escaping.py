"""Text from elsewhere, as the names of files and of classes, made fit to be printed."""

import unicodedata

_NOT_PRINTED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Categories of Unicode: controls, marks that change the order of characters, undecodable bytes, and ends of lines."""


def escape_controls(text: str) -> str:
    r"""Write each character that could steer a terminal, or begin another line, as in `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _NOT_PRINTED else character
        for character in text
    )
