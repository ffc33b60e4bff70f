"""What data sets call their fields, in lower case, and which of them go together."""

from collections.abc import Collection
from functools import lru_cache

QUESTIONS = (
    *("question", "instruction", "instruct", "prompt", "query", "ask", "content"),
    *("问题", "問題", "提问", "提問", "问", "問", "指令", "咨询"),
)
ANSWERS = (
    *("answer", "output", "completion", "response", "reply", "summary", "target"),
    *("答案", "回答", "答", "回复", "回覆", "答复", "输出"),
)
INPUT, CONTEXT = "input", "context"  # beside a question, or the question where there is no other
# What asks, in order of preference, and what answers. Names of people are columns of other kinds
# too, and letters are options of a question: each goes with its like alone.
PAIRS: tuple[tuple[tuple[tuple[str, ...], ...], tuple[str, ...]], ...] = (
    ((QUESTIONS, ("questions", "q"), (INPUT,)), ANSWERS),
    (((CONTEXT,),), ("response", "target")),
    ((QUESTIONS, ("questions",)), ("answers",)),
    (
        (("user", "human", "patient", "用户", "患者", "病人"),),
        ("assistant", "gpt", "chatgpt", "bot", "moss", "doctor", "助手", "医生"),
    ),
    ((("q",),), ("a",)),
)

CHATS = ("messages", "conversations", "conversation")
# Lists of turns in some data sets, and other things in others.
DIALOGUES = (
    *("dialogue", "dialog", "dialogue_turns", "json_dialogue", "utterances", "turns", "items"),
    *("data", "chat"),
)
TEXT = "text"

SYSTEM = ("system", "system_prompt", "system_message", "meta_instruction")
OPENING = ("self_report", "self-report")  # what a patient writes before the doctor says anything
HISTORY, TITLE, TOOLS, FUNCTIONS = "history", "title", "tools", "functions"
BESIDE_PAIRS = (INPUT, CONTEXT, HISTORY, *SYSTEM, TITLE)
BESIDE_CHATS = (CONTEXT, *SYSTEM, *OPENING, TOOLS, FUNCTIONS)

PREFERENCES = ("chosen", "rejected")
PREFERRED, NOT_PREFERRED = "preferred_output", "non_preferred_output"
JUDGEMENTS = ("kto_tag", "label")  # whether an answer is a good one, where they are booleans
MEDIA = ("images", "image", "videos", "video", "audios", "audio")

# Of no use to training, and of none to say so.
BOOKKEEPING = frozenset(
    {
        *("id", "source", "category", "department", "metadata", "keep"),
        *("conversation_id", "dialogue_id", "prompt_id", "num_turns", "parallel_tool_calls"),
    }
)
# Two of these that belong to two shapes make a row that could be read in two ways.
SURE = frozenset({*QUESTIONS, *ANSWERS, *CHATS, TOOLS})
NAMES = frozenset(
    {
        *SURE,
        *(name for askers, answers in PAIRS for sort in (*askers, answers) for name in sort),
        *DIALOGUES,
        TEXT,
        *BESIDE_PAIRS,
        *BESIDE_CHATS,
        *PREFERENCES,
        *(PREFERRED, NOT_PREFERRED),
        *MEDIA,
        *JUDGEMENTS,
        *BOOKKEEPING,
        *("patterns", "responses", "tag", "context_set", "paragraphs", "qas"),
    }
)


def own_name(key: str) -> str:
    """Input, INPUT and input are one field; unknown ones keep their names."""
    name = key.strip().lower()
    return name if name in NAMES else key


@lru_cache(maxsize=1024)
def own_names(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The own names of all keys of a row: most rows of a file have the same."""
    return tuple(map(own_name, keys))


def find_pair(names: Collection[str]) -> tuple[str, str] | None:
    """What asks and what answers; None where there are none, or several."""
    for askers, answerers in PAIRS:
        answers = [name for name in answerers if name in names]
        sorts = ([name for name in sort if name in names] for sort in askers)
        questions = next((found for found in sorts if found), [])
        if questions and answers:
            is_one = len(questions) == len(answers) == 1
            return (questions[0], answers[0]) if is_one else None
    return None
