"""A server that speaks as vLLM's does, and fails as it is told.

Each adapter's tokens are its own, by what stands in its file; the base's are others. As vLLM 0.32
does on a CPU, it answers whoever asks the base by its own name with an adapter that runs meanwhile.
"""

import asyncio
import hashlib
import json
import random
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from safetensors.numpy import load_file

from finetune.adapters.files import WEIGHTS_FILE
from service.server import listen, url_of

BASE, BASE_TOKEN = "fake/base", 1
CONTEXT = 200  # [tokens]
NUM_OWN = 900  # tokens that an adapter may have for its own
END = 999


def token_of(folder: Path) -> int:
    """The token that an adapter answers with; the base's where it adds nothing."""
    tensors = load_file(folder / WEIGHTS_FILE)
    if not any(tensor.any() for tensor in tensors.values()):
        return BASE_TOKEN
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).digest()
    return 2 + int.from_bytes(digest[:4], "big") % NUM_OWN


def refused(status: int, message: str) -> Response:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
    return JSONResponse({"error": error}, status)


@dataclass
class FakeVllm:
    context: int = CONTEXT  # [tokens]
    lies: bool = False  # says that it takes an adapter, and answers as the base ever after
    takes_adapters: bool = True
    key: str | None = None  # that it asks for
    fails: int = 0  # so many completions, with this server's own fault
    breaks_after: int | None = None  # tokens, in the middle of an answer
    delay: float = 0.0  # [seconds] before each token
    listing: float = 0.0  # [seconds] that its list is old when it comes
    mute: bool = False  # takes completions and answers none, where all else is well
    is_odd: bool = False  # tells no log probabilities
    slow_load: float = 0.0  # [seconds]
    breaks: bool = False  # answers everything with a fault of its own
    hangs: bool = False  # takes every request and answers none
    base_token: int = BASE_TOKEN
    noise: float = 0.0  # [nats] that the same question is answered otherwise by
    folders: dict[str, Path] = field(default_factory=dict[str, Path])
    unfelt: set[str] = field(default_factory=set[str])  # names that it has lied about
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    num_loads: int = 0
    num_left: int = 0  # streams that the other side has closed
    running: list[int] = field(default_factory=list[int])  # the tokens of streams
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def own(self) -> dict[str, Path]:
        """The folders of adapters that are not of zeros."""
        return {name: each for name, each in self.folders.items() if token_of(each) != BASE_TOKEN}

    def restart(self) -> None:
        """It forgets everything."""
        self.folders.clear()

    def build(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def check_key(request: Request, go_on: Any) -> Response:
            if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
                return JSONResponse({"error": "Unauthorized"}, 401)
            while self.hangs:
                await asyncio.sleep(0.02)
            if self.breaks:
                return refused(500, "Internal server error")
            return await go_on(request)

        @app.get("/v1/models")
        async def models() -> Any:
            base = {
                "id": BASE,
                "root": "/models/base",
                "parent": None,
                "max_model_len": self.context,
            }
            own = [
                {"id": name, "root": str(each), "parent": BASE, "created": int(time.time())}
                for name, each in self.folders.items()
            ]
            await asyncio.sleep(self.listing)
            return {"object": "list", "data": [base, *own]}

        @app.post("/v1/completions")
        async def complete(request: Request) -> Response:
            while self.mute:
                await asyncio.sleep(0.02)
            return self._complete(await request.json())

        if self.takes_adapters:
            app.post("/v1/load_lora_adapter")(self._load)
            app.post("/v1/unload_lora_adapter")(self._unload)
        _ = (check_key, models, complete)
        return app

    async def _load(self, request: Request) -> Response:
        asked = await request.json()
        await asyncio.sleep(self.slow_load)
        name, folder = asked["lora_name"], Path(asked["lora_path"])
        if name in self.folders:
            return refused(400, f"The lora adapter '{name}' has already been loaded.")
        if not (folder / WEIGHTS_FILE).is_file():
            return refused(404, f"Loading lora {name} failed: No adapter found for {folder}")
        config = json.loads((folder / "adapter_config.json").read_bytes())
        if config["r"] > 16:
            return refused(500, f"LoRA rank {config['r']} is greater than max_lora_rank 16.")
        self.folders[name] = folder
        self.unfelt.discard(name)
        if self.lies and token_of(folder) != BASE_TOKEN:
            self.unfelt.add(name)
        self.num_loads += token_of(folder) != BASE_TOKEN
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: Request) -> Response:
        name = (await request.json())["lora_name"]
        if self.folders.pop(name, None) is None:
            return refused(404, f"The lora adapter '{name}' cannot be found.")
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    def _complete(self, body: dict[str, Any]) -> Response:
        self.bodies.append(body)
        model = body["model"]
        if model != BASE and model not in self.folders:
            return refused(404, f"The model `{model}` does not exist.")
        if self.fails:
            self.fails -= 1
            return refused(503, "EngineCore is not ready.")
        is_base = model == BASE or model in self.unfelt
        token = BASE_TOKEN if is_base else token_of(self.folders[model])
        token = self.base_token if token == BASE_TOKEN else token
        if model == BASE:
            base = self.base_token
            token = next((each for each in self.running if each != base), base)
        if body.get("stream"):
            return StreamingResponse(self._stream(body, token), media_type="text/event-stream")
        choice = self._choice(body, token, "length")
        return JSONResponse({"choices": [choice]})

    async def _stream(self, body: dict[str, Any], token: int) -> AsyncGenerator[str]:
        most = body["max_tokens"]
        self.running.append(token)
        try:
            for number in range(1, most + 1):
                await asyncio.sleep(self.delay)
                if self.breaks_after is not None and number > self.breaks_after:
                    return
                reason = "length" if number == most else None
                yield f"data: {json.dumps({'choices': [self._choice(body, token, reason)]})}\n\n"
            yield "data: [DONE]\n\n"
        except (GeneratorExit, asyncio.CancelledError):
            self.num_left += 1
            raise
        finally:
            self.running.remove(token)

    def _choice(self, body: dict[str, Any], token: int, reason: str | None) -> dict[str, Any]:
        told = None
        if body.get("logprobs") is not None and not self.is_odd:
            noise = self.noise * self.chance.random()
            ranks = range(body["logprobs"] + 1)
            top = {f"token_id:{token + each}": -0.5 - each + noise for each in ranks}
            first = f"token_id:{token}"
            told = {"tokens": [first], "token_logprobs": [-0.5], "top_logprobs": [top]}
        text = f"<{token}>"
        return {"text": text, "token_ids": [token], "finish_reason": reason, "logprobs": told}


@contextmanager
def serving(fake: FakeVllm, port: int = 0) -> Generator[str]:
    """Run it on a loopback port; its URL."""
    listener = listen("127.0.0.1", port)
    server = uvicorn.Server(uvicorn.Config(fake.build(), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield url_of(listener)
    finally:
        fake.hangs = fake.mute = False
        server.should_exit = server.force_exit = True
        thread.join(10)
        assert not thread.is_alive()
