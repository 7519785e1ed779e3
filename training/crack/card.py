"""The card of the model, from the records of its training, its export and its evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEAD = Path(__file__).with_name("card.md")


def page(records: Path) -> str:
    """The card as Markdown."""
    training, export, evaluation = (
        json.loads((records / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("training", "export", "evaluation")
    )
    plan, engines = training["plan"], evaluation["engines"]
    network = next(found for found in engines.values() if found["model"])
    said = HEAD.read_text(encoding="utf-8").format(
        parameters=training["parameters"],
        size_bytes=export["size_bytes"],
        digest=network["digest"],
        minutes=training["trained_s"] / 60,
        made=training["made_s"] / 60,
        seed=plan["seed"],
        batch=plan["batch"],
        real=plan["real"],
        samples=plan["samples"],
        rounds=plan["rounds"],
        threshold=export["threshold"],
        sure=export["sure"],
        before=export["calibration_error"]["before"],
        after=export["calibration_error"]["after"],
        int8=export["f1"]["int8"],
        float=export["f1"]["float"],
        data=training["data_sha256"],
    )
    sizes = json.loads((records / "sizes.json").read_text(encoding="utf-8"))
    parts = [said, *_quality(evaluation), "", *_sizes(sizes), "", "## The training", "", *_curve(training["curve"]), ""]
    return "\n".join(parts)


def _quality(evaluation: dict[str, Any]) -> list[str]:
    lines = [
        "| set | photographs | engine | precision | recall | F1 | joints | flagged |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for name, count in evaluation["sets"].items():
        for engine, found in evaluation["engines"].items():
            s = found["scores"][name]
            figures = ("precision", "recall", "f1") if not name.endswith("no crack") else ()
            cells = [f"{s[figure]:.3f}" if figure in figures else "" for figure in ("precision", "recall", "f1")]
            joints = f"{s['on_joints']:.3f}" if name.startswith("generated") else ""
            lines.append(f"| {name} | {count} | {engine} | {' | '.join(cells)} | {joints} | {s['flagged']:.3f} |")
    return lines


def _sizes(sizes: list[dict[str, Any]]) -> list[str]:
    runs, threads = sizes[0]["runs"], sizes[0]["threads"]
    head = (
        "One JPEG from its bytes to measured cracks, in a process of its own; medians of "
        f"{runs} runs on {threads} cores. The process has the memory of the first column before it begins."
    )
    lines = [
        "## Time and memory", "", head, "",
        "| megapixels | cracks | seconds | seconds a megapixel | MiB before | MiB at the peak |",
        "|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for each in sizes:
        pace = each["seconds"] / each["megapixels"]
        cells = [f"{each['megapixels']:.0f}", f"{each['cracks']:.0f}", f"{each['seconds']:.1f}", f"{pace:.2f}"]
        lines.append(f"| {' | '.join(cells)} | {each['before_mib']:.0f} | {each['peak_mib']:.0f} |")
    return lines


def _curve(curve: list[dict[str, Any]]) -> list[str]:
    sets = list(curve[0]["scores"])
    lines = [
        f"| round | loss | chosen by | {' | '.join(sets)} |",
        f"|---:|---:|---:|{'---:|' * len(sets)}",
    ]
    for each in curve:
        cells = [f"{found['flagged' if name == 'no crack' else 'f1']:.2f}" for name, found in each["scores"].items()]
        lines.append(f"| {each['round']} | {each['loss']:.3f} | {each['worth']:.3f} | {' | '.join(cells)} |")
    head = "F1 of each set after each round, at the best threshold; of photographs without a crack the share flagged."
    return [head, "", *lines]
