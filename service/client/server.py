"""The service as the terminal chat sees it: models, their disclaimers, answers in pieces."""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, suppress
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict

from data.wording import N_, _
from service.errors import ServerRefused
from service.http.endpoints import CHAT, LIST_MODELS, root_of
from service.options import KEY_VARIABLE

from .stream import DONE, EventParser

# No proxy of the environment's is for them.
LOCAL = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}
# No limit on reading: the first token of a long prompt may take minutes on a CPU.
TIMEOUT = httpx.Timeout(None, connect=10)
OF_CERTIFICATES = N_(
    " Its certificate has to be valid for the name in the URL; SSL_CERT_FILE can name the file of "
    "one that nobody else vouches for."
)
KEY_HELP = N_(
    "Give the key with --api-key or, so that no list of processes shows it, in {variable}. "
    "`lora-chat keys create NAME` makes one where the server runs; `lora-chat keys clear` there "
    "lets everybody in without one."
)


class Model(BaseModel):
    """What a server says of one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    parent: str | None = None  # the base under an adapter
    disclaimer: str | None = None


class Server:
    """Every method raises ServerRefused."""

    option = "--url"  # by which commands are told of it

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def models(self) -> list[Model]:
        with self._errors():
            response = self._client.get(LIST_MODELS.path)
            check(response)
            return [Model.model_validate(card) for card in response.json()["data"]]

    def model(self, name: str) -> Model:
        with self._errors():
            response = self._client.get(f"{LIST_MODELS.path}/{quote(name, safe='')}")
            if response.status_code == 404:
                told = _("There is no model {name!r}.{nearest}")
                raise ServerRefused(told.format(name=name, nearest=self._nearest(name)))
            check(response)
            return Model.model_validate(response.json())

    def answer(self, model: str, messages: Sequence[dict[str, str]]) -> Generator[str]:
        """The answer's pieces as they come; closing the generator stops the answer."""
        body = {"model": model, "messages": messages, "stream": True}
        request = self._client.build_request("POST", CHAT.path, json=body)
        with self._errors(), closing(self._client.send(request, stream=True)) as response:
            if response.is_error:
                response.read()
            check(response)
            parser = EventParser()
            for received in response.iter_bytes():
                for data in parser.feed(received):
                    if data != DONE:
                        yield _piece(json.loads(data))

    def _nearest(self, model: str) -> str:
        known = [each.id for each in self.models()]
        nearest = get_close_matches(model, known, n=1, cutoff=0.5)
        if nearest:
            return _(" Did you mean {name!r}?").format(name=nearest[0])
        return _(" There are: {names}.").format(names=", ".join(known))

    @property
    def _advice(self) -> str:
        return _(OF_CERTIFICATES) if self._client.base_url.scheme == "https" else ""

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            told = _(
                "{url} does not answer: {error}. Start a server with `lora-chat serve`, or leave "
                "out {option}.{advice}"
            ).format(
                url=self._client.base_url, error=error, option=self.option, advice=self._advice
            )
            raise ServerRefused(told) from error
        except (ValueError, KeyError, TypeError) as error:
            told = _("{url} is no lora-chat server.").format(url=self._client.base_url)
            raise ServerRefused(told) from error


Kind = TypeVar("Kind", bound=Server)


@contextmanager
def connected(
    url: str, api_key: str | None, of: Callable[[httpx.Client], Kind] = Server
) -> Generator[Kind]:
    """The server at a URL, which may end in /v1."""
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(
        base_url=root_of(url), timeout=TIMEOUT, headers=headers, mounts=LOCAL
    ) as client:
        yield of(client)


def has_model(url: str, name: str, api_key: str | None) -> bool:
    """Whether a server would answer as that model."""
    with connected(url, api_key) as server, suppress(ServerRefused):
        server.model(name)
        return True
    return False


def check(response: httpx.Response) -> None:
    """Raises ServerRefused for an answer that is an error."""
    if not response.is_error:
        return
    said = response.json()["error"]["message"]
    if response.status_code == 401:
        is_asked = "Authorization" not in response.request.headers
        refused = _("The server needs a key.") if is_asked else said
        said = f"{refused} {_(KEY_HELP).format(variable=KEY_VARIABLE)}"
    raise ServerRefused(said)


def _piece(event: dict[str, Any]) -> str:
    if "error" in event:
        raise ServerRefused(event["error"]["message"])
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
