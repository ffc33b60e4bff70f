"""The language that a client would read, by its Accept-Language."""

from fastapi import Depends, Request, Response

from data.wording import LANGUAGES, Language, speak

MOST_READ = 20  # entries


async def speak_to_caller(request: Request, response: Response) -> None:
    """A dependency of endpoints that tell people something: for the rest of the request, what is
    said is said in the caller's language."""
    response.headers["Vary"] = "Accept-Language"
    speak(language_of(request))


SPOKEN = [Depends(speak_to_caller)]  # of a router


def language_of(request: Request) -> Language:
    return preferred_language(request.headers.get("accept-language", ""))


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
