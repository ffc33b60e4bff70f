"""One answer as it comes from a server: token ids to text, end and log probabilities."""

from typing import Any

from serving.engine import Delta, FinishReason, Request, TokenLogprob
from serving.errors import EngineFailed
from serving.requests.text_stream import TextStream

from .asking import id_of

REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class ComingAnswer:
    """Reads the chunks of one completion. Once `is_finished`, there is nothing more to read."""

    def __init__(self, request: Request, tokenizer: Any) -> None:
        self.num_tokens = 0
        self.is_finished = False
        self._request = request
        plain = getattr(tokenizer, "backend_tokenizer", tokenizer)  # transformers' own is slower
        self._text = TextStream(plain, request.sampling.stop)

    def read(self, choice: dict[str, Any]) -> Delta:
        """Raises EngineFailed where the server has given up."""
        told: str | None = choice.get("finish_reason")
        if told is not None and told not in REASONS:
            raise EngineFailed(f"The server has ended the answer with {told!r}.")
        token_ids: list[int] = choice.get("token_ids") or []
        if choice.get("text") and not token_ids:
            raise EngineFailed("The vLLM server tells no token ids. Take a newer vLLM.")
        logprobs = _logprobs(choice.get("logprobs"), self._request.sampling.top_logprobs)
        text, reason = "", None
        for number, token_id in enumerate(token_ids):
            text += self._push(token_id)
            if self.is_finished:  # what comes behind is no longer the answer's
                token_ids, logprobs = token_ids[: number + 1], logprobs[: number + 1]
                reason = "stop"
                break
        self.num_tokens += len(token_ids)
        if told is not None and not self.is_finished:
            text += self._text.finish()
            reason = "stop" if self._text.is_stopped else REASONS[told]
            self.is_finished = True
        return Delta(tuple(token_ids), text, reason, logprobs=logprobs)

    def _push(self, token_id: int) -> str:
        ends = token_id in self._request.end_ids and not self._request.sampling.ignore_eos
        if ends:
            self.is_finished = True
            return self._text.finish()
        text = self._text.push(token_id)
        self.is_finished = self._text.is_stopped
        return text


def _logprobs(told: dict[str, Any] | None, num_top: int | None) -> tuple[TokenLogprob, ...]:
    """The likeliest first; the server tells the chosen one among them although it was not asked."""
    if told is None or num_top is None:
        return ()
    found = zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True)
    return tuple(
        TokenLogprob(id_of(token), logprob, _best(top or {}, num_top))
        for token, logprob, top in found
    )


def _best(top: dict[str, float], count: int) -> tuple[tuple[int, float], ...]:
    ranked = sorted(top.items(), key=lambda each: -each[1])[:count]
    return tuple((id_of(token), logprob) for token, logprob in ranked)
