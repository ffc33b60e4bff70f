"""What chat programs say by themselves: of encryption and calls, of who came, of what is gone."""

import re
from typing import Literal

LONGEST = 600  # [characters]; longer ones somebody said

DELETED = re.compile(
    r"(?:this message was deleted|you deleted this message|message (?:deleted|unsent)"
    r"|diese nachricht wurde gelöscht|du hast diese nachricht gelöscht|se eliminó este mensaje"
    r"|eliminaste este mensaje|ce message a été supprimé|vous avez supprimé ce message"
    r"|(?:esta )?mensagem (?:foi )?apagada|você apagou esta mensagem"
    r"|questo messaggio è stato eliminato|dit bericht is verwijderd"
    r"|(?:此|这条|這則)(?:消息|訊息)已(?:被)?(?:删除|刪除)"
    r"|(?:您|你)(?:已)?(?:删除|刪除)了?(?:此|这条|這則)(?:消息|訊息)"
    r"|[^?？\n]{0,40}(?:撤回了一条消息(?:\s*重新编辑)?|已?收回(?:了一則)?訊息|unsent a message)"
    r")[.。]?",
    re.IGNORECASE,
)
ENCRYPTED = (
    r"(?:messages? (?:and calls |to this |you send )|nachrichten |los mensajes |les messages "
    r"|as mensagens |i messaggi |berichten |消息和通话|訊息和通話|mesajlar |сообщения |메시지)"
    r".{0,60}(?:encrypt|verschlüsselt|cifrad|chiffré|criptograf|crittograf|versleuteld|加密|şifreli"
    r"|шифрован|암호화).*"
)
CALLS = (
    r"(?:missed|silenced) (?:group )?(?:voice|video) call.{0,20}|(?:voice|video) call[,.] .{1,30}"
    r"|verpasster (?:sprach|video)anruf.{0,20}|llamada (?:de \w+ )?perdida.{0,20}"
    r"|appel (?:vocal|vidéo) manqué.{0,20}|未接(?:听)?的?(?:语音|视频)(?:通话|来电).{0,12}"
    r"|(?:对方)?(?:已取消|已拒绝|无应答|忙线中)|(?:语音|视频)?通话(?:时长)? ?\d[\d:：]*.{0,6}"
)
WECHAT = (
    r".{0,20}以上是打招呼的(?:内容|消息).{0,5}|.{0,10}已?添加了.{1,40}现在可以开始聊天了.{0,5}"
    r"|我通过了你的(?:朋友|好友)验证请求.{0,30}|[^?？]{1,60}(?:加入|退出|移出)了群聊.{0,20}"
    r"|[^?？]{1,60}邀请[^?？]{1,60}加入群聊.{0,5}|[^?？]{1,20}拍了拍[^?？]{1,30}"
    r"|消息已发出，但被对方拒收了.{0,5}|[^?？]{1,30}开启了朋友验证.{0,60}|[^?？]{1,20}修改群名为.{1,40}"
)
MEETING = (
    r".{1,60} (?:joined|left|entered|ended) (?:the|this) "
    r"(?:chat|meeting|conversation|group|session)\b"
    r".{0,30}|reacted to .{1,200} with .{1,12}|removed an? .{1,12} reaction from .{1,200}"
    r"|(?:add|remove) [^\w\s]{1,8}"
)
NOTE = re.compile(
    rf"{ENCRYPTED}|{CALLS}|{WECHAT}|{MEETING}|waiting for this message.{{0,40}}|null", re.IGNORECASE
)
# In what stands before a colon they tell of a note: Nina changed the subject to "Help: now"
ACTS = re.compile(
    r"\s(?:changed|created|added|removed|deleted|pinned|turned|updated|hat (?:den|die|das)|cambió"
    r"|creó|añadió|a modifié|a créé|a ajouté|mudou|criou|adicionou)\s|更改了|创建了|修改了|设置了",
    re.IGNORECASE,
)
SYSTEM = "system 系统 系統 系统消息 系统通知 系統訊息 系统提示 whatsapp 微信团队"
PROGRAMS = frozenset(SYSTEM.split())
EVENT = re.compile(r"[\[(（♪][^\])）\n]{1,60}[\])）♪]|♪.*")
EDITED = re.compile(
    r"\s*<[^<>]{0,40}(?:edited|bearbeitet|editad|modifié|modificat|bewerkt|编辑|編輯|編集|изменен"
    r"|diedit|düzenlendi)[^<>]{0,20}>$",
    re.IGNORECASE,
)

FOOTER = re.compile(r"以上内容由 ?AI ?生成.{0,20}|.{0,10}共导出.{0,20}条(?:消息|记录)?.{0,5}")

Kind = Literal["deleted message", "note"]


def kind_of_note(text: str) -> Kind | None:
    """The kind of note that a whole message is, without invisible marks around it."""
    if len(text) > LONGEST:
        return None
    if DELETED.fullmatch(text):
        return "deleted message"
    return "note" if NOTE.fullmatch(text) else None


def is_program(name: str) -> bool:
    """Or no name at all: a note that has a colon."""
    return name.lower() in PROGRAMS or ACTS.search(name) is not None


def is_footer(line: str) -> bool:
    """What programs write below the last message."""
    return FOOTER.fullmatch(line) is not None


def is_event(line: str) -> bool:
    """What subtitles have for the deaf: [music]"""
    return EVENT.fullmatch(line) is not None


def cut_edited(line: str) -> str:
    """A line without the mark that a message was changed later."""
    return EDITED.sub("", line) if line.endswith(">") else line
