"""What of an answer has come so far, and what answers have cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from serving.engine import Delta, FinishReason, TokenLogprob
from serving.errors import EngineFailed

from .protocol import PromptTokensDetails, Usage


@dataclass(slots=True)
class Tally:
    """What of one answer has come so far."""

    end_ids: tuple[int, ...] = ()
    num_tokens: int = 0
    num_cached_tokens: int = 0
    finish_reason: FinishReason | None = None
    texts: list[str] = field(default_factory=list)
    untold: list[TokenLogprob] = field(default_factory=list)  # their text was held back, or none
    offsets: list[int] = field(default_factory=list)  # [characters] of text before each of them
    num_characters: int = 0

    def add(self, delta: Delta) -> None:
        self.num_tokens += len(delta.token_ids)
        self.num_cached_tokens = max(self.num_cached_tokens, delta.cached_tokens)
        self.finish_reason = delta.finish_reason
        self.texts.append(delta.text)
        if delta.logprobs:
            self.untold += delta.logprobs
            self.offsets += [self.num_characters] * len(delta.logprobs)
        self.num_characters += len(delta.text)
        if delta.finish_reason == "stop" and delta.logprobs:
            self._forget_end()

    def take_logprobs(self) -> list[TokenLogprob]:
        """Those of the tokens since the last time."""
        told, self.untold, self.offsets = self.untold, [], []
        return told

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def reason(self) -> FinishReason:
        if self.finish_reason is None:
            raise EngineFailed("The engine ended an answer without saying why.")
        return self.finish_reason

    def _forget_end(self) -> None:
        """OpenAI's log probabilities make up the text: they lack the token that ended it."""
        if self.untold[-1].token_id in self.end_ids:
            self.untold.pop()
            self.offsets.pop()


def usage_of(num_prompt_tokens: int, tallies: Sequence[Tally]) -> Usage:
    """The answers' tokens together; the prompt counts once, and as cached where it was for all."""
    num_answered = sum(tally.num_tokens for tally in tallies)
    num_cached = min(tally.num_cached_tokens for tally in tallies)
    return Usage(
        prompt_tokens=num_prompt_tokens,
        completion_tokens=num_answered,
        total_tokens=num_prompt_tokens + num_answered,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=num_cached),
    )


def sum_of(usages: Sequence[Usage]) -> Usage:
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        total_tokens=sum(usage.total_tokens for usage in usages),
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=sum(usage.prompt_tokens_details.cached_tokens for usage in usages)
        ),
    )
