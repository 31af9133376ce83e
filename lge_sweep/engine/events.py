"""What becomes of a task, as an executor tells it: plain data that can cross a pipe, a file or a network."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """Base of what crosses between a driver and whatever executes its tasks; `model_dump_json` loses nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="constants")


class Progress(Message):
    """How far a training is.

    After one with `val_dice`, what executes the task waits for an answer, if it ends with its driver; a job that may
    outlive it goes on, until it finds that it should stop.
    """

    kind: Literal["progress"] = "progress"
    step: int
    """Optimizer steps done; 0 while a training is being prepared."""
    total: int
    """Most there can be."""
    loss: float
    """Training loss of this step; NaN of step 0."""
    val_loss: float | None = None
    """Of the latest validation."""
    val_dice: float | None = None
    """Foreground Dice of the validation that this step ended in, None if it did not."""


class Done(Message):
    """The task is finished; a cell's outcome is in its folder."""

    kind: Literal["done"] = "done"


class Pruned(Message):
    """The task was given up, as the answer had asked."""

    kind: Literal["pruned"] = "pruned"


class Failed(Message):
    """The task failed."""

    kind: Literal["failed"] = "failed"
    reason: str
    """One sentence for the user."""
    disk: bool = False
    """Whether the disk is the cause, so that no other cell can do better."""
    memory: bool = False
    """Whether a GPU's memory was too small, so that the task may do better alone."""
    unexpected: bool = False
    """Whether what executed the task may be in a bad state and should be replaced."""


class Died(Message):
    """What executed the task has died, or hung and was ended, without a word on the task."""

    kind: Literal["died"] = "died"
    reason: str
    """What has died and how, such as "its worker process was killed by SIGKILL"."""


class Paced(Message):
    """Training steps were taken to measure them."""

    kind: Literal["paced"] = "paced"
    seconds: float = Field(gt=0)
    """Of a step, median of some."""
    gpu_used: float = 0.0
    """Share of its GPU's memory that was in use then, by whatever process; 0 without a GPU."""


TaskResult = Done | Pruned | Failed | Paced
"""How a task ends, as far as what executes it can tell."""


class Event(Message):
    """Something that happened to a task. The last one of a task is any but `Progress`."""

    task: str
    """Its id, as `Executor.submit` gave it."""
    news: Annotated[Progress | TaskResult | Died, Field(discriminator="kind")]
    """What happened."""
