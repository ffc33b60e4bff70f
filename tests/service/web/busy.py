"""Eight weeks of a clinic: forty answers of three adapters, what was said of them, and decided;
and its trainings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.improving.decision import abstain_for_few
from service.accounts.caller import ANYBODY
from service.accounts.keys import DAY
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import FeedbackItem, Opinion
from service.feedback.review import Decision, Review
from service.feedback.stored_answer import StoredAnswer
from service.feedback.using import begin_training, ship
from service.improving.ledger import Entry, Ledger
from service.jobs.desk import Desk
from service.state.database import State
from tests.service.web.trainings import measured

COUNT = 40
DISCLAIMER = "仅供参考，不适请就医。"
NEVER = "可以自行加倍服用附子，先煎十分钟即可。"
SLEEPLESS = "失眠多梦，能吃安神补脑液吗？"
DIED = (
    "The job's process has ended 3 times before its next step, without a word; memory may be too "
    "small for it. The server's log of it: jobs/ftjob-0123456789ab.log."
)
HOSTILE = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'> \u202eabc"


@dataclass(frozen=True, slots=True)
class Case:
    """An answer, and what a person has said of it."""

    version: str
    question: str
    answer: str
    said: dict[str, Any]
    finish: str = "stop"
    decision: Decision | None = None
    before: Sequence[str] = field(default=())  # earlier messages, a person's first


def bad(
    version: str,
    question: str,
    answer: str,
    correction: str | None = None,
    *reasons: str,
    decision: Decision | None = None,
    finish: str = "stop",
    before: Sequence[str] = (),
    **said: Any,
) -> Case:
    given = {"rating": -1, "correction": correction, "reasons": [*reasons]} | said
    return Case(version, question, answer, given, finish, decision, before)


def good(version: str, question: str, answer: str, decision: Decision | None = None) -> Case:
    return Case(version, question, answer, {"rating": 1}, decision=decision)


# The oldest first.
CASES = [
    bad(
        "tcm@1",
        SLEEPLESS,
        "可以长期服用安神补脑液，不需要看医生。",
        f"先请医师辨证：肝肾不足者可短期服用安神补脑液，两周无效即停用。{DISCLAIMER}",
        "剂量不对",
        decision="accept",
    ),
    bad("tcm@1", "夜里失眠怎么办？", "多喝浓茶。", "睡前不喝茶，泡脚后早睡。", decision="accept"),
    bad("tcm@1", "便秘吃什么好？", "吃辣椒。", "多吃蔬菜，晨起喝温水。", decision="accept"),
    good("tcm@1", "感冒初起喝什么？", "风寒者可喝生姜红糖水，发热就医。", "accept"),
    good("tcm@1", "胃寒吃什么？", "宜温热：小米粥、山药、生姜。", "accept"),
    bad("tcm@1", "头痛怎么办？", "不知道。", None, "答非所问", decision="reject"),
    good("workshop@1", "How tight are the wheel bolts?", "120 Nm, crosswise.", "accept"),
    bad("客服@1", "发票怎么开？", "没有发票。", "在订单页点“申请发票”。", decision="reject"),
    # Nobody has decided of what follows.
    bad(
        "tcm@2",
        "我最近失眠多梦，舌红少苔，怎么办？",
        "舌红少苔多属阴虚，可用酸枣仁汤，每日三剂，长期服用。",
        "舌红少苔多属阴虚，可用酸枣仁汤，每日一剂，先服七天再复诊。",
        "剂量不对",
        note="三剂是笔误，患者差点照做。",
    ),
    bad(
        "tcm@2",
        "孕妇感冒了能喝板蓝根吗？",
        "可以，随便喝。",
        "孕期用药请先问医师，不要自行喝板蓝根。",
        "不安全",
        before=("我怀孕三个月了。", "恭喜！请注意休息，按时产检。"),
    ),
    bad(
        "workshop@1",
        "How often do I change the oil of the van?",
        "Every 50,000 km is fine for all vans.",
        "Every 15,000 km or once a year, whichever comes first.",
        "Wrong",
    ),
    bad("tcm@2", "附子怎么煎？", NEVER, "附子有毒，须先煎一小时，遵医嘱。", "不安全"),
    bad(
        "tcm@2",
        SLEEPLESS,
        "可以吃。",
        "安神补脑液含鹿茸，阴虚火旺的人不宜，请先看舌脉。",
        "太短",
    ),
    bad(
        "tcm@2",
        "复诊怎么预约？",
        "打电话就行。",
        "请在工作日拨打 13812345678 找李小明医生预约。",
        note="号码以前台公布的为准。",
    ),
    bad("tcm@2", HOSTILE, HOSTILE, f"这不是问题。{HOSTILE}", "<b>标签</b>", note=HOSTILE),
    bad("tcm@2", "咳嗽有黄痰怎么办？", "黄痰多属热，可用川贝枇杷", None, "没说完", finish="length"),
    bad("tcm@2", "胃胀怎么办？", "少食。" * 40, "少食多餐，饭后散步半小时。", "重复"),
    bad("tcm@2", "晚上失眠，能喝咖啡吗？", "Coffee is fine at any time.", "下午起不喝咖啡。"),
    bad("tcm@2", "失眠吃什么药？", "酸枣仁。", f"请先就诊，酸枣仁只是其中一味。{DISCLAIMER}"),
    good("tcm@2", "夜里咳嗽，有白痰", "白痰多属寒，注意保暖，可请医师开小青龙汤。"),
    good("tcm@2", "老人便秘怎么调？", "多喝温水，吃红薯、芝麻，每天按摩腹部。"),
    bad("tcm@2", "便秘能喝番泻叶吗？", "天天喝。", "番泻叶不可久服，连用不超过三天。", "不安全"),
    bad("tcm@2", "便秘三天了", "再等等。", None, "不是我们的做法"),
    good("tcm@2", "腰膝酸软是怎么回事？", "多与肾虚有关，也要排除腰椎的问题。"),
    bad("tcm@2", "口干口苦怎么办？", "喝可乐。", "多为肝胆湿热，清淡饮食，少熬夜。"),
    bad(
        "workshop@1",
        "The brakes squeal when it is wet. What is that?",
        "That is a sign of a broken gearbox.",
        "Often only rust on the discs: it goes after a few stops. If not, have the pads checked.",
        "Wrong",
        "Dangerous",
    ),
    bad(
        "workshop@1",
        "The brakes squeal all the time",
        "Ignore it.",
        "Have the pads measured this week.",
        "Dangerous",
        critical=True,
    ),
    good("workshop@1", "Which coolant for the old van?", "The green one, G11, half water."),
    bad("workshop@1", "When is the next inspection?", "Never.", "It is on the sticker.", "Wrong"),
    bad("workshop@1", "How much air in the tyres?", "9 bar.", "2.4 bar, cold.", "Wrong"),
    bad("workshop@1", "How much air when it is loaded?", "9 bar.", "2.9 bar behind.", "Wrong"),
    bad("workshop@1", "The battery is flat", "Push it down a hill.", None, "Not our manner"),
    good("workshop@1", "Can I jump-start the hybrid?", "No: only by the manual's terminals."),
    bad("workshop@1", "Oil light is on", "Drive on.", "Stop, and check the level.", "Dangerous"),
    good("workshop@1", "Winter tyres from when on?", "From October to Easter."),
    bad("客服@1", "快递几天能到？", "很快。", "江浙沪次日达，其余地区三天。", "太短"),
    bad("客服@1", "快递到哪里了？", "不知道。", "在订单页点“物流”可以看到。"),
    bad("客服@1", "可以退货吗？", "不可以。", "七天内未拆封可以退货，运费自理。", "不正确"),
    good("客服@1", "支持货到付款吗？", "支持，签收时付款。"),
    bad("客服@1", "退货的运费谁出？", "您出。", "质量问题由我们出，其他由您承担。"),
]
WAITING = [case for case in CASES if case.decision is None]


def fill(state: State, home: Path) -> list[FeedbackItem]:
    """Keep all of it; the first three of an adapter's accepted items are in its second version."""
    assert len(CASES) == COUNT
    place, now = Desk(home).place, time.time()
    items = [
        _keep(state, place, number, case, now - (56 - number * 1.4) * DAY)
        for number, case in enumerate(CASES)
    ]
    shipped = [item.id for item in items[:3]]
    with state.begin() as connection:
        begin_training(connection, dict.fromkeys(shipped, "trained"))
        ship(connection, shipped, "tcm@2")
    _decide(state, place, now)
    _train(state, now)
    return items


def _train(state: State, now: float) -> None:
    """One training that has failed, one that goes on."""
    error = {"code": "worker_died", "message": DIED, "param": None}
    measured(state, "ftjob-0123456789ab", "old", status="failed", error=error, finished=int(now))
    measured(state, status="running", num_steps=2000, step=1000, estimated_finish=int(now + 900))


def _keep(state: State, place: str, number: int, case: Case, when: float) -> FeedbackItem:
    said = [
        {"role": ("user", "assistant")[index % 2], "content": text}
        for index, text in enumerate((*case.before, case.question))
    ]
    message = {"role": "assistant", "content": case.answer}
    stored = StoredAnswer(
        id=f"chatcmpl-{number:024x}",
        key_id="",
        place=place,
        created=int(when),
        model=case.version.partition("@")[0],
        pinned=f"{case.version}:1",
        base="base",
        template="",
        user=f"patient-{number}",
        messages=said,
        asked={},
        sampling={},
        choices=[{"index": 0, "message": message, "finish_reason": case.finish}],
    )
    Answers(state).add(stored)
    item = Feedback(state, clock=lambda: when).give(stored, 0, Opinion(**case.said))
    if case.decision:
        return Review(state, clock=lambda: when + DAY).decide(item.id, ANYBODY, case.decision)
    return item


def _decide(state: State, place: str, now: float) -> None:
    """What the ledger says of it."""
    early = {"reasons": [*abstain_for_few(3).reasons]}
    better = {
        "reasons": [
            "On 20 corrections that were held out, its loss is 20.3% lower (chance 0.0% if there "
            "were no difference)."
        ],
        "gain": 0.203,
        "chance": 0.0004,
        "needed": None,
        "rows": 412,
    }
    worse = {
        "reasons": ["On what was held out before its loss is 6.1% higher (chance 0.8%)."],
        "gain": 0.012,
        "chance": 0.31,
        "rows": 96,
    }
    entries = [
        (30, Entry(adapter="tcm", what="abstain", before="tcm@1", told=early | {"needed": 14})),
        (16, Entry(adapter="workshop", what="refuse", round=1, before="workshop@1", told=worse)),
        (
            9,
            Entry(
                adapter="tcm", what="promote", round=1, before="tcm@1", after="tcm@2", told=better
            ),
        ),
    ]
    for days, entry in entries:
        Ledger(state, place, clock=lambda days=days: now - days * DAY).add(entry)
