"""Who speaks, by the words of dialogues and by those of the programs that write conversations."""

from functools import lru_cache
from typing import Any, Literal

from data.conversation import Role
from data.reading.dialogues.role_words import ROLES, role_of
from data.wording import N_

Speaker = Role | Literal["call"]  # an assistant that calls tools

SPEAKER_WORDS: dict[Speaker, str] = {
    "system": "developer",
    "user": "prompter",
    "assistant": "gpt chatgpt gpt-3.5 gpt-4 bing bard claude gemini llama moss model chatbot ai",
    "tool": "tool observation ipython function tool_response function_response"
    " tool-response function-response",
    "call": "function_call tool_call function-call tool-call",
}
SPEAKERS: dict[str, Speaker] = {
    **ROLES,
    **{word: speaker for speaker, words in SPEAKER_WORDS.items() for word in words.split()},
}
EXPECTED = N_(
    "user, assistant, system or tool, or what data sets call them: human, gpt, 患者, 医生 …"
)


def find_speaker(word: Any) -> Speaker | None:
    return _find_speaker(word) if isinstance(word, str) else None


@lru_cache(maxsize=1024)
def _find_speaker(word: str) -> Speaker | None:
    name = word.strip()
    return SPEAKERS.get(name.lower()) or role_of(name, ROLES)
