"""Which answers are plainly faulty."""

from dataclasses import replace

import pytest

from finetune.evaluation.answers import Answer
from finetune.evaluation.faults import fault_of, faults_of, main_script, repetition
from finetune.evaluation.samples import Sample, Samples
from tests.finetune.evaluation.measuring import measured

CHINESE = (
    "这多属肾精不足。宜早睡、少戴耳机，可食黑芝麻核桃，常按摩耳廓。若听力突然下降，请尽快去耳科。"
)
QUESTION = "耳鸣像蝉叫，夜里更明显怎么办？"
ENGLISH = "Around 50 psi suits an average rider. Heavy load, add five. Light rider, take five off."


def with_samples(shown: list[Sample], **limits: int) -> Samples:
    samples = measured(shown=shown).samples
    assert samples is not None
    return replace(samples, **limits)


@pytest.mark.parametrize("reference", [CHINESE, ENGLISH])
def test_the_right_answer_has_no_fault(reference: str):
    assert fault_of(QUESTION, Answer(reference, 40, True), reference) is None
    cut = reference[: len(reference) // 2]
    assert fault_of(QUESTION, Answer(cut, 20, False), reference) is None, "the limit came first"


@pytest.mark.parametrize(
    ("text", "is_ended", "reference", "expected"),
    [
        ("", True, CHINESE, "empty"),
        ("。。。", False, CHINESE, "empty"),
        ("您这是胸胸胸胸胸胸胸胸胸胸胸胸胸胸胸胸", False, CHINESE, "repeats"),
        ("不适请就赠。仅供宜意，" * 4, True, CHINESE, "repeats"),
        ("It is the same. " * 6, True, ENGLISH, "repeats"),
        ("The ringing means that your kidneys are weak.", True, CHINESE, "script"),
        ("大约五十磅就可以了，重的人加一点。", True, ENGLISH, "script"),
        ("耳鸣\ufffd\ufffd，宜早睡。", True, CHINESE, "broken"),
        (QUESTION + "您好。", True, CHINESE, "echo"),
        (CHINESE + "常做眼保健操，多走路，饮食清淡一些。", False, CHINESE, "endless"),
    ],
)
def test_each_fault_is_called_by_its_name(text: str, is_ended: bool, reference: str, expected: str):
    assert fault_of(QUESTION, Answer(text, 60, is_ended), reference) == expected


def test_one_answer_to_every_question_is_a_fault():
    def sample(question: str, text: str, reference: str) -> Sample:
        return Sample(question, reference, Answer("", 0, True), Answer(text, 5, True))

    one = [sample(f"怎么办{number}？", "多喝水。", f"宜早睡{number}。") for number in range(3)]
    assert faults_of(with_samples(one)) == ["same"] * 3
    others = [sample("怎么办？", "多喝水。", "多喝水。"), sample("好吗？", "多喝水。", "多喝水。")]
    assert faults_of(with_samples(others)) == [None, None], "as the references do"


def test_where_every_reference_had_room_an_answer_without_end_is_a_fault():
    short = Sample("怎么办？", CHINESE, Answer("", 0, True), Answer("宜早睡，忌浓茶", 9, False))
    assert faults_of(with_samples([short], max_tokens=37, longest_reference=30)) == ["endless"]
    assert faults_of(with_samples([short], max_tokens=9, longest_reference=30)) == [None]


def test_a_list_may_repeat_what_its_reference_repeats():
    table = "".join(f"Take one small white tablet on day {day}. " for day in range(1, 9))
    assert repetition(table) > 0.4
    assert fault_of(QUESTION, Answer(table, 60, True), table) is None


def test_foreign_names_within_a_text_do_not_change_its_script():
    assert (
        main_script("可以服用布洛芬（ibuprofen）或对乙酰氨基酚（paracetamol），饭后服。") == "CJK"
    )
    assert main_script("Qi (气) is a word for breath.") == "LATIN"
    assert main_script("Да, конечно.") == "CYRILLIC"
    assert main_script("12:30") is None


def test_a_number_answers_a_question_in_any_script():
    assert fault_of(QUESTION, Answer("42", 2, True), "四十二") is None
    assert fault_of(QUESTION, Answer("四十二", 3, True), "42") is None
