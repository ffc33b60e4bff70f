"""A tokenizer of made-up words for a base of random weights.

Each token is a word of its own, so whatever such a base answers is text at once: no server holds
half a character back, and every token can be seen to arrive.
"""

from typing import Any

from service.bench.prompts import WORDS

UNKNOWN, END = "<unk>", "</s>"
SPECIAL = (UNKNOWN, "<s>", END)  # LLaMA's, with its ids
TEMPLATE = "{% for message in messages %}{{ message['content'] + ' ' }}{% endfor %}"


def word_tokenizer(vocab_size: int) -> Any:
    """It knows the words of a load's prompts, and as many others as there are ids for."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = [*SPECIAL, *WORDS.split()]
    words = [*known, *(f"w{number}" for number in range(len(known), vocab_size))]
    model = models.WordLevel({word: number for number, word in enumerate(words)}, UNKNOWN)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, unk_token=UNKNOWN)
    made.chat_template = TEMPLATE
    return made
