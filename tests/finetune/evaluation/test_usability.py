"""What is said of answers that nobody could use, and why they are so."""

from collections.abc import Sequence
from dataclasses import replace

from finetune.evaluation.answers import Answer
from finetune.evaluation.finding import Finding
from finetune.evaluation.likelihood import Likelihood, compare_losses
from finetune.evaluation.samples import Sample
from finetune.evaluation.usability import Past
from finetune.evaluation.verdict import judge
from finetune.training.loss import AnswerLoss
from tests.finetune.evaluation.measuring import likelihood, measured, steps

REFERENCES = (
    "这多属心脾两虚。宜早睡，可食百合莲子粥，忌浓茶和咖啡。",
    "宜少食多餐，饭后散步，可按揉足三里，忌生冷油腻。",
    "多为阳气不足。宜常泡脚、多活动，可喝生姜红枣茶。",
    "这多属肾精不足。少戴耳机，可食黑芝麻核桃，常按摩耳廓。",
)
LOOP = "您这是胸胸胸胸胸胸胸胸胸胸胸胸胸胸胸胸胸胸"


def findings(texts: Sequence[str], past: Past | None = None, **others: object) -> list[Finding]:
    """The verdict on these answers; they came to their end unless they go round."""
    shown = [
        Sample("怎么办？", reference, Answer("你好。", 3, True), Answer(text, 20, text != LOOP))
        for text, reference in zip(texts, REFERENCES, strict=False)
    ]
    return judge(measured(shown=shown, **others), "the base", past)  # pyright: ignore[reportArgumentType] - made up here


def losses(level: float, tokens: int, characters: int) -> Likelihood:
    """Ten rows whose loss fell from twice the level [nats a token]."""
    before, after = (
        AnswerLoss((tokens * each,) * 10, (tokens,) * 10) for each in (2 * level, level)
    )
    return compare_losses(before, after, [characters] * 10)


def test_answers_that_go_round_are_not_usable_however_low_the_loss():
    first, *rest = findings([LOOP] * 4)
    assert (first.kind, first.tone) == ("not usable yet", "bad")
    assert "Of 4 answers that it wrote: 4 going round in circles." in first.text
    assert "33% less of a surprise to it than to the base" in first.text
    assert "better" not in [each.kind for each in rest]


def test_one_faulty_answer_of_four_is_said_behind_the_gain():
    found = findings([*REFERENCES[:3], LOOP])
    assert [each.kind for each in found] == ["better", "falters"]
    assert "Of 4 answers that it wrote: 1 going round in circles." in found[1].text


def test_good_answers_are_not_spoken_of():
    assert [each.kind for each in findings(REFERENCES)] == ["better"]


def test_answers_that_are_like_none_of_the_right_ones_are_not_usable():
    others = [
        "明日天气晴朗，最高气温十五度。",
        "股票上涨了三个百分点。",
        "他们踢了一场足球赛。",
        "火车晚点了半个钟头。",
    ]
    first = findings(others)[0]
    assert first.kind == "not usable yet"
    assert "less in common with the right ones" in first.text


def test_a_loss_that_leaves_nothing_but_fragments_is_not_usable():
    unseen = losses(3.0, tokens=60, characters=30)  # 8.7 bits a character
    first = findings(REFERENCES, unseen=unseen)[0]
    assert first.kind == "not usable yet"
    assert "8.7 bits a character" in first.text


def test_a_base_that_cuts_characters_to_pieces_is_the_likeliest_cause():
    first = findings([LOOP] * 4, unseen=losses(1.0, tokens=60, characters=30))[0]
    assert "it spends 2.0 tokens on a character" in first.text
    assert "lora-chat bases recommend" in first.advice


def test_the_other_causes_are_told_by_what_is_known():
    worse = findings([LOOP] * 4, unseen=likelihood(2.0, 2.5))
    assert [each.kind for each in worse][:2] == ["not usable yet", "worse"]
    assert "lower rate" in worse[0].advice
    short = findings([LOOP] * 4, Past(200, steps([3.0, 2.5])))[0]
    assert "too short a training: 8 steps" in short.text
    falling = findings([LOOP] * 4, Past(200, steps([3.0 - 0.1 * at for at in range(9)])))[0]
    assert "too short a training: 36 steps" in falling.text
    few = findings([LOOP] * 4, Past(20, steps([2.5] * 9)))[0]
    assert "too little data: 20 conversations" in few.text
    unknown = findings([LOOP] * 4, Past(200, steps([2.5] * 9)))[0]
    assert "likeliest" not in unknown.text
    assert "lora-chat data check" in unknown.advice


def test_without_written_answers_nothing_is_said_of_them():
    unasked = replace(measured(), samples=None)
    assert [each.kind for each in judge(unasked, "the base")] == ["better"]
