"""Common misspellings in replies put right, so that one row serves what two administrators typed.

A second look only: the tables see every text as it stands first.
"""

import functools
import re
from typing import cast

from validatord.rules.reply_rule import REMEMBERED_TEXTS, load_data

_WORDS = cast("dict[str, list[str]]", load_data("misspellings.toml")["words"])
_MISSPELT = tuple((re.compile("|".join(wrong)), right) for right, wrong in _WORDS.items())


@functools.lru_cache(REMEMBERED_TEXTS)
def respell(text: str) -> str:
    """Return folded `text` with the usual misspellings put right and underscores as the spaces they stand for."""
    text = text.replace("_", " ")
    for pattern, right in _MISSPELT:
        text = pattern.sub(right, text)
    return text
