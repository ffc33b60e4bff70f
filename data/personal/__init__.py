"""Personal data in texts, by pattern; docs/personal-data.md says which is looked for.

No library does this for Chinese without a model. Presidio (2.2) has recognizers for a dozen
countries and none for China; names and places it leaves to a model of spaCy or transformers, which
comes from a hub or a release page and not from a package registry. Of its own e-mails and card
numbers would be left, which are three patterns here. jieba tags names without a model, but had its
last release in 2020 and reads far slower than a check may.
"""

from .redaction import redact, redact_conversation
from .search import Found, find_personal

__all__ = ["Found", "find_personal", "redact", "redact_conversation"]
