"""Pictures, recordings, files and links: what programs write in their place, in many languages."""

import re

from .stamps import MARKS

ATTACHED = (
    "attached|angehängt|adjunto|joint|anexado|allegato|bijgevoegd|bifogad|vedhæftet|terlampir|ekli"
    "|附件|附加|添付|첨부|прикреплен"
)
KINDS = (
    "image|photo|picture|video(?: (?:note|message))?|audio|voice message|gif|sticker|document"
    "|contact card|bild|foto|dokument|kontaktkarte|videonachricht|imagen|documento"
    "|tarjeta de contacto|vidéo|fiche contact|imagem|vídeo|áudio|figurinha|immagine|afbeelding"
)
OMITTED = (
    "omitted|weggelassen|ausgeschlossen|omitid[oa]|absente?|omise?|ocult[oa]|omess[oa]|weggelaten"
)
CHINESE = "图片|图像|圖片|照片|视频|影片|音频|音訊|语音|贴图|貼圖|文档|文件|动图|名片"
ALONE = (  # between words of the message, too
    "图片|照片|影像|语音|语音消息|语音信息|語音|語音訊息|视频|小视频|視頻|影片|表情|表情包|动画表情|動畫表情"
    "|自定义表情|贴图|貼圖|动图|闪照|写真|動画|スタンプ|사진|동영상|이모티콘"
    "|photo|picture|image|video|audio|voice(?: message)?|sticker|gif"
)
TITLED = (  # with a title behind it
    "链接|文件|檔案|位置|地理位置|名片|小程序|聊天记录|合并转发|红包|微信红包|转账|音乐|音乐分享|视频号|直播|接龙"
    "|卡片消息|卡片|分享|通话|语音通话|视频通话|群公告|拍一拍|ファイル|位置情報"
    "|location|contact|link|poll|file"
)
FILE = r"[^\n/:<>]{1,120}\.\w{2,5}"
MEDIA = re.compile(
    rf"(?P<file>{FILE}) [(（<][^()<>]{{0,20}}(?:{ATTACHED})[^()<>]{{0,20}}[)）>]"
    rf"|<[^<>:：]{{2,20}}[:：]\s?{FILE}\s?>"
    rf"|(?:{FILE} • .{{0,20}} )?<?(?:{KINDS}) (?:{OMITTED})>?"
    rf"|(?:{CHINESE})(?:已|被){{0,2}}(?:忽略|省略|略去)|(?:已)?(?:忽略|省略)了?(?:{CHINESE})"
    rf"|(?:\[(?:{ALONE})\]\s?)+|\[(?:{TITLED})\].*"
    r"|(?:location|standort|ubicación|位置)[:：]\s?https?://\S+|<\?xml.*|<msg>.*",
    re.IGNORECASE,
)
WITHOUT = re.compile(r"<[^<>\d:：]{4,40}>")  # <Media omitted>, whatever the language
PARTS = re.compile(r"\s+(?:title|description|url|name):.*")  # of a link, on the lines below
ENDS = re.compile(
    rf"^(?:\[(?:{ALONE})\]\s?)+|(?:\s?\[(?:{ALONE})\])+$"
    rf"|\s*[{MARKS}]*<[^<>:：]{{2,20}}[:：]\s?{FILE}\s?>$",
    re.IGNORECASE,
)


def is_media(line: str) -> bool:
    """A line without invisible marks around it."""
    return MEDIA.fullmatch(line) is not None


def file_of(line: str) -> str | None:
    """The name that Android's WhatsApp may write once more on the line below."""
    match = MEDIA.fullmatch(line)
    return match["file"] if match else None


def cut_media(line: str) -> tuple[str, str]:
    """What is left of a line without the media at its ends, and what was there."""
    if "]" not in line and not line.endswith(">"):
        return line, ""
    found = [match[0].strip() for match in ENDS.finditer(line)]
    return (ENDS.sub("", line), " ".join(found)) if found else (line, "")
