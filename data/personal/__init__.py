"""Personal data in texts, by pattern: what is promised, and what is not, says docs/personal-data.md.

No library does this for Chinese without a model. Presidio (2.2) has recognizers for a dozen
countries but none for China, so of it e-mails and card numbers would be left; names and places it
leaves to a spaCy or transformers model, which comes from a model hub or a release page and not from
a package registry, and which reads some thousand characters a second where a check reads millions.
jieba tags names without a model, but calls herbs and acupuncture points names, reads a tenth of what
is needed here, and has had no release since 2020.
"""

from .redaction import redact, redact_conversation
from .search import Found, find_personal

__all__ = ["Found", "find_personal", "redact", "redact_conversation"]
