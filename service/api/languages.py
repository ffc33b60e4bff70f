"""The language that a client would read, by its Accept-Language."""

from data.wording import LANGUAGES, Language

MOST_READ = 20  # entries


def preferred_language(header: str) -> Language:
    """The one of ours with the largest weight, English where none is asked for."""
    weights: dict[Language, float] = dict.fromkeys(LANGUAGES, 0.0)
    for entry in header.lower().split(",")[:MOST_READ]:
        tag, *parameters = (part.strip() for part in entry.split(";"))
        for language in LANGUAGES:
            if tag.partition("-")[0] == language:
                weights[language] = max(weights[language], _weight(parameters))
    return max(weights, key=weights.__getitem__)  # English is the first


def _weight(parameters: list[str]) -> float:
    given = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        weight = float(given)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
