"""A wrong pipeline is refused before anything runs: every problem, each at its line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from buhin.errors import SpecError
from buhin.pipelines.checker import load
from tests.conftest import ROOT

FOLDER = Path(__file__).parent
RIGHT = (FOLDER / "right.yaml").read_text(encoding="utf-8")
WRONG: list[dict[str, Any]] = yaml.safe_load((FOLDER / "wrong_specs.yaml").read_text(encoding="utf-8"))


def problems_of(path: Path) -> list[SpecError]:
    with pytest.raises(ExceptionGroup) as caught:
        load(path)
    return [error for error in caught.value.exceptions if isinstance(error, SpecError)]


def test_the_right_one_is_right(tmp_path: Path) -> None:
    path = tmp_path / "right.yaml"
    path.write_text(RIGHT, encoding="utf-8")
    spec = load(path)
    assert list(spec.steps) == ["transcribe", "minutes", "english"]
    assert spec.steps["transcribe"].timeout_s == 30.5
    assert spec.parameters["limit"].default == 100


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case["case"])
def test_a_problem_is_told_with_its_line(case: dict[str, Any], tmp_path: Path) -> None:
    assert case["replace"] in RIGHT
    text = RIGHT.replace(case["replace"], case["by"], 1)
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    found = problems_of(path)
    needle = case.get("line") or case["by"].strip().splitlines()[0]
    lines = [number for number, line in enumerate(text.splitlines(), 1) if needle in line]
    assert case["problem"] in found[0].metadata["problem"]
    assert found[0].message.startswith(f"{path}:{lines[case.get('occurrence', 0)]}: ")
    assert len(found) == case.get("problems", 1), [error.message for error in found]


def test_all_problems_are_told_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    text = RIGHT.replace("language_code: ja", "language_code: 3").replace("METHOD_ABSTRACTIVE", "SHORT")
    path.write_text(text.replace("writer: transcript_text", "writer: nothing"), encoding="utf-8")
    assert [int(error.metadata["line"]) for error in problems_of(path)] == [17, 25, 34]


def test_a_broken_step_causes_no_further_problems(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(RIGHT.replace("Service/Recognize", "Service/Nothing"), encoding="utf-8")
    assert len(problems_of(path)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"- a\n", "must be a mapping"),
        (b"#" * 300_000, "300000 bytes"),
    ],
)
def test_what_is_no_pipeline_at_all(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    assert message in problems_of(path)[0].message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read" in problems_of(tmp_path / "none.yaml")[0].message


VALUES = st.sampled_from(
    [
        "", "3", "-1", "1e400", ".nan", "true", "[]", "{}", "[a]", "{a: b}", "!foo x", "!!binary x", "2026-99-99",
        "&a x", "*a", "? x", "${", "${a}", "${a[]}", "${input}", "${input.bytes}", "${transcribe}", "9" * 5000,
        "{? [a]: b}", "|",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(number=st.integers(0, len(RIGHT.splitlines()) - 1), value=VALUES | st.text(max_size=12), as_item=st.booleans())
def test_whatever_stands_there_is_a_problem_at_a_line_or_right(number: int, value: str, as_item: bool) -> None:
    lines = RIGHT.splitlines()
    lines[number] = (
        lines[number].partition("-")[0] + f"- {value}" if as_item else f"{lines[number].partition(':')[0]}: {value}"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text("\n".join(lines), encoding="utf-8")
        try:
            load(path)
        except ExceptionGroup as group:
            assert all(isinstance(error, SpecError) for error in group.exceptions)


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_ready_made_pipelines_are_right(path: Path) -> None:
    assert load(path).name == path.stem
