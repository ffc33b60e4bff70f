"""Whether a model can draft questions, told from known texts."""

import pytest

from data.label import prompt_for
from data.trial import NEEDED, TEXTS, hold_trial, is_usable

TEXT = "青石镇图书馆周一闭馆，每人一次最多借五本书，借期三十天。"


def copy_a_sentence(prompt: str) -> str:
    """A draft that says what stands in the text."""
    [text] = [each for texts in TEXTS.values() for each in texts if each in prompt]
    if "。" in text:
        first = text.split("。")[0]
        return f"问：{first[:6]}，怎么样？\n答：{first}。"
    first = text.split(". ")[0]
    return f"Q: What about {first[:20]}?\nA: {first}."


@pytest.mark.parametrize("script", TEXTS)
def test_a_model_that_answers_from_the_text_passes(script: str):
    trial = hold_trial(copy_a_sentence, lambda text: prompt_for(text, 1), script)
    assert (trial.num_usable, trial.example, trial.is_passed) == (trial.num_texts, "", True)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "胃胃胃胃胃",
        "问：一个问题\n答：它的答案",
        "Q: a question\nA: its answer",
        "抱歉，我不能。",
    ],
)
def test_a_model_that_says_the_same_to_everything_fails(answer: str):
    trial = hold_trial(lambda prompt: answer, lambda text: prompt_for(text, 1), "Chinese")
    assert (trial.num_usable, trial.is_passed) == (0, False)
    assert trial.example == " ".join(answer.split())


def test_so_many_texts_are_needed():
    for num_right in range(len(TEXTS["other"]) + 1):
        right = TEXTS["other"][:num_right]
        trial = hold_trial(
            lambda prompt, right=right: (
                copy_a_sentence(prompt) if any(each in prompt for each in right) else "No."
            ),
            lambda text: prompt_for(text, 1),
            "other",
        )
        assert trial.is_passed == (num_right >= NEEDED)


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("图书馆什么时候闭馆？", "周一闭馆。", True),
        ("一次最多借几本书？", "每人一次最多借五本书。", True),
        ("图书馆什么时候闭馆？", "国庆节放假，春节也休息。", False),
        ("图书馆周一闭馆。", "周一闭馆。", False),  # asks nothing
        ("图书馆周一闭馆吗？", "图书馆周一闭馆", False),  # says the question again
        ("天气如何？", "周一闭馆。", False),  # asks about something else
        ("图书馆在哪？", "", False),
    ],
)
def test_usable_is_a_question_that_the_text_answers(question: str, answer: str, expected: bool):
    assert is_usable(question, answer, TEXT) is expected
