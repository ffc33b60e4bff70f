"""Turns that are objects: who speaks, what is said, what is trained."""

from typing import Any

import pytest

from tests.data.reading.lines import all_turns, faults, read_row, turns, warnings

PAIR = [("user", "a"), ("assistant", "b")]
USER = {"role": "user", "content": " a "}
ASSISTANT = {"role": "assistant", "content": "b\n"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
TOOL = {"role": "tool", "content": "", "tool_call_id": "1"}
PART = {"type": "text", "text": "a"}


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def spoken(*words: str, keys: tuple[str, str] = ("role", "content")) -> list[dict[str, str]]:
    return [dict(zip(keys, (word, "ab"[n % 2]), strict=True)) for n, word in enumerate(words)]


@pytest.mark.parametrize("key", ["messages", "conversations", "conversation", "dialogue", "items"])
@pytest.mark.parametrize(
    "keys", [("role", "content"), ("from", "value"), ("speaker", "sentence"), ("role", "text")]
)
def test_turns_have_several_names(key: str, keys: tuple[str, str]):
    assert turns({key: spoken("user", "assistant", keys=keys)}) == PAIR


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        ("human", "gpt"),
        ("User", "Assistant"),
        ("HUMAN", "ChatGPT"),
        ("user", "bing"),
        ("user", "model"),
        ("prompter", "assistant"),
        ("patient", "doctor"),
        ("患者", "医生"),
        ("病人", "李医生"),
        ("customer", "agent"),
        ("Human", "AI"),
        ("user", "bot"),
    ],
)
@pytest.mark.parametrize("key", ["messages", "conversations"])
def test_who_speaks_has_several_names_in_messages_too(key: str, asks: str, answers: str):
    assert turns({key: spoken(asks, answers)}) == PAIR


def test_a_developer_is_a_system_prompt():
    row = chat({"role": "developer", "content": "s"}, USER, ASSISTANT)
    assert turns(row) == [("system", "s"), *PAIR]


def test_an_unknown_speaker_is_named_with_few_words():
    [fault] = faults({"conversations": spoken("hummany", "gpt")})
    assert fault.startswith("a.jsonl:1: conversations[0].role: 'hummany'; expected user, assistant")
    assert len(fault) < 160


@pytest.mark.parametrize(
    "row",
    [
        spoken("user", "assistant"),
        {"data": spoken("user", "assistant")},
        {"dialogue_turns": {"speaker": ["病人", "医生"], "utterance": ["a", "b"]}},
        {"conversation": [{"human": "a", "assistant": "b"}]},
        {"conversations": [{"q": "a", "a": "b"}]},
        {"conversation": [{"question": "a", "answer": "b"}]},
        {"messages": '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]'},
        {"messages": "[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}]"},
        {
            "meta_instruction": "",
            "chat": {
                "turn_1": {
                    "Human": "<|Human|>: a<eoh>\n",
                    "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n",
                    "MOSS": "<|MOSS|>: b<eom>\n",
                }
            },
        },
    ],
)
def test_turns_come_in_several_forms(row: Any):
    assert turns(row) == PAIR


@pytest.mark.parametrize(
    "content",
    [
        [PART],
        [{"type": "text", "value": "a"}],
        [{"type": "input_text", "text": "a"}],
        [{"text": "a"}],
    ],
)
def test_contents_may_be_parts_of_text(content: Any):
    assert turns(chat({"role": "user", "content": content}, ASSISTANT)) == PAIR


def test_parts_of_text_are_joined_as_the_server_joins_them():
    assert turns(chat({"role": "user", "content": [PART, PART]}, ASSISTANT))[0] == ("user", "a\na")


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "reasoning"])
def test_parts_of_another_kind_are_refused_by_name(kind: str):
    [fault] = faults(chat({"role": "user", "content": [PART, {"type": kind}]}, ASSISTANT))
    assert f"messages[0].content[1]: a part of type '{kind}'" in fault


@pytest.mark.parametrize("key", ["weight", "loss", "train", "loss_weight"])
@pytest.mark.parametrize("form", ["messages", "conversations"])
def test_an_answer_may_be_left_untrained_by_any_name_of_it(form: str, key: str):
    answers = [{**ASSISTANT, key: value} for value in (0, False, 1, True, None, 0.0)]
    row = {form: [each for answer in answers for each in ({**USER, key: 0}, answer)]}
    trained = [each.is_trained for each in read_row(row).messages if each.role == "assistant"]
    assert trained == [False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({**ASSISTANT, "weight": 0.5}, "messages[1].weight: 0.5; expected 0 or 1"),
        ({**ASSISTANT, "loss": "no"}, "messages[1].loss: 'no'; expected 0 or 1"),
        ({**ASSISTANT, "loss": True, "weight": 0}, "messages[1]: weight and loss that differ"),
        ({**ASSISTANT, "reasoning_content": "hm"}, "messages[1]: the key 'reasoning_content'"),
        ({**ASSISTANT, "refusal": "no"}, "messages[1]: the key 'refusal'"),
        ({**ASSISTANT, "tool_call_id": "1"}, "messages[1]: the key 'tool_call_id' on a turn"),
        ({**ASSISTANT, "content": ["b"]}, "messages[1].content[0]: 'b'; expected text parts"),
        ({**ASSISTANT, "content": {"b": 1}}, "messages[1].content: {'b': 1}; expected a string"),
        ({**ASSISTANT, "content": " "}, "messages[1].content: an empty turn"),
        ({"role": "assistant"}, "messages[1].content: an empty turn"),
        ({"role": None, "content": "b"}, "messages[1].role: None"),
        ({"role": ["x"], "content": "b"}, "messages[1].role: ['x']"),
        ({"says": "b"}, "messages[1]: the keys 'says'; expected role and content"),
    ],
)
def test_a_malformed_turn_is_a_fault_that_names_its_place(message: Any, expected: str):
    assert any(expected in fault for fault in faults(chat(USER, message))), faults(
        chat(USER, message)
    )


def test_a_question_that_is_to_be_trained_is_a_fault():
    [fault] = faults(chat({**USER, "train": True}, ASSISTANT))
    assert "messages[0].train: True on a turn of the user's" in fault


def test_what_saved_answers_have_besides_passes_where_it_is_empty():
    answer = {**ASSISTANT, "refusal": None, "annotations": [], "audio": None, "function_call": None}
    assert turns(chat({**USER, "markdown": None, "text": None}, answer)) == PAIR


def test_fields_of_turns_that_nothing_is_made_of_are_said_once():
    row = chat({**USER, "timestamp": 1}, {**ASSISTANT, "timestamp": 2, "annotations": ["x"]})
    [warning] = warnings(row, row)
    assert (
        warning == "fields of turns of no known use, left out: 'timestamp' (4), 'annotations' (2)"
    )


def test_a_name_is_kept():
    conversation = read_row(chat({**USER, "name": "nina"}, ASSISTANT))
    assert [each.name for each in conversation.messages] == ["nina", None]


@pytest.mark.parametrize("key", ["system", "system_prompt"])
@pytest.mark.parametrize("form", ["messages", "conversations"])
def test_a_system_prompt_may_stand_beside_turns(form: str, key: str):
    assert turns({key: "s", form: [USER, ASSISTANT]}) == [("system", "s"), *PAIR]
    system = {"role": "system", "content": "s"}
    assert turns({key: "s", form: [system, USER, ASSISTANT]}) == [("system", "s"), *PAIR]
    assert "turn 2: system after system" in faults({key: "t", form: [system, USER, ASSISTANT]})[0]


@pytest.mark.parametrize("key", ["context", "system", "self_report", "tools"])
@pytest.mark.parametrize("value", [None, "", [], {}])
def test_what_is_empty_beside_turns_is_nothing(key: str, value: Any):
    assert turns({key: value, **chat(USER, ASSISTANT)}) == PAIR


def test_a_context_beside_turns_belongs_to_the_first_question():
    row = {"context": "x", **chat(USER, ASSISTANT, USER, ASSISTANT)}
    assert turns(row) == [("user", "a\nx"), PAIR[1], *PAIR]


def test_a_patients_report_is_what_the_patient_says_first():
    said = [
        {"speaker": "医生", "sentence": "x"},
        *spoken("患者", "医生", keys=("speaker", "sentence")),
    ]
    row = {"self_report": "r", "dialogue": said}
    assert turns(row) == [("user", "r"), ("assistant", "x"), *PAIR]
    assert turns({**row, "dialogue": said[1:]}) == [("user", "r\na"), ("assistant", "b")]


@pytest.mark.parametrize("key", ["prompt", "question", "response"])
def test_a_turn_that_stands_beside_the_turns_once_more_is_one(key: str):
    row = {**chat(USER, {**ASSISTANT, "content": "b"}), key: " a " if key != "response" else "b"}
    assert turns({**row, "prompt_id": "1"}) == PAIR
    assert "row: the keys" in faults({**row, key: "another"})[0]
    assert len(warnings({**row, "score": 1})) == 1


def test_answers_to_choose_between_are_named():
    row = {"conversations": spoken("human"), "chosen": {"from": "gpt", "value": "b"}}
    [fault] = faults({**row, "rejected": {"from": "gpt", "value": "c"}})
    assert "chosen: answers to choose between: chosen and rejected" in fault


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "--map question=prompt,answer=chosen"),
        ({"chosen": "Human: a", "rejected": "Human: a"}, "text=chosen where it is one text"),
        ({"chosen_messages": [], "rejected_messages": []}, "--map messages=chosen_messages"),
    ],
)
def test_how_to_train_on_the_chosen_answers_is_said(row: Any, advice: str):
    [fault] = faults(row)
    assert advice in fault


@pytest.mark.parametrize("key", ["label", "kto_tag"])
def test_an_answer_that_is_judged_bad_is_a_fault(key: str):
    [fault] = faults({**chat(USER, ASSISTANT), key: False})
    assert f"{key}: false, as of an answer that is judged bad" in fault
    assert all_turns({**chat(USER, ASSISTANT), key: True}) == [PAIR]


@pytest.mark.parametrize("key", ["images", "image", "videos", "audios"])
def test_pictures_and_sounds_are_refused_by_name(key: str):
    [fault] = faults({**chat(USER, ASSISTANT), key: ["a.jpg"]})
    assert f"a.jsonl:1: {key}: something in" in fault
    assert turns({**chat(USER, ASSISTANT), key: []}) == PAIR


def test_a_message_a_line_is_told_to_be_no_conversation():
    found = faults(USER, ASSISTANT)
    assert all("a conversation a row" in fault for fault in found)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (chat(), "last turn: nothing"),
        (chat(USER), "last turn: user"),
        (chat(ASSISTANT), "turn 1: assistant after nothing"),
        (chat(USER, USER, ASSISTANT), "turn 2: user after user"),
        (chat(USER, ASSISTANT, TOOL, ASSISTANT), "turn 3: tool after assistant"),
        (chat(USER, ASSISTANT, {"role": "system", "content": "s"}), "turn 3: system"),
        ({"messages": "hello"}, "messages: 'hello'; expected turns"),
        ({"messages": 3}, "messages: 3; expected a list of objects"),
        ({"conversations": [{"from": ["x"], "value": "a"}]}, "conversations[0].from: ['x']"),
        ({"conversations": [{"from": "human", "value": "a"}, "b"]}, "conversations[1]: 'b'"),
    ],
)
def test_turns_that_are_no_conversation_are_a_fault(row: Any, expected: str):
    assert any(expected in fault for fault in faults(row)), faults(row)


def test_sentences_that_one_speaker_says_are_one_turn():
    words = ("医生", "患者", "患者", "医生", "医生")
    said = [{"speaker": word, "sentence": "abcde"[n]} for n, word in enumerate(words)]
    row = {"self_report": "r", "dialogue": said}
    assert turns(row) == [
        ("user", "r"),
        ("assistant", "a"),
        ("user", "b\nc"),
        ("assistant", "d\ne"),
    ]
