"""How many tokens a tokenizer spends on a character of Chinese."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data.conversation import Conversation
from data.script import is_chinese

SAMPLE = 20_000  # [characters] are enough
FEWEST = 100  # [characters] below which nothing is said
RARE = 0.1  # a share of Chinese below which data is not Chinese


@dataclass(slots=True)
class ChineseSpelling:
    """Takes conversations; only the turns that are Chinese count."""

    encode: Callable[[str], Sequence[int]]
    num_turns: int = 0
    num_chinese: int = 0  # turns
    num_characters: int = 0  # of those that were encoded
    num_tokens: int = 0

    def add(self, conversation: Conversation) -> None:
        for text in (message.content for message in conversation.messages):
            self.num_turns += 1
            if not is_chinese(text):
                continue
            self.num_chinese += 1
            if self.num_characters < SAMPLE:
                self.num_characters += len(text)
                self.num_tokens += len(self.encode(text))

    @property
    def per_character(self) -> float | None:
        """None where there is little Chinese, or hardly any among the rest."""
        if self.num_characters < FEWEST or self.num_chinese < RARE * self.num_turns:
            return None
        return self.num_tokens / self.num_characters
