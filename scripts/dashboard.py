"""Writes helm/monitoring/grafana.json: ``python -m scripts.dashboard``; ``--check`` compares."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "helm" / "monitoring" / "grafana.json"
WIDTH, HEIGHT = 12, 8
_OF = 'function=~"$function"'
_OF_METHOD = f'{_OF},method=~"$method"'
_OURS = f"and on (instance, job) buhin_ready{{{_OF}}}"
"""Keeps what other programs tell of themselves out of the figures of processes."""


@dataclass(frozen=True)
class Panel:
    """A chart: its title in both languages, its queries by legend, the unit of its axis."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"


ROWS: dict[str, list[Panel]] = {
    "State / 状態": [
        Panel("Ready / 応答可", {"{{function}}": f"min by (function) (buhin_ready{{{_OF}}})"}, kind="stat"),
        Panel(
            "Models in memory / 読込済みモデル",
            {"{{function}} {{model_id}} {{digest}}": f"buhin_model_info{{{_OF}}} == 1"},
            kind="table",
        ),
    ],
    "Calls / 呼び出し": [
        Panel(
            "Calls a second / 毎秒の呼び出し",
            {"{{method}} {{group}}": f"sum by (method, group) (rate(buhin_calls_total{{{_OF_METHOD}}}[5m]))"},
            "reqps",
        ),
        Panel(
            "Errors by reason / 理由別エラー",
            {"{{code}} {{reason}}": f'sum by (code, reason) (rate(buhin_calls_total{{{_OF_METHOD},code!="OK"}}[5m]))'},
            "reqps",
        ),
        Panel(
            "Time of a call, 95 % / 所要時間",
            {
                "{{method}} {{group}}": "histogram_quantile(0.95, sum by (le, method, group) "
                f"(rate(buhin_call_seconds_bucket{{{_OF_METHOD}}}[5m])))"
            },
            "s",
        ),
        Panel("In progress / 処理中", {"{{method}}": f"sum by (method) (buhin_calls_in_progress{{{_OF_METHOD}}})"}),
        Panel(
            "Open streams / 開いているストリーム", {"{{function}}": f"sum by (function) (buhin_streams_open{{{_OF}}})"}
        ),
    ],
    "Queue / 待ち行列": [
        Panel(
            "Requests that wait / 待ち件数",
            {"{{function}} {{priority}}": f"sum by (function, priority) (buhin_queue_waiting{{{_OF}}})"},
        ),
        Panel(
            "Work that waits, in units / 待ちの仕事量",
            {"{{function}} {{priority}}": f"sum by (function, priority) (buhin_queue_work{{{_OF}}})"},
        ),
        Panel(
            "Time in the queue, 95 % / 待ち時間",
            {
                "{{function}} {{priority}}": "histogram_quantile(0.95, sum by (le, function, priority) "
                f"(rate(buhin_queue_wait_seconds_bucket{{{_OF}}}[5m])))"
            },
            "s",
        ),
        Panel(
            "Refused / 受付拒否",
            {"{{function}} {{reason}}": f"sum by (function, reason) (rate(buhin_queue_refused_total{{{_OF}}}[5m]))"},
            "reqps",
        ),
    ],
    "Work / 処理": [
        Panel(
            "Units of work a second / 毎秒の仕事量",
            {"{{group}} {{unit}}": f"sum by (group, unit) (rate(buhin_work_units_total{{{_OF}}}[5m]))"},
        ),
        Panel(
            "Time on the engine, 95 % / エンジン時間",
            {
                "{{function}}": "histogram_quantile(0.95, sum by (le, function) "
                f"(rate(buhin_work_seconds_bucket{{{_OF}}}[5m])))"
            },
            "s",
        ),
        Panel(
            "Mean batch / 平均バッチ",
            {
                "{{function}}": f"sum by (function) (rate(buhin_batch_size_sum{{{_OF}}}[5m])) "
                f"/ sum by (function) (rate(buhin_batch_size_count{{{_OF}}}[5m]))"
            },
        ),
        Panel(
            "Time to load / 読込時間", {"{{function}}": f"max by (function) (buhin_model_load_seconds{{{_OF}}})"}, "s"
        ),
        Panel(
            "Engines replaced / エンジン交代",
            {
                "{{function}} lost": f"sum by (function) (increase(buhin_engine_restarts_total{{{_OF}}}[1h]))",
                "{{function}} reload {{outcome}}": "sum by (function, outcome) "
                f"(increase(buhin_engine_reloads_total{{{_OF}}}[1h]))",
            },
        ),
        Panel(
            "Memory / メモリ",
            {
                "{{instance}} service": f"process_resident_memory_bytes {_OURS}",
                "{{instance}} engine": f"buhin_engine_process_resident_memory_bytes {_OURS}",
            },
            "bytes",
        ),
        Panel(
            "CPU",
            {
                "{{instance}} service": f"rate(process_cpu_seconds_total[5m]) {_OURS}",
                "{{instance}} engine": f"rate(buhin_engine_process_cpu_seconds_total[5m]) {_OURS}",
            },
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    """The dashboard, two panels beside each other."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "gridPos": {"x": 0, "y": y, "w": 2 * WIDTH, "h": 1}})
        y += 1
        for number, panel in enumerate(row):
            place = {"x": WIDTH * (number % 2), "y": y + HEIGHT * (number // 2), "w": WIDTH, "h": HEIGHT}
            panels.append(_panel(panel, place))
        y += HEIGHT * -(-len(row) // 2)
    for number, made in enumerate(panels, start=1):
        made["id"] = number
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    function = _variable("function", "label_values(buhin_ready, function)")
    method = _variable("method", f"label_values(buhin_calls_in_progress{{{_OF}}}, method)")
    return {
        "title": "buhin", "uid": "buhin-services", "schemaVersion": 39, "refresh": "30s", "tags": ["buhin"],
        "time": {"from": "now-6h", "to": "now"}, "templating": {"list": [source, function, method]}, "panels": panels,
    }  # fmt: skip


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name, "type": "query", "datasource": {"type": "prometheus", "uid": "$datasource"},
        "query": query, "multi": True, "includeAll": True, "refresh": 2,
    }  # fmt: skip


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(65 + number), "expr": query, "legendFormat": legend}
        | ({"format": "table", "instant": True} if panel.kind == "table" else {})
        for number, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "type": panel.kind, "title": panel.title, "gridPos": place, "targets": targets,
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
    }  # fmt: skip


def main() -> None:
    """Write it, or exit with 1 where the file is another."""
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text(encoding="utf-8") != text)
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
