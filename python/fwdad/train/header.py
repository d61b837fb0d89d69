"""What the headers of a run's files, and its result.json, hold beside the arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fwdad.data import Facts
from fwdad.schema import Count, Range, Seconds, Share
from fwdad.train.progress import Progress

Size = Annotated[int, Range(1, 2**31)]
Loss = Annotated[float, Range(0)]


@dataclass(frozen=True, kw_only=True)
class About:
    """What it takes to make a model again, what is known of its data, and the digests of data and file.

    Older files say nothing of the data: `facts` is None.
    """

    digest: str
    fwdad: str
    config: dict[str, Any]
    shape: tuple[Size, ...]
    outputs: Size
    data: str
    facts: Facts | None = None


@dataclass(frozen=True, kw_only=True)
class BestHeader(About):
    """Of best.safetensors: the epoch that it is of."""

    epoch: Annotated[int, Range(1)]


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader(About):
    """Of checkpoint.safetensors: how far the run is, the digest of its best model, and what its bits depend on."""

    progress: Progress
    best: str | None
    isa: str | None
    numpy: str


@dataclass(frozen=True)
class BestResult:
    """The best model, tested."""

    epoch: Annotated[int, Range(1)]
    validation_loss: Loss
    test_accuracy: Share | None
    test_loss: Loss


@dataclass(frozen=True)
class Result:
    """What result.json holds."""

    test_accuracy: Share | None
    test_loss: Loss
    best_validation_accuracy: Share | None
    best: BestResult
    epochs: Count
    steps: Count
    parameters: Count
    seconds: Seconds
    seconds_per_step: Seconds
    threads: Count
    isa: str | None
    versions: dict[str, Any]
