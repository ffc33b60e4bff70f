import asyncio
from collections.abc import AsyncGenerator

import pytest

from service.http.leash import Leash
from serving.engine import Delta
from serving.errors import EngineFailed

ENOUGH = EngineFailed("enough")


async def never() -> AsyncGenerator[Delta]:
    await asyncio.Event().wait()
    yield Delta()


async def letters() -> AsyncGenerator[Delta]:
    for letter in "ab":
        yield Delta(text=letter)


def test_what_is_pulled_is_what_comes():
    async def pull_all() -> list[Delta | None]:
        leash, deltas = Leash(), letters()
        return [await leash.pull(deltas) for _ in range(3)]

    assert asyncio.run(pull_all()) == [Delta(text="a"), Delta(text="b"), None]


def test_whoever_waits_gets_the_error():
    async def wait() -> None:
        leash = Leash()
        asyncio.get_running_loop().call_soon(leash.end, ENOUGH)
        with pytest.raises(EngineFailed, match="enough"):
            await leash.pull(never())
        task = asyncio.current_task()
        assert task
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # the task goes on as if it had never been cancelled

    asyncio.run(wait())


def test_whoever_comes_later_gets_the_first_error():
    async def come() -> None:
        leash = Leash()
        leash.end(ENOUGH)
        leash.end(EngineFailed("too late"))
        with pytest.raises(EngineFailed, match="enough"):
            await leash.pull(letters())

    asyncio.run(come())


def test_a_client_that_goes_away_meanwhile_is_still_gone():
    async def both() -> None:
        leash = Leash()
        task = asyncio.create_task(leash.pull(never()))
        await asyncio.sleep(0)
        leash.end(ENOUGH)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(both())
