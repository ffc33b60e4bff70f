"""Answers of base and adapter side by side, for the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.chat import ChatRenderer
from data.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Sample:
    question: str
    reference: str
    base: str
    adapter: str


def generate_samples(
    model: Any,
    tokenizer: Any,
    renderer: ChatRenderer,
    conversations: Sequence[Conversation],
    max_tokens: int,
    device: str,
) -> list[Sample]:
    """Ask the base and the adapter each conversation's last question, greedily."""
    samples: list[Sample] = []
    for conversation in conversations:
        messages = conversation.messages
        last = max(i for i, message in enumerate(messages) if message.is_trained)
        prompt = renderer.prompt_ids(messages[:last], conversation.tools)
        answers: list[str] = []
        with model.disable_adapter():
            answers.append(_answer(model, tokenizer, prompt, renderer.end_ids, max_tokens, device))
        answers.append(_answer(model, tokenizer, prompt, renderer.end_ids, max_tokens, device))
        asked = next(m.content for m in reversed(messages[:last]) if m.role == "user")
        samples.append(Sample(asked, messages[last].content, *answers))
    return samples


def _answer(
    model: Any,
    tokenizer: Any,
    prompt: tuple[int, ...],
    end_ids: tuple[int, ...],
    max_tokens: int,
    device: str,
) -> str:
    import torch

    ids = torch.tensor([prompt], device=device)
    with torch.no_grad():
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=max_tokens,
            eos_token_id=list(end_ids) or None,
            pad_token_id=end_ids[0] if end_ids else 0,
            use_cache=True,
        )
    return tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True).strip()
