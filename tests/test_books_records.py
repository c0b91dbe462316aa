"""The records in the repository keep their names, whatever is added to the settings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pytest

from convsim.experiments.beginnings import BeginningSettings
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.descent import DescentSettings, FloorSettings
from convsim.experiments.forgetting import ForgettingSettings
from convsim.experiments.inputs import PatchSettings, StepSettings
from convsim.experiments.maps import MapSettings
from convsim.experiments.overlap import OverlapSettings, RegularizedSettings
from convsim.experiments.pairs import PairSettings
from convsim.experiments.penalties import PenaltySettings
from convsim.experiments.record import RESULTS, added, read_record, record_path, restored, stored
from convsim.experiments.sweep import ChoiceSettings

KINDS: dict[str, type] = {
    "pairs": PairSettings,
    "descent": DescentSettings,
    "floor": FloorSettings,
    "table5": TrainingSettings,
    "table5choice": ChoiceSettings,
    "maps": MapSettings,
    "overlap": OverlapSettings,
    "overlapregularized": RegularizedSettings,
    "inputpatches": PatchSettings,
    "inputsteps": StepSettings,
    "forgetting": ForgettingSettings,
    "beginnings": BeginningSettings,
    "penaltypairs": PairSettings,
    "penalties": PenaltySettings,
}
BENCHMARKS = {
    *("benchmark", "penaltybenchmark", "trainingbenchmark", "overlapbenchmark", "reportbenchmark"),
}
RECORDS = sorted(RESULTS.glob("*.json"))
NAMES = Path(__file__).with_name("records.txt").read_text().split()


def test_no_record_is_lost() -> None:
    """One that is replaced by a better one is taken from the list by hand."""
    assert set(NAMES) <= {path.name for path in RECORDS}
    assert len(NAMES) == len(set(NAMES)) >= 58


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_found_by_its_settings(path: Path) -> None:
    record = read_record(path)
    if record.experiment in BENCHMARKS:  # their settings are those of scripts
        text = json.dumps(record.settings, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        assert path.name == f"{record.experiment}-{digest}.json"
        return
    settings = restored(KINDS[record.experiment], record.settings)
    assert record_path(record.experiment, settings, RESULTS) == path
    assert restored(KINDS[record.experiment], stored(settings)) == settings


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)
def test_a_field_that_is_added_orphans_no_record(name: str, kind: type) -> None:
    grown: Any = make_dataclass(
        "Grown", [("momentum", float, added(0.0, before=0.0))], bases=(kind,), frozen=True
    )
    paths = [path for path in RECORDS if read_record(path).experiment == name]
    assert paths or name in ("table5choice", "beginnings")
    for path in paths:
        settings = restored(grown, read_record(path).settings)
        assert settings.momentum == 0.0
        assert record_path(name, settings, RESULTS) == path
        changed = grown(**{**vars(settings), "momentum": 0.9})
        assert record_path(name, changed, RESULTS) != path
        assert restored(grown, stored(changed)) == changed
