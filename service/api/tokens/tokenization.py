"""Texts and chats as the token ids that a model would get, and ids as text."""

from collections.abc import Sequence

from service.api.chat.message import ChatMessage, conversation_of
from service.api.chat.prompt import prompt_ids
from service.api.disclaimers import Disclaimers
from service.api.protocol import DetokenizedText, TokenizedText
from service.api.vocabulary import Vocabulary
from service.errors import said_of
from service.models import Models, ResolvedModel
from service.settings import ServiceSettings
from serving.engine import Engine

from .request import DetokenizeRequest, TokenizeRequest


class Tokenization:
    """Takes time with long texts, so keep it off the event loop."""

    def __init__(self, engine: Engine, models: Models, settings: ServiceSettings) -> None:
        self._engine = engine
        self._models = models
        self._vocabulary = Vocabulary(models.tokenizer)
        self._disclaimers = Disclaimers(models, are_appended=settings.append_disclaimer)

    def tokenize(self, asked: TokenizeRequest) -> TokenizedText:
        """Raises what resolving and rendering raise."""
        model = self._resolve(asked.model)
        if asked.messages is not None:
            token_ids = self._chat_ids(asked, asked.messages, model)
        else:
            special = asked.add_special_tokens is not False
            token_ids = self._vocabulary.encode(asked.prompt or "", add_special_tokens=special)
        return TokenizedText(
            count=len(token_ids),
            max_model_len=self._engine.context_length,
            tokens=list(token_ids),
        )

    def detokenize(self, asked: DetokenizeRequest) -> DetokenizedText:
        """Raises ModelNotFound, and InvalidRequest for ids without a token."""
        self._resolve(asked.model)
        self._vocabulary.check(asked.tokens, "tokens")
        return DetokenizedText(prompt=self._vocabulary.decode(asked.tokens))

    def _resolve(self, model: str | None) -> ResolvedModel:
        with said_of("model"):
            return self._models.resolve(self._models.base_id if model is None else model)

    def _chat_ids(
        self, asked: TokenizeRequest, messages: Sequence[ChatMessage], model: ResolvedModel
    ) -> tuple[int, ...]:
        said = conversation_of(messages, model.system)
        return prompt_ids(
            model.renderer,
            self._disclaimers.taken_off(said, model),
            [tool.for_template for tool in asked.tools or ()],
            asked.add_generation_prompt,
            asked.continue_final_message,
        )
