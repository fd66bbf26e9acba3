"""Captions of emoji: which a model is trained on, and which are held out to test it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache
from typing import NamedTuple

from inkwash.errors import UsageError

LANGUAGES = ("en", "zh")
_JOINER, _PICTURE = "\u200d", "\ufe0f"  # zero-width joiner; emoji presentation selector, without meaning
_TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
_SIDES = {"♀", "♂", "➡"}  # after a joiner: a woman, a man, facing right
_LETTERS = {chr(code) for code in range(0x1F1E6, 0x1F200)}  # a flag is two of them
_TAG_END = "\U000e007f"  # England, Scotland, Wales: a black flag and letters in tags
_NEUTRAL = dict(zip("👨👩👦👧👴👵🤴👸🕺🤰🫃", "🧑🧑🧒🧒🧓🧓🫅🫅💃🫄🫄", strict=True))
_TOGETHER = {  # one code point, and the sequence that tells who takes part
    "👫": "🧑🤝🧑",
    "👬": "🧑🤝🧑",
    "👭": "🧑🤝🧑",
    "💏": "🧑❤💋🧑",
    "💑": "🧑❤🧑",
    "👯": "🧑🐰🧑",
    "🤼": "🧑\U0001faef🧑",
    "🤝": "🫱🫲",
    "🎅": "🧑🎄",
    "🤶": "🧑🎄",
}


class Wordings(NamedTuple):
    """The captions of one emoji."""

    known: tuple[str, ...]  # captions to train on; the name first, never empty
    held_out: tuple[str, ...]  # not a training caption of any emoji; () for most


def sequences() -> tuple[str, ...]:
    """All fully qualified emoji of the package `emoji`, sorted by year of introduction, then by length."""
    from emoji import EMOJI_DATA, STATUS

    found = [sequence for sequence, facts in EMOJI_DATA.items() if facts["status"] == STATUS["fully_qualified"]]
    return tuple(sorted(found, key=lambda sequence: (EMOJI_DATA[sequence]["E"], len(sequence), sequence)))


def base_of(sequence: str) -> str:
    """The code points that variants of an emoji (skin tones, women, men, children, families) have in common."""
    bare = "".join(c for c in sequence if c not in _TONES and c not in (_JOINER, _PICTURE, *_SIDES))
    if bare == "":  # ♀, ♂ and ➡ themselves
        return sequence.replace(_PICTURE, "")
    neutral = "".join(_NEUTRAL.get(c, c) for c in bare)
    if len(neutral) > 1 and set(neutral) <= {"🧑", "🧒"}:
        return "👪"
    return _TOGETHER.get(neutral, neutral)


def toneless(sequence: str) -> str:
    """The sequence without skin tones."""
    return "".join(c for c in sequence if c not in _TONES and c != _PICTURE) or sequence


def in_test(base: str) -> bool:
    """Whether emoji of this base are in the test split: one base in twenty, by a hash of the base alone."""
    return _hash("split", base) % 20 == 0


def is_flag(sequence: str) -> bool:
    """Whether a sequence is the flag of a country or region, or of England, Scotland or Wales."""
    return sequence[0] in _LETTERS or sequence.endswith(_TAG_END)


@cache
def wordings(language: str) -> dict[str, Wordings]:
    """The captions, in lower case, of every sequence that has a name in `language`, "en" or "zh".

    English captions are the name ("red heart", "waving hand medium skin tone") and aliases. An alias can be held out
    if all its words occur in names of the training split ("panda face", "traffic light"); such aliases are held out
    for about half of the emoji that have any. A flag has the captions "flag france" and "france flag"; "flag of
    france" is held out. Chinese captions are names alone; a flag has "旗 法国" and "法国旗"; "法国的旗" is held out.

    Raises UsageError for another language.
    """
    if language not in LANGUAGES:
        raise UsageError(f"Captions of emoji are in {' or '.join(map(repr, LANGUAGES))}; got {language!r}.")
    import emoji

    emoji.config.load_language(language)
    facts = {sequence: emoji.EMOJI_DATA[sequence] for sequence in sequences()}
    names = {s: name for s, fact in facts.items() if (name := _plain(fact.get(language, "")))}
    if language == "zh":
        return {s: _flag_zh(name) if is_flag(s) else Wordings((name,), ()) for s, name in names.items()}
    aliases = _aliases({s: fact.get("alias", []) for s, fact in facts.items() if not is_flag(s)}, names)
    taught = {word for s, name in names.items() if not in_test(base_of(s)) for word in name.split()}
    found = {}
    for s, name in names.items():
        if is_flag(s):
            found[s] = Wordings((f"flag {name}", f"{name} flag"), (f"flag of {name}",))
            continue
        usable = [alias for alias in aliases[s] if _can_be_asked(alias, name, taught)]
        withheld = usable if _hash("held out", s) % 2 else []
        found[s] = Wordings((name, *(alias for alias in aliases[s] if alias not in withheld)), tuple(withheld))
    return found


def _can_be_asked(alias: str, name: str, taught: set[str]) -> bool:
    """Whether all words are taught, and the alias is not one word from names of other emoji ("wave" for a hand)."""
    words = set(alias.split())
    return words <= taught and (len(words) > 1 or words <= set(name.split()))


def _flag_zh(name: str) -> Wordings:
    return Wordings((f"旗 {name}", f"{name}旗"), (f"{name}的旗",))


def _aliases(raw: dict[str, list[str]], names: dict[str, str]) -> dict[str, list[str]]:
    """The aliases that consist of words and are neither a name of an emoji nor an alias of several emoji."""
    plain = {s: list(dict.fromkeys(map(_plain, some))) for s, some in raw.items()}
    owners: dict[str, set[str]] = {}
    for s, some in plain.items():
        for alias in some:
            owners.setdefault(_letters(alias), set()).add(s)
    taken = {_letters(name) for name in names.values()}

    def good(alias: str) -> bool:
        letters = _letters(alias)
        return bool(re.fullmatch("[a-z][a-z ]+[a-z]", alias)) and letters not in taken and len(owners[letters]) == 1

    return {s: list(filter(good, some)) for s, some in plain.items()}


def _plain(name: str) -> str:
    """ ":man’s_shoe:" -> "man's shoe": words in lower case, without punctuation except hyphens and apostrophes."""
    text = unicodedata.normalize("NFC", name).lower().replace("’", "'").replace("&", " and ").replace(".", "")
    return " ".join(re.sub("[:_()!,“”]", " ", text).split())


def _letters(wording: str) -> str:
    """The letters without spaces, hyphens and apostrophes, by which different spellings are compared."""
    return re.sub("[ '-]", "", wording)


def _hash(purpose: str, text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"inkwash emoji {purpose} {text}".encode()).digest()[:8])
