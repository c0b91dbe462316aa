"""Both papers' findings: none without records, none from records of other data; their page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from convsim.evidence.neighborhood_findings import neighborhood_findings
from convsim.evidence.printed_claims import OPEN_CLAIMS
from convsim.evidence.reproduction import rules_table, summary_tables
from convsim.evidence.similarity_findings import CLAIMS, similarity_findings
from convsim.evidence.verdicts import AGREE, DIFFER, NOT_RUN, OPEN, SIGNS, USED, Finding
from convsim.experiments.cifar10 import TrainingSettings
from convsim.experiments.overlap import RegularizedSettings
from tests.made_up import COPY, save_network, save_regularized, save_training

RUN = TrainingSettings("baseline", data=COPY)
TABLE_1, TABLES_2_3 = "Table 1, under ⟨K₁, K₂⟩²", "Tables 2 and 3, under L_CS"
LOWERS, WIDE = "Algorithm 1 lowers similarity", "Table 5, width 512: baseline"


def of_similarity(folder: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in similarity_findings(folder)}


def of_neighborhoods(folder: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in neighborhood_findings(folder)}


def test_without_records_nothing_recorded_has_a_verdict(tmp_path: Path) -> None:
    found = of_similarity(tmp_path) | of_neighborhoods(tmp_path)
    of_records = [TABLE_1, TABLES_2_3, "Table 6, valid padding", LOWERS, WIDE]
    of_records += [claim.what for claim in CLAIMS]
    of_records += [
        "Channels overlap significantly",
        "Overlap varies with depth",
        "Overlap varies with regularisation",
        "Overlap tells of generalisation",
    ]
    for what in of_records:
        assert (found[what].verdict, found[what].ours) == (OPEN, NOT_RUN), what
    # What is computed on the spot, or proven, needs no records.
    assert found["Eq. 3, the identity"].verdict == AGREE
    assert found["Eq. 7 can be met"].verdict == found["L_CS is convex"].verdict == DIFFER


def test_trainings_on_other_data_say_nothing_about_the_papers(tmp_path: Path) -> None:
    for data in ("digits", "CIFAR-100"):
        for condition, accuracy in {"baseline": 70.0, "init": 74.5, "scale": 70.1}.items():
            for seed in range(4):
                run = replace(RUN, data=data, condition=condition, seed=seed, epochs=100)
                save_training(tmp_path, run, accuracy + seed / 10)
        save_training(tmp_path, replace(RUN, data=data, width=512), 79.0)
        save_network(tmp_path, replace(RUN, data=data), (0.4, 0.3, 0.2, 0.1))
        for seed in range(12):
            dropout = 0.3 * (seed > 5)
            settings = RegularizedSettings(dropout, 0.0, seed, data)
            save_regularized(tmp_path, settings, 0.1 + seed / 100, test_error=30.0 + seed)
    found = of_similarity(tmp_path) | of_neighborhoods(tmp_path)
    for claim in CLAIMS:
        assert found[claim.what].verdict == OPEN
    assert found[WIDE].ours == NOT_RUN
    for what in (
        "Channels overlap significantly",
        "Overlap varies with depth",
        "Overlap varies with regularisation",
        "Overlap tells of generalisation",
    ):
        assert (found[what].verdict, found[what].ours) == (OPEN, NOT_RUN), what


def test_both_papers_have_a_table_with_a_line_a_finding(tmp_path: Path) -> None:
    similarity, neighborhoods = summary_tables(tmp_path)
    assert similarity.caption == "Convolutional Similarity (Belmekki et al., 2024)"
    assert neighborhoods.caption == "Channel-wise NNK graphs (Bonet et al., 2022)"
    names = ("what", "verdict", "paper", "ours", "chapter")
    assert similarity.columns == tuple(("", name) for name in names)
    finding = similarity_findings(tmp_path)[0]
    assert similarity.rows[0] == (
        *("Eq. 3, the identity", SIGNS[AGREE], "exact", finding.ours, "the identity"),
    )
    assert finding.ours == "exact to 12 digits, 500 random cases"
    assert len(similarity.rows) == len(similarity_findings(tmp_path))
    assert neighborhoods.source == f"{OPEN}: 5." and neighborhoods.prose
    counts = dict.fromkeys(SIGNS, 0)
    for finding in similarity_findings(tmp_path):
        counts[finding.verdict] += 1
    said = ", ".join(f"{verdict}: {count}" for verdict, count in counts.items() if count)
    assert similarity.source == f"{said}."
    assert (counts[AGREE], counts[DIFFER], counts[USED]) == (5, 2, 2)


def test_every_line_says_what_the_paper_has_and_where_the_book_treats_it(tmp_path: Path) -> None:
    orthogonality, similarity = "kernel orthogonality", "Convolutional Similarity"
    linear, training, controls = "linear time", "training", "scale or similarity"
    lines = [(f.what, f.paper, f.chapter) for f in similarity_findings(tmp_path)]
    assert lines == [
        ("Eq. 3, the identity", "exact", "the identity"),
        ("Eq. 7 can be met", "yes", linear),
        ("L_CS is convex", "yes", linear),
        (
            *("Eq. 11, orthogonal kernels do not give orthogonal maps", "they need not"),
            orthogonality,
        ),
        ("Eq. 20, other paddings change little", "for N ≪ M", "the identity"),
        ("L_CS is not the penalty of OCNN", "it goes across channels", similarity),
        ("Table 1, under ⟨K₁, K₂⟩²", "0.25 to 0.67", orthogonality),
        ("Tables 2 and 3, under L_CS", "0.71 to 0.90", similarity),
        ("Table 3: no episode rises", "0 of 6,000", similarity),
        ("Table 6, valid padding", "0.75 to 0.90", similarity),
        ("Table 6: a decrease is guaranteed", "yes; 24 of 6,000 rise", similarity),
        ("Table 4, CNN1 and CNN2", "printed", training),
        ("Tables 7 to 9, settings", "printed", orthogonality),
        (
            "Parameters of CNN1, CNN2 and width 512",
            "118,858; 3.86 and 60.10 times as many",
            training,
        ),
        ("Algorithm 1 takes fewer steps than Algorithm 2", "500 against 9,800", training),
        ("Table 5, CNN1: Algorithm 1", "+4.50 points", training),
        ("Table 5, CNN1: Algorithm 2", "+2.50 points", training),
        ("Table 5, CNN2: Algorithm 1", "+5.46 points", training),
        ("Table 5, CNN2: Algorithm 2", "+3.13 points", training),
        ("Table 5, width 512: baseline", "79.78 %", training),
        ("Figure 1: L_CS stays low in training", "after Algorithm 1", training),
        ("Figures 2 and 3: Algorithm 1 converges faster", "yes", training),
        ("Figures 2 and 3: Algorithm 2 converges faster", "yes", training),
        ("CNN1 with Algorithm 1 exceeds CNN2", "79.16 against 76.87 %", training),
        ("CNN1 with Algorithm 1 is as good as 512 kernels", "79.16 against 79.78 %", training),
        ("A large learning rate forgets the initialisation", "yes", "deeper"),
        ("Momentum raises the minimised L_CS", "yes", "deeper"),
        ("β should shrink with the task's loss", "proposed", "deeper"),
        ("ResNet-18, Figure 4: Algorithm 1", "up to +20 points", "deeper"),
        ("ResNet-18, Figure 5: steps of Algorithm 1", "most of the gain below 60", "deeper"),
        ("A minimised network serves other tasks", "yes", training),
        ("Oscillations near the end under Algorithm 2", "yes", training),
        ("Generative networks", "future work", training),
        ("Algorithm 1 lowers L_CS", "yes", linear),
        ("Algorithm 1 lowers similarity", "yes", linear),
        ("Algorithm 1 helps by that", "yes; then +4.50 points", controls),
        ("Lower similarity helps", "yes; then +4.50 points", controls),
    ]
    lines = [(f.what, f.paper, f.chapter) for f in neighborhood_findings(tmp_path)]
    assert lines == [
        (what, paper, "neighbourhoods")
        for what, paper in {
            "Channels overlap significantly": "yes",
            "Overlap varies with depth": "yes",
            "Overlap varies with regularisation": "yes",
            "Overlap tells of generalisation": "yes",
            "Figures and tables": "printed",
        }.items()
    ]


def test_what_needs_no_records_is_said_in_words(tmp_path: Path) -> None:
    found = of_similarity(tmp_path)
    assert found["Eq. 7 can be met"].ours == "by dead kernels only (proof)"
    assert found["Table 4, CNN1 and CNN2"].ours == "built as printed"
    assert found["Tables 7 to 9, settings"].ours == "on ⟨K₁, K₂⟩²; two captions name the cosine"
    for what in ("Table 4, CNN1 and CNN2", "Tables 7 to 9, settings"):
        assert found[what].verdict == USED
    for what, _, chapter in OPEN_CLAIMS:
        expected = (NOT_RUN, OPEN, chapter)
        assert (found[what].ours, found[what].verdict, found[what].chapter) == expected


def test_the_rules_have_a_line_for_each_claim() -> None:
    table = rules_table()
    names = ("claim", "quantity", "difference", "claimed, points", "margin", "seeds", "epochs")
    assert table.columns == tuple(("", name) for name in names)
    assert table.caption.startswith("Claims about trainings: what is compared, and what a verdict")
    assert table.source.startswith("Claimed gains: Table 5 of Belmekki et al. (2024); in the last")
    assert table.prose
    assert [row[0] for row in table.rows] == [claim.what for claim in CLAIMS]
    assert table.rows[4][1:] == (
        *("best test accuracy over the epochs, CNN1", "init − scale"),
        *("+4.50", "1", "3", "100"),
    )
    assert table.rows[3][1:4] == (
        *("best test accuracy over the epochs, CNN2", "regularise − baseline", "+3.13"),
    )
