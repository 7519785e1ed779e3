"""What workers are given of a run that was submitted: a folder with the pipeline and this."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

PIPELINE_FILE = "pipeline.yaml"
SUBMISSION_FILE = "submission.json"
MAX_NAME = 50
"""Most characters of a run's name, so that names made of it are names to Kubernetes and PostgreSQL too."""


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or not path.strip():
        raise ValueError(f"{path} must lie in the claim: relative, without ..")
    return path


def _no_forgetting(name: str) -> str:
    if name.endswith("-forget"):
        raise ValueError("names that end in -forget are those of the Jobs that delete runs")
    return name


InsideClaim = Annotated[str, AfterValidator(_inside)]
RunName = Annotated[
    str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=MAX_NAME), AfterValidator(_no_forgetting)
]
RUN_NAME: TypeAdapter[str] = TypeAdapter(RunName)


class Submission(BaseModel):
    """A run that was submitted. Paths are relative to the volume that all workers mount."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunName
    """Name of the run and of its Job; part of the name of its schema in the database."""
    inputs: list[InsideClaim] = Field(min_length=1)
    """Files, or folders of files."""
    out: InsideClaim
    """Folder of the outputs."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Parameters of the pipeline, as they were given."""
    concurrency: int = Field(default=2, ge=1, le=64)
    """Calls that a worker makes at the same time."""

    @property
    def identity(self) -> str:
        """What must be the same to go on with a run."""
        return self.model_dump_json(exclude={"concurrency"})


def schema_of(run: str, token: str) -> str:
    """Schema of a run in PostgreSQL, where DBOS keeps what it knows of it and of nothing else. The token is that of the
    run's record on the claim, so that runs of one name on several claims can share a database.
    """
    return f"buhin_{run.replace('-', '_')}_{token}"


def state_of(run: str, state_dir: Path) -> Path:
    """Folder of a run's results."""
    return state_dir / "submitted" / run
