"""What going on from an adapter has done: to what it held out, and to the corrections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Continuation:
    """Losses are held-out ones, per answer token, in nats, at training precision."""

    parent: str  # name@version
    loss_before: float
    loss_after: float
    num_corrections: int = 0
    num_learned: int = 0  # of them, that are answered word for word

    @property
    def rise(self) -> float:
        return self.loss_after / self.loss_before - 1
