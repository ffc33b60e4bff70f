"""/tokenize and /detokenize."""

from fastapi import APIRouter

from service.api.protocol import DetokenizedText, TokenizedText
from service.http.endpoints import DETOKENIZE, TOKENIZE
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute

from .request import DetokenizeRequest, TokenizeRequest
from .tokenization import Tokenization


def token_routes(tokenization: Tokenization) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    @router.post(TOKENIZE.path)
    def tokenize(asked: TokenizeRequest) -> TokenizedText:
        return tokenization.tokenize(asked)

    @router.post(DETOKENIZE.path)
    def detokenize(asked: DetokenizeRequest) -> DetokenizedText:
        return tokenization.detokenize(asked)

    _ = (tokenize, detokenize)
    return router
