"""What looks like a question: by its mark, or by the word that it begins or ends with."""

import re

MARK = re.compile(r"[?？؟]")
# How a question begins or ends in some languages, where its mark has been left out.
BEGINS = re.compile(
    r"""\W*(?:
    (?:how|what|whats|what's|why|when|where|who|which|whose)\b
    |(?:can|could|do|does|did|is|are|should|will|would|may|must|am|has|have)\s+
        (?:i|you|we|it|they|there|the|this|that|my|your|our|a|an)\b
    |(?:wie|was|warum|wann|wo|wer|welche[rsn]?|wieso|woher|wohin)\b
    |(?:kann|ist|sind|gibt|muss|darf|soll)\s+(?:ich|man|es|wir|das|die|der|mein)\b
    |(?:comment|pourquoi|quand|où|quel(?:le)?s?|combien|est-ce)\b
    |(?:cómo|qué|cuándo|dónde|cuál|cuánto|como|onde|perché|come|quando)\b
    |(?:如何|怎么|怎麼|怎样|怎樣|为什么|為什麼|为何|什么|什麼|哪|谁|誰|能否|是否|可否|请问|請問|多久|多少)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
ENDS = re.compile(
    r"(?:吗|嗎|呢|怎么办|怎麼辦|怎么样|怎麼樣|是什么|是什麼|为什么|多少|多久|如何)\W*$"
)


def is_asking(text: str) -> bool:
    """Whether a text holds a question mark, or begins or ends as questions do, and not as a
    sentence."""
    if MARK.search(text):
        return True
    is_worded_so = BEGINS.match(text) or ENDS.search(text)
    return bool(is_worded_so) and not text.rstrip().endswith((".", "。", "!", "！"))
