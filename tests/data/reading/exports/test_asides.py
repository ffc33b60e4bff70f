"""What nobody said."""

import pytest

from data.reading.exports.asides import AsideHabits, cut_asides

WHATSAPP = AsideHabits(is_whatsapp=True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("media", "<Media omitted>"),
        ("media", "<Medien ausgeschlossen>"),
        ("media", "<省略影音内容>"),
        ("media", "<Файл не включён>"),
        ("media", "image omitted"),
        ("media", "\u200eimage omitted"),
        ("media", "\u200eQuote.pdf • \u200e2 pages \u200edocument omitted".replace("\u200e", "")),
        ("media", "imagen omitida"),
        ("media", "图片已忽略"),
        ("media", "圖片已略去"),
        ("media", "<attached: 00000012-PHOTO-2023-12-31.jpg>"),
        ("media", "\u200e<Anhang: 00000012-PHOTO-2023-12-31.jpg>"),
        ("media", "IMG-20231231-WA0001.jpg (file attached)"),
        ("media", "4Bit Adder.mod (Datei angehängt)\n4Bit Adder.mod"),
        ("media", "IMG-20231231-WA0001.jpg (文件附件)"),
        ("media", "[图片]"),
        ("media", "[图片][表情]"),
        ("media", "[动画表情]"),
        ("media", "[Sticker]"),
        ("media", "[文件] 处方.pdf"),
        (
            "media",
            "[链接]:title:养生\n            description:x\n            url:https://x.example",
        ),
        ("media", "Location: https://maps.example/?q=1,2"),
        ("media", "<msg><img aeskey='x'/></msg>"),
        ("deleted message", "This message was deleted"),
        ("deleted message", "You deleted this message."),
        ("deleted message", "\u200eDiese Nachricht wurde gelöscht."),
        ("deleted message", "此消息已删除"),
        ("deleted message", '"小王" 撤回了一条消息'),
        ("deleted message", "你撤回了一条消息 重新编辑"),
        ("note", "Messages and calls are end-to-end encrypted. Tap to learn more."),
        ("note", "Los mensajes y las llamadas están cifrados de extremo a extremo."),
        ("note", "消息和通话已进行端到端加密。"),
        ("note", "Missed voice call"),
        ("note", "\u200eEmir bu grubun simgesini değiştirdi"),
        ("note", "Verpasster Sprachanruf um 12:30"),
        ("note", "未接语音通话"),
        ("note", "通话时长 01:23"),
        ("note", "以上是打招呼的内容"),
        ("note", "你已添加了小王，现在可以开始聊天了。"),
        ("note", "Nina has joined the chat."),
        ("note", 'Reacted to "Good morn..." with 👋'),
        ("note", 'Removed a 🍪 reaction from "Good morn..."'),
    ],
)
def test_media_and_notes_are_cut_out(kind: str, text: str):
    rest, asides = cut_asides(text.split("\n"), 7, WHATSAPP)
    assert rest == ""
    assert [(aside.kind, aside.line) for aside in asides] == [(kind, 7)]


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("IMG-1.jpg (file attached)\nDoes it fit?", "Does it fit?"),
        ("<Media omitted>\nDoes it fit?", "Does it fit?"),
        ("Look: \u200e<attached: 0001-PHOTO.jpg>", "Look:"),
        ("[图片]这是什么？", "这是什么？"),
        ("先量血压。[图片]", "先量血压。"),
        ("有的。\n引用:小王:有吗？", "有的。"),
        ("「小王：有吗？」\n- - - - - - - - - - - - - - -\n有的。", "有的。"),
        ('Replying to "Good morn..." Hi', "Hi"),
        ("晚饭不要太饱。\n以上内容由AI生成，仅供参考", "晚饭不要太饱。"),
    ],
)
def test_what_somebody_said_beside_them_is_kept(text: str, rest: str):
    kept, asides = cut_asides(text.split("\n"), 1, WHATSAPP)
    assert kept == rest
    assert len(asides) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Is it end-to-end encrypted?",
        "He left the shop.",
        "The image omitted a part",
        "see notes.txt (the second one)",
        "图片怎么发？",
        "怎么撤回一条消息？",
        "怎么加入群聊？",
        "[微笑]",
        "Use <b>bold</b> for it",
        "我已取消预约",
        "「心悸」是什么意思？",
        "add 2 spoons",
    ],
)
def test_words_about_them_are_text(text: str):
    assert cut_asides([text], 1, WHATSAPP) == (text, [])


def test_the_mark_of_a_changed_message_is_no_text():
    assert cut_asides(["At 5. \u200e<This message was edited>"], 1, WHATSAPP) == ("At 5.", [])
