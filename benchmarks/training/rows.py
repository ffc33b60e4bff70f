"""Random rows of given lengths, for measuring how fast they are trained on."""

from random import Random

from data.chat import Rendered

SEED = 11
ANSWER = 0.6  # of a row is trained
FIRST_ID = 3  # after LLaMA's unknown, beginning and end


def make_rows(count: int, shortest: int, longest: int, vocab_size: int) -> list[Rendered]:
    """Rows of `shortest` to `longest` tokens, evenly spread; the same arguments give the same."""
    random = Random(f"{SEED}:{count}:{shortest}:{longest}")
    rows: list[Rendered] = []
    for _ in range(count):
        length = random.randint(shortest, longest)
        prompt = round(length * (1 - ANSWER))
        ids = tuple(random.randrange(FIRST_ID, vocab_size) for _ in range(length))
        rows.append(Rendered(ids, (False,) * prompt + (True,) * (length - prompt)))
    return rows
