"""Rule sets: every bound from both sides, what is borderline, files of operators."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.image_inspect.severity import DEFAULT, RulesError, rule_sets

RULES = rule_sets()
GOOD = {
    "title": {"en": "ours", "ja": "自前"},
    "source": "a manual",
    "note": {"en": "", "ja": ""},
    "measure": "max_width_mm",
    "min_length_mm": 100,
    "classes": [
        {"id": "fine", "level": "hairline", "label": {"en": "fine", "ja": "細"}, "from_mm": 0},
        {"id": "bad", "level": "wide", "label": {"en": "bad", "ja": "粗"}, "from_mm": 4},
    ],
}


@pytest.mark.parametrize(
    ("rules", "mean", "widest", "expected"),
    [
        ("general", 0.199, 9, "hairline"),
        ("general", 0.2, 9, "moderate"),
        ("general", 0.999, 9, "moderate"),
        ("general", 1.0, 9, "wide"),
        ("bridge_rc", 0, 0.199, "small"),
        ("bridge_rc", 0, 0.2, "medium"),
        ("bridge_rc", 0, 0.299, "medium"),
        ("bridge_rc", 0, 0.3, "large"),
        ("bridge_pc", 0, 0.099, "small"),
        ("bridge_pc", 0, 0.1, "medium"),
        ("bridge_pc", 0, 0.2, "large"),
        ("sewer_pipe", 0, 1.99, "c"),
        ("sewer_pipe", 0, 2.0, "b"),
        ("sewer_pipe", 0, 5.0, "a"),
        ("road_asphalt", 6.0, 99, "low"),
        ("road_asphalt", 6.01, 99, "moderate"),
        ("road_asphalt", 19.0, 99, "moderate"),
        ("road_asphalt", 19.01, 99, "high"),
    ],
)
def test_every_bound_from_both_sides(rules: str, mean: float, widest: float, expected: str) -> None:
    judged = RULES[rules].judge((mean, 0), (widest, 0), 1_000)
    assert judged.severity.id == expected
    assert not judged.borderline


def test_every_set_says_where_it_is_from_and_goes_from_mild_to_serious() -> None:
    assert DEFAULT in RULES
    for name, rules in RULES.items():
        assert (rules.id, bool(rules.source), bool(rules.note.ja)) == (name, True, True)
        assert [each.level for each in rules.classes] == ["hairline", "moderate", "wide"]


@pytest.mark.parametrize(
    ("width", "uncertainty", "borderline"),
    [(0.28, 0.01, False), (0.28, 0.03, True), (0.31, 0.02, True), (0.5, 0.1, False)],
)
def test_a_width_whose_uncertainty_reaches_another_class_is_borderline(
    width: float, uncertainty: float, borderline: bool
) -> None:
    assert RULES["bridge_rc"].judge((0, 0), (width, uncertainty), 500).borderline is borderline


@pytest.mark.parametrize(
    ("rules", "width", "en", "ja"),
    [
        ("bridge_rc", 0.1, "maximum width 0.1 mm is below 0.2 mm", "最大幅 0.1 mm（0.2 mm 未満）"),
        ("bridge_rc", 0.25, "maximum width 0.25 mm is at least 0.2 mm and below 0.3 mm",
         "最大幅 0.25 mm（0.2 mm 以上、0.3 mm 未満）"),
        ("bridge_rc", 0.34, "maximum width 0.34 mm is at least 0.3 mm", "最大幅 0.34 mm（0.3 mm 以上）"),
        ("road_asphalt", 7, "mean width 7 mm is above 6 mm and not above 19 mm", "平均幅 7 mm（6 mm 超、19 mm 以下）"),
    ],
)  # fmt: skip
def test_it_says_why(rules: str, width: float, en: str, ja: str) -> None:
    why = RULES[rules].judge((width, 0), (width, 0), 500).why
    assert (why.en, why.ja) == (en, ja)


def test_sets_of_the_operator_are_added_and_replace(tmp_path: Path) -> None:
    for name in ("ours", "general"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    rules = rule_sets(tmp_path)
    assert set(rules) == {*RULES, "ours"}
    assert rules["general"].title.en == "ours"
    assert rules["ours"].judge((0, 0), (5, 0), 99).severity.id == "fine"
    assert rules["ours"].judge((0, 0), (5, 0), 100).severity.id == "bad"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"measure": "depth_mm"}, "measure"),
        ({"classes": GOOD["classes"][:1]}, "classes"),  # type: ignore[index]
        ({"classes": GOOD["classes"][::-1]}, "from 0 mm"),  # type: ignore[index]
        ({"classes": [GOOD["classes"][0], GOOD["classes"][0]]}, "has to grow"),  # type: ignore[index]
        ({"source": None}, "source"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    (tmp_path / "ours.yaml").write_text(yaml.safe_dump(GOOD | change), encoding="utf-8")
    with pytest.raises(RulesError, match=r"ours\.yaml") as caught:
        rule_sets(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2", "- a list", "\x00"])
def test_what_is_no_file_of_rules_is_named_too(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RulesError, match=r"odd\.yaml"):
        rule_sets(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="nowhere"):
        rule_sets(tmp_path / "nowhere")
