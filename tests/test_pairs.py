"""The two-kernel experiments: against a plain loop over episodes, and resumable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from convsim.experiments import episodes, pairs, paper, runner
from convsim.experiments.record import RESULTS, read_record, record_path


def loop_over_episodes(settings: pairs.PairSettings) -> dict[str, list[float]]:
    """One episode at a time, with NumPy's correlate and torch's optimisers on plain formulas."""
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.episodes, 2, settings.taps)
    starts = 2 * torch.rand(shape, dtype=torch.float64, generator=generator) - 1
    signals = torch.rand(
        settings.episodes, 1, settings.signal_length, dtype=torch.float64, generator=generator
    )
    out: dict[str, list[float]] = {"first": [], "last": [], "correlation": [], "cosine": []}
    for start, signal in zip(starts, signals, strict=True):
        k1, k2 = (start[i].clone().requires_grad_() for i in (0, 1))
        optimizer = getattr(torch.optim, settings.optimizer)([k1, k2], lr=settings.learning_rate)
        losses, similarities = [], []
        for step in range(settings.iterations + 1):
            if settings.loss == "kernel similarity":
                loss = (k1 @ k2) ** 2
            else:
                loss = torch.nn.functional.conv1d(
                    k1[None, None], k2[None, None], padding=settings.taps - 1
                )
                loss = (loss**2).sum()
            f1, f2 = (
                np.correlate(signal[0].numpy(), k.detach().numpy(), mode=settings.padding)
                for k in (k1, k2)
            )
            losses.append(loss.item())
            similarities.append((f1 @ f2) ** 2)
            if step < settings.iterations:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        out["first"].append(similarities[0])
        out["last"].append(similarities[-1])
        out["correlation"].append(np.corrcoef(losses, similarities)[0, 1])
        out["cosine"].append(abs(f1 @ f2) / np.linalg.norm(f1) / np.linalg.norm(f2))
    return out


@pytest.mark.parametrize(
    ("loss", "optimizer", "padding"),
    [
        ("kernel similarity", "Adam", "full"),
        ("convolutional similarity", "SGD", "full"),
        ("convolutional similarity", "Adam", "valid"),
    ],
)
def test_batched_episodes_equal_a_loop(loss, optimizer, padding) -> None:
    settings = pairs.PairSettings(loss, 4, optimizer, 0.05, 20, padding, episodes=6)
    metrics = pairs.measure(settings)
    expected = loop_over_episodes(settings)
    assert metrics["correlation"]["mean"] == pytest.approx(np.mean(expected["correlation"]))
    assert metrics["correlation"]["std"] == pytest.approx(np.std(expected["correlation"], ddof=1))
    assert metrics["cosine_after"]["mean"] == pytest.approx(np.mean(expected["cosine"]))
    first, last = np.array(expected["first"]), np.array(expected["last"])
    change = 100 * (last - first) / first
    assert metrics["reduced_percent"] == pytest.approx(100 * np.mean(change < 0))
    assert metrics["decrease_percent"]["mean"] == pytest.approx(-change[change < 0].mean())
    assert metrics["diverged"] == 0


def test_a_diverged_episode_is_counted_and_enters_no_mean() -> None:
    settings = pairs.PairSettings("convolutional similarity", 5, "SGD", 0.3, 60, episodes=200)
    metrics = pairs.measure(settings)
    assert 0 < metrics["diverged"] < 200
    assert metrics["correlation"]["n"] == 200 - metrics["diverged"]
    assert metrics["reduced_percent"] <= 100 * (1 - metrics["diverged"] / 200)
    assert all(np.isfinite(metrics["curve"]["similarity"]))


def test_nothing_to_summarise_is_none() -> None:
    assert episodes.summarise(torch.empty(0)) is None


def test_an_interrupted_table_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        pairs.PairSettings("kernel similarity", taps, "Adam", 0.1, 3, episodes=4)
        for taps in (2, 3, 4)
    ]

    def run() -> None:
        machine = runner.Machine(folder=tmp_path, progress=False)
        runner.run(pairs.PAIRS.tasks(rows), machine, progress=False)

    measure = pairs.measure
    calls: list[int] = []

    def interrupted(settings, bar=None):
        if settings.taps == 3 and 0 not in calls:
            calls.append(0)
            raise KeyboardInterrupt
        calls.append(settings.taps)
        return measure(settings, bar)

    monkeypatch.setattr(pairs, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(list(tmp_path.glob("*.json"))) == 1
    run()
    run()
    assert calls == [2, 0, 3, 4]
    record = read_record(record_path("pairs", rows[0], tmp_path))
    assert record.settings["taps"] == 2
    assert record.metrics["correlation"]["n"] == 4


@pytest.mark.parametrize("table", paper.PAIRS)
def test_the_recorded_tables_agree_with_the_paper(table: str) -> None:
    for row, printed in zip(pairs.TABLES[table], paper.PAIRS[table], strict=True):
        record = read_record(record_path("pairs", row, RESULTS))
        assert record.metrics["correlation"]["mean"] == pytest.approx(
            printed.correlation[0], abs=0.08
        )
        assert record.metrics["reduced_percent"] == pytest.approx(printed.reduced_percent, abs=5)
        assert record.settings["episodes"] == 1000


def test_the_recorded_tables_say_what_the_chapters_say() -> None:
    """Two chapters put these numbers into words; a new record must not make them false."""
    metrics = {
        table: [
            read_record(record_path("pairs", row, RESULTS)).metrics for row in pairs.TABLES[table]
        ]
        for table in ("table1", "table2")
    }
    grew = [100 - row["reduced_percent"] for row in metrics["table1"]]
    assert (round(min(grew)), round(max(grew))) == (8, 39)

    def kept(table: str) -> list[float]:
        return [
            row["cosine_after"]["mean"] / row["cosine_before"]["mean"] for row in metrics[table]
        ]

    assert all(0.65 < share < 0.85 for share in kept("table1")[:2])  # "by a quarter"
    assert all(0.85 < share < 0.95 for share in kept("table1")[2:])  # "by about a tenth"
    assert all(1 / 14 < share < 0.36 for share in kept("table2")[2:])  # "a third to a twelfth"
    assert all(row["cosine_fell_percent"] > 80 for row in metrics["table2"][2:])
    for row in metrics["table2"][:2]:  # N = 3: one kernel dies, and the cosine stays large
        assert row["smaller_norm_after"]["q50"] < 1e-6 * row["larger_norm_after"]["q50"]
        assert row["cosine_after"]["mean"] > 0.3
    assert sum(row["diverged"] for row in metrics["table2"]) == 2
