"""Measures the model that is shipped beside the classical engine: ``python -m training.crack.evaluate --data FOLDER``.

On data that was not learned from, at the one threshold of the model: photographs (where the folder is there) and
generated samples of every kind of surface; and time and memory by the size of a photograph. Writes evaluation.json and
sizes.json, the card of the model (docs/crack-model.md) and the pictures in it.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import track

from buhin.config import ImageSettings
from buhin.engine import Stop
from services.image_inspect import photo
from services.image_inspect.answers import inspection
from services.image_inspect.engine import InspectEngine
from services.image_inspect.evaluate import engines
from services.image_inspect.inspection import Options, inspect
from services.image_inspect.servicer import DEFAULT_MIN_LENGTH_PX
from services.image_inspect.severity import DEFAULT, rule_sets
from training.crack import sizes
from training.crack.card import page
from training.crack.data import Labelled, generated_for_validation, photographs
from training.crack.scores import Scores, score

HERE = Path(__file__).parent
RECORDS = HERE / "records"
CARD = HERE.parents[1] / "docs" / "crack-model.md"
SAMPLES = HERE.parents[1] / "samples" / "concrete"
OVERLAYS = ("wall_05_crack", "wall_07_boards", "wall_09_joint_crack")
NAMES = {"uav": "drone photographs of concrete", "sut": "photographs of asphalt"}


def scores(
    engine: InspectEngine, sets: Mapping[str, Sequence[Labelled]], told: Callable[[str], None] = print
) -> dict[str, Scores]:
    """The scores of an engine on each set."""
    found = {}
    for name, photos in sets.items():
        seen = track(photos, f"{engine.name}: {name}", transient=True)
        found[name] = score((photo, engine.detect(photo.photo, Stop()).mask) for photo in seen)
        told(f"{engine.name}, {name}: F1 {found[name].f1:.3f}, joints {found[name].on_joints:.3f}")
    return found


def measured(data: Path | None, each: int) -> dict[str, Any]:
    """All figures of both engines, ready for JSON."""
    real = photographs(data, validation=True) if data else {}
    made = {f"generated, {name}": photos for name, photos in generated_for_validation(each).items()}
    sets = {**{NAMES[name]: photos for name, photos in real.items()}, **made}
    record: dict[str, Any] = {"sets": {name: len(photos) for name, photos in sets.items()}, "engines": {}}
    for engine, model_id, digest in engines(ImageSettings()):
        found = {name: asdict(each) for name, each in scores(engine, sets).items()}
        record["engines"][engine.name] = {"model": model_id, "digest": digest, "scores": found}
    return record


def draw(folder: Path) -> None:
    """What the service draws on sample photographs, as WebP."""
    options = Options(rule_sets()[DEFAULT], DEFAULT_MIN_LENGTH_PX, gsd=0.3, overlay=True)
    engine = next(engines(ImageSettings()))[0]
    for name in OVERLAYS:
        header = photo.check((SAMPLES / f"{name}.jpg").read_bytes(), ImageSettings())
        answer = inspection(inspect(engine, header, options, Stop()), options)
        with Image.open(io.BytesIO(answer.overlay_png)) as drawn:
            drawn.save(folder / f"crack_{name}.webp", quality=80)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with uav/ and sut/; without it only generated samples")
    parser.add_argument("--each", type=int, default=24, help="generated samples of each kind of surface")
    arguments = parser.parse_args()
    data = arguments.data if arguments.data and arguments.data.is_dir() else None
    record = measured(data, arguments.each)
    for name, found in (("evaluation", record), ("sizes", sizes.measured())):
        (RECORDS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draw(CARD.with_name("images"))
    CARD.write_text(page(RECORDS), encoding="utf-8")


if __name__ == "__main__":
    main()
