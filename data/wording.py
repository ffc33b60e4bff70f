"""The reader's language: what is said to people passes through one catalogue (gettext).

English is the source. `_` translates a sentence, `N_` only marks one for the catalogue; a sentence
with numbers is translated first and filled afterwards: `_("{count} rows").format(count=3)`.
"""

import gettext
import os
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FOLDER = Path(__file__).parent / "locale"
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts, as POSIX has it
SHOWN: dict[Language, str] = {"en": "English", "zh": "中文"}
UNSAID = ("", "C", "POSIX")  # an environment without a language

_chosen: ContextVar[gettext.NullTranslations | None] = ContextVar("chosen", default=None)


def _(sentence: str) -> str:
    """A sentence in the chosen language; as it stands where none has been chosen."""
    translations = _chosen.get()
    return translations.gettext(sentence) if translations else sentence


def N_(sentence: str) -> str:  # noqa: N802 - gettext's own name
    """The sentence itself: translated later, where it is said."""
    return sentence


def speak(language: Language) -> None:
    """Speak a language from here on, in this thread and what it starts with its context."""
    _chosen.set(_translations(language))


@cache
def _translations(language: Language) -> gettext.NullTranslations:
    compiled = FOLDER / f"{language}.mo"
    if not compiled.exists():  # of English, the source
        return gettext.NullTranslations()
    with compiled.open("rb") as file:
        return gettext.GNUTranslations(file)


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """All sentences that have one in a language, with it."""
    found: Mapping[str, str] = vars(_translations(language)).get("_catalog", {})
    return {sentence: own for sentence, own in found.items() if sentence and own}


@contextmanager
def speaking(language: Language) -> Generator[None]:
    """Speak a language for as long as the block lasts."""
    before = _chosen.get()
    speak(language)
    try:
        yield
    finally:
        _chosen.set(before)


def prefer(language: Language) -> None:
    """`speak`, where neither a person nor the terminal has asked for another, and the terminal has
    the characters."""
    if _chosen.get() is None and _can_be_shown(language):
        speak(language)


def _can_be_shown(language: Language) -> bool:
    try:
        SHOWN[language].encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def language() -> Language:
    """The one that `_` speaks."""
    translations = _chosen.get()
    said = translations.info().get("language", "en") if translations else "en"
    return "zh" if said.startswith("zh") else "en"


def environment_language(environment: Mapping[str, str] = os.environ) -> Language | None:
    """What the terminal's variables ask for; None where they ask for nothing."""
    value = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    code = re.split(r"[._@]", value)[0]
    if code in UNSAID:
        return None
    return "zh" if code == "zh" else "en"
