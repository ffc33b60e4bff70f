"""Names of people."""

import pytest

from data.personal import find_personal


def names_in(text: str) -> list[str]:
    return [
        text[found.begin : found.end] for found in find_personal(text) if found.kind.name == "name"
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我叫王芳，今年30岁", "王芳"),
        ("我叫李小明今年6岁", "李小明"),
        ("您好，我叫欧阳建国。", "欧阳建国"),
        ("孩子叫张浩然，三岁", "张浩然"),
        ("叫我王芳就行", "王芳"),
        ("我的名字是赵磊", "赵磊"),
        ("本人陈建军，男", "陈建军"),
        ("我是刘洋的妻子", "刘洋"),
        ("姓名：王芳", "王芳"),
        ("姓  名：王芳 性别：女", "王芳"),
        ("姓名王芳电话", "王芳"),
        ("姓名：阿依古丽，女", "阿依古丽"),
        ("姓名：买买提·艾力", "买买提·艾力"),
        ("联系人：周杰 地址不变", "周杰"),
        ("收件人林晓燕", "林晓燕"),
        ("患者孙丽，胸痛两天", "孙丽"),
        ("患者：何志强因胸痛入院", "何志强"),
        ("我妈妈李秀英高血压", "李秀英"),
        ("请问王芳女士在吗", "王芳"),
        ("张先生您好", "张"),
        ("您好欧阳女士", "欧阳"),
        ("免贵姓李，昨天来过", "李"),
        ("挂张伟医生的号", "张伟"),
        ("王芳，女，45岁", "王芳"),
        ("王芳 13812345678", "王芳"),
        ("姓名：John Smith", "John Smith"),
        ("My name is Anna Lee and my chain slips", "Anna Lee"),
        ("my name's John. It broke", "John"),
        ("Hello, I'm Anna O'Brien, and", "Anna O'Brien"),
        ("Patient: Mary-Jane Watson Jr.", "Mary-Jane Watson Jr."),
        ("Name: Dr. John Smith MD", "Dr. John Smith MD"),
        ("Ask Mrs. Anna Lee about it", "Mrs. Anna Lee"),
    ],
)
def test_names_are_found_by_the_words_around_them(text: str, name: str):
    assert names_in(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "李医生，我头晕",  # a doctor's surname is no secret
        "患者李某某，女",
        "姓名：保密",
        "我叫了救护车",
        "我叫不出名字",
        "我叫车去医院",
        "这叫金银花，那叫白术",
        "别叫我高兴得太早",
        "患者高热，白带多",
        "患者经常头晕",
        "孩子高兴，安静地睡了",
        "我是高血压，我是江西人，我是丁克",
        "方便女士们使用，高龄女士慎用",
        "黄芪、白芍、党参各10克",
        "联系人方面，姓名和电话都要填",
        "姓名与身份证一致",
        "谢谢杨医生，好的",
        "我和朋友，他和宝宝",
        "My name is XXXX",
        "小姐姐，老先生，空中小姐",
        "骨科医生，主治医生，全科医生，康复医生",
        "My name is on the list",
        "I'm Type One diabetic",
        "I am Asian American, 45 years old",
        "Call me Monday",
        "Product name: Shimano Deore",
        "This is a Trek Domane",
    ],
)
def test_other_words_are_no_names(text: str):
    assert names_in(text) == []
