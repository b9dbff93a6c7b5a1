"""Mirrors slowfast/cli/complexity.py and cost_tables.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slowfast.cli import cost_tables
from slowfast.cli.complexity import main

ROOT = Path(__file__).parents[2]
SLOW = str(ROOT / "configs" / "Kinetics" / "SLOW_4x16_R50.yaml")


def test_a_recipe_by_stage_and_pathway(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", SLOW, "--crop", "256"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["GFLOPs", "27.262", "(multiply-adds)"] in lines
    assert any(line[:1] == ["s5"] and line[2] == "GFLOPs" for line in lines)
    assert any(line[:1] == ["kept"] for line in lines)


def test_a_wrong_key_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", SLOW, "RESNET.DEPHT", "18"]) == 2
    assert "RESNET.DEPTH" in capsys.readouterr().err


def test_the_tables_need_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--table", "paper"]) == 2
    assert "run this in a checkout" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("table", cost_tables.TABLES)
def test_the_pages_are_current(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "page.md"
    assert main(["--table", table, "--out", str(out)]) == 0
    assert f"written: {out}" in capsys.readouterr().out
    page = cost_tables.TABLES[table][1]
    assert page.read_text() == out.read_text(), f"run slowfast complexity --table {table}"


LATER = pytest.mark.slow


@pytest.mark.parametrize(
    ("recipe", "changes", "clip"),
    [
        pytest.param(
            "Kinetics/SLOW_4x16_R50", "RESNET.WIDTH_PER_GROUP 8", "3x4x224x224", marks=LATER
        ),
        ("Kinetics/SLOWFAST_4x16_R50", "RESNET.WIDTH_PER_GROUP 8", "3x4x224x224 and 3x32x224x224"),
        ("AVA/SLOW_8x8_R50_SHORT", "RESNET.WIDTH_PER_GROUP 8", "3x4x224x224"),
        pytest.param("Kinetics/X3D_XS", "X3D.DEPTH_FACTOR 1.0", "3x4x160x160", marks=LATER),
        pytest.param("Kinetics/MVITv2_S_16x4", "MVIT.EMBED_DIM 8", "3x16x224x224", marks=LATER),
        pytest.param("ImageNet/MVITv2_T", "MVIT.EMBED_DIM 8", "3x1x224x224", marks=LATER),
        ("ImageNet/REV_VIT_S", "MVIT.DEPTH 2", "3x1x224x224"),
        pytest.param("Kinetics/REV_MVIT_B_16x4_CONV", "", "3x16x224x224", marks=LATER),
        pytest.param("ImageNet/RES_R50", "RESNET.WIDTH_PER_GROUP 8", "3x1x224x224", marks=LATER),
        pytest.param("Kinetics/pytorchvideo/CSN_32x2_R101", "", "3x32x224x224", marks=LATER),
        pytest.param("masked_ssl/k400_VIT_B_16x4_FT", "MVIT.DEPTH 2", "3x16x224x224", marks=LATER),
    ],
)
def test_every_kind_of_recipe_is_counted_and_says_of_which_clip(
    recipe: str, changes: str, clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml = ROOT / "configs" / f"{recipe}.yaml"
    assert main(["--cfg", str(yaml), *changes.split()]) == 0
    out = capsys.readouterr().out
    first, *others = out.splitlines()
    assert first.startswith(f"clip         {clip} (channels x frames x height x width)")
    assert first.endswith(", and one box") == recipe.startswith("AVA")
    assert others[-1].startswith("kept")
    total = next(float(line.split()[1]) for line in others if line.startswith("parameters"))
    stages, pathways = (part.splitlines() for part in out.split("\n\n")[1:3])
    for rows in (stages, pathways):
        assert sum(float(row.split()[-3]) for row in rows) == pytest.approx(total, abs=0.01)
    assert len(stages) > len(pathways)


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cfg", SLOW, "--crop", "256", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clip"] == [[3, 4, 256, 256]]
    assert found["boxes"] == 0
    assert found["gflops"] == pytest.approx(27.262, abs=1e-3)
    assert sum(found["by_module"].values()) == pytest.approx(found["gflops"])
    assert found["weights_mib"] == pytest.approx(4 * found["params"] / 2**20)
    assert found["kept_mib"] > 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--table paper --crop 3", "--table takes all from its recipes"),
        ("--table paper --json", "--table takes all from its recipes"),
        ("--table zoo MODEL.NUM_CLASSES 3", "--table takes all from its recipes"),
        (f"--cfg {SLOW} --out page.md", "--out is where the page of --table goes"),
    ],
)
def test_arguments_that_would_be_ignored_are_errors(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    assert said in capsys.readouterr().err
