"""Names of people, Chinese and English."""

from . import chinese_names, english_names
from .kind import Kind, Spans
from .signs import Signs

CHINESE_NAME = Kind("name", "姓名", chinese_names.SIGNS, chinese_names.find_names)
ENGLISH_NAME = Kind(
    "name",
    "姓名",
    Signs(
        "me is|me's|me’s|me:|me=|me -|NAME|Patient:|Attn:|Recipient:|Contact person:"
        "|Emergency contact:|Mr|Ms|Miss|Mx|Dear |Hi|Hello|Hey|Thank|Regards|Best|Kind|Warm"
        "|Sincerely|Cheers|Yours|I am |I'm |I’m |This is "
    ),
    english_names.find_names,
)


def find_bare_names(text: str) -> Spans:
    """What looks like a name without a word beside it; public figures too, so not everywhere."""
    yield from chinese_names.find_bare_names(text)
    yield from english_names.find_bare_names(text)
