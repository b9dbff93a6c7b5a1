"""What a user reads when a config file or a command line is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from slowfast.config import ConfigError, load_cfg
from slowfast.config.defaults import KEYS
from slowfast.config.values import coerce

Write = Callable[..., str]
PUBLIC_STYLE = """\
TRAIN:
  ENABLE: True
  DATASET: imagenet
MODEL:
  NUM_CLASSES: 1000
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def _write(text: str, name: str = "a.yaml") -> str:
        Path(name).write_text(text)
        return name

    return _write


def error_of(path: str, overrides: list[str] | None = None) -> str:
    """The message, which must be one line."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        load_cfg(path, overrides or [])
    assert isinstance(caught.value, ConfigError)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "line", "near"),
    [
        ("TRAIN:\n  BATCHSIZE: 8\n", "a.yaml:2: unknown key TRAIN.BATCHSIZE", "TRAIN.BATCH_SIZE"),
        ("DATA:\n  BATCH_SIZE: 8\n", "a.yaml:2: unknown key DATA.BATCH_SIZE", "TRAIN.BATCH_SIZE"),
        ("train:\n  batch_size: 8\n", "unknown key train.batch_size", "mean TRAIN.BATCH_SIZE"),
        ("SLOWFST:\n  ALPHA: 8\n", "a.yaml:2: unknown key SLOWFST.ALPHA", "mean SLOWFAST.ALPHA"),
        ("NUM_GPU: 8\n", "a.yaml:1: unknown key NUM_GPU", "Did you mean NUM_GPUS"),
        ("MVIT:\n  REV:\n    ENABEL: 1\n", "a.yaml:3: unknown key", "mean MVIT.REV.ENABLE"),
        ("WXYZ: 8\n", "a.yaml:1: unknown key WXYZ.", "Sections are AUG, AVA"),
        ("TRAIN: 5\n", "a.yaml:1: TRAIN is a section, expected keys in it, found 5", ""),
        ("NUM_GPUS:\n  A: 5\n", "a.yaml:2: NUM_GPUS takes a value, not a section with keys", ""),
    ],
)
def test_unknown_keys(write: Write, text: str, line: str, near: str) -> None:
    message = error_of(write(text))
    assert line in message
    assert near in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "TRAIN:\n  BATCH_SIZE: many\n",
            "a.yaml:2: TRAIN.BATCH_SIZE: expected a whole number, found 'many' (text). "
            "It sets: Clips in a step",
        ),
        ("NUM_GPUS: 1.5\n", "a.yaml:1: NUM_GPUS: expected a whole number, found 1.5 (a number)"),
        ("NUM_GPUS: True\n", "expected a whole number, found True (True or False)"),
        ("NUM_GPUS:\n", "a.yaml:1: NUM_GPUS: expected a whole number, found nothing"),
        ("SOLVER:\n  BASE_LR: fast\n", "SOLVER.BASE_LR: expected a number, found 'fast' (text)"),
        ("SOLVER:\n  BASE_LR: .nan\n", "SOLVER.BASE_LR: expected a number, found nan (a number)"),
        ("SOLVER:\n  BASE_LR: True\n", "SOLVER.BASE_LR: expected a number, found True"),
        ("TRAIN:\n  ENABLE: 1\n", "TRAIN.ENABLE: expected True or False, found 1 (a whole number)"),
        ("DATA:\n  MEAN: 0.45\n", "DATA.MEAN: expected a list, found 0.45 (a number)"),
        ("TASK: no\n", "expected text, found False (True or False). Put quotes around it."),
        ("TASK: [a]\n", "TASK: expected text, found ['a'] (a list)"),
        ("MVIT:\n  POOL_KVQ_KERNEL: 3\n", "MVIT.POOL_KVQ_KERNEL: expected a list, found 3"),
        ("SOLVER:\n  CLIP_GRAD_VAL: [1]\n", "SOLVER.CLIP_GRAD_VAL: expected a number, found [1]"),
        ("DATA:\n  TARGET_FPS: x\n", "TARGET_FPS: expected a whole number or a number, found 'x'"),
    ],
)
def test_wrong_types(write: Write, text: str, message: str) -> None:
    assert message in error_of(write(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "SLOWFAST:\n  FUSION_KERNEL_SZ: 4\n",
            "a.yaml:2: SLOWFAST.FUSION_KERNEL_SZ is 4, but must be odd, so that the fused frames "
            "stay aligned. It sets: Temporal kernel of the lateral convolution, in Fast frames. "
            "Default: 5.",
        ),
        ("TRAIN:\n  BATCH_SIZE: 0\n", "TRAIN.BATCH_SIZE is 0, but must be at least 1"),
        ("DATA:\n  STD: [0, 1, 1]\n", "DATA.STD is [0, 1, 1], but must be a list of numbers above"),
        ("DATA:\n  TRAIN_JITTER_SCALES: [320, 256]\n", "must be two numbers, the lower first"),
        (
            "DATA:\n  TRAIN_JITTER_SCALES_RELATIVE: [0.0, 1.0]\n",
            "empty or two numbers above 0, at most 1, the lower first",
        ),
        (
            "DATA:\n  TRAIN_JITTER_ASPECT_RELATIVE: [0.0, 1.0]\n",
            "empty or two numbers above 0, the lower first",
        ),
        ("RESNET:\n  SPATIAL_STRIDES: [[1], [2]]\n", "must be four lists (s2 to s5) of one entry"),
        ("MVIT:\n  DIM_MUL: [1, 2]\n", "MVIT.DIM_MUL is [1, 2], but must be a list of [block, mu"),
        ("MVIT:\n  DIM_MUL: [[1, a]]\n", "must be a list of [block, multiplier]"),
        ("NONLOCAL:\n  LOCATION: [[1], [], [], []]\n", "one entry a pathway, each a list of block"),
        ("NONLOCAL:\n  POOL: [[[1]], [[1]], [[1]], [[1]]]\n", "each three whole numbers"),
        ("RESNET:\n  STAGE_DEPTHS: [1, 1]\n", "must be empty or four whole numbers from 1"),
        ("DATA:\n  ON_BAD_SAMPLE: ignore\n", "must be one of 'raise', 'skip', 'substitute'"),
    ],
)
def test_values_out_of_range(write: Write, text: str, message: str) -> None:
    assert message in error_of(write(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # One public file, ImageNet/MVITv2_B, is not valid YAML; ours is.
        (
            PUBLIC_STYLE + "   ARCH: mvit\n",
            "a.yaml:6: not valid YAML: mapping values are not allowed here, found 'ARCH: mvit'. "
            "Check the indentation",
        ),
        ("DATA:\n  MEAN: [1, 2\n", "a.yaml:3: not valid YAML: expected ',' or ']'"),
        ("DATA:\n\tMEAN: 1\n", r"a.yaml:2: not valid YAML: found character '\t'"),
        ("A: b: c\n", "a.yaml:1: not valid YAML: mapping values are not allowed here"),
        ("TASK: a\x01b\n", "a.yaml:1: not valid YAML"),
        ("TASK: *x\n", "a.yaml:1: not valid YAML: found undefined alias"),
        ("- 1\n- 2\n", "a.yaml:1: expected sections and keys, found a single value or list"),
        ("[1, 2]: 3\n", "a.yaml:1: a key must be a name"),
        ("NUM_GPUS: 1\nTASK: 2024-99-99\n", "a.yaml:2: the value can't be read: month must be"),
        ("DATA: &a\n  MEAN: *a\n", "a value holds itself"),
    ],
)
def test_bad_yaml_gives_the_line(write: Write, text: str, message: str) -> None:
    assert message in error_of(write(text))


def test_a_file_that_is_not_text(write: Write) -> None:
    Path("a.yaml").write_bytes(b"\xff\xfe\x00")
    assert "a.yaml is not UTF-8 text" in error_of("a.yaml")
    Path("folder").mkdir()
    assert "folder is not a file; expected a YAML config" in error_of("folder")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "NUM_GPUS: 1\nRNG_SEED: 0\nNUM_GPUS: 2\n",
            "a.yaml:3: duplicate key NUM_GPUS: it is already set, to another value, in line 1.",
        ),
        ("DATA:\n  MEAN: [1]\n  MEAN: [2]\n", "a.yaml:3: duplicate key DATA.MEAN"),
        (
            "DATA:\n  NUM_FRAMES: 8\nTEST:\n  ENABLE: True\nDATA:\n  NUM_FRAMES: 16\n",
            "a.yaml:5: duplicate key DATA: it is already set, to another value, in line 1.",
        ),
    ],
)
def test_duplicate_keys_name_both_lines(write: Write, text: str, message: str) -> None:
    assert message in error_of(write(text))


def test_a_missing_file_names_the_nearest(write: Write) -> None:
    write("", "SLOWFAST_8x8_R50.yaml")
    with pytest.raises(FileNotFoundError) as caught:
        load_cfg("SLOWFAST_8x8_R5O.yml")
    assert str(caught.value) == (
        "there is no config file SLOWFAST_8x8_R5O.yml; near it in .: SLOWFAST_8x8_R50.yaml"
    )
    with pytest.raises(FileNotFoundError, match="there is no folder nowhere"):
        load_cfg("nowhere/a.yaml")
    with pytest.raises(FileNotFoundError, match=r"no name in \. is like it"):
        load_cfg("zzz")
    with pytest.raises(FileNotFoundError, match=re.escape("a.yaml:2: there is no config file b.y")):
        load_cfg(write("RNG_SEED: 1\n_BASE_: b.yaml\n"))


def test_bases_in_a_circle(write: Write) -> None:
    write("_BASE_: ./b.yaml\n", "a.yaml")
    write("NUM_GPUS: 1\n_BASE_: a.yaml\n", "b.yaml")
    assert error_of("a.yaml") == (
        "b.yaml:2: _BASE_ files name each other in a circle: a.yaml -> b.yaml -> a.yaml"
    )
    write("_BASE_: 5\n", "c.yaml")
    assert "c.yaml:1: _BASE_ must be a file name or a list of them, found 5" in error_of("c.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["TRAIN.BATCH_SIZE"],
            "command line: overrides are pairs of KEY VALUE, but there are 1 words and "
            "'TRAIN.BATCH_SIZE' has no partner",
        ),
        (["NUM_GPUS=2"], "write KEY VALUE, not KEY=VALUE"),
        (["TRAIN.BATCHSIZE", "2"], "command line: unknown key TRAIN.BATCHSIZE. Did you mean TRAIN"),
        (["--NUM_GPUS", "2"], "command line: unknown key --NUM_GPUS. Did you mean NUM_GPUS"),
        (["NUM_GPUS", "two"], "command line: NUM_GPUS: expected a whole number, found 'two'"),
        (["TRAIN", "2"], "command line: TRAIN is a section"),
        (["DATA.MEAN", "{1"], "command line: DATA.MEAN: expected a list, found '{1' (text)"),
        (["MODEL.ARCH", "slo"], "command line: MODEL.ARCH is 'slo', but must be one of"),
        (["_BASE_", "a.yaml"], "command line: unknown key _BASE_"),
    ],
)
def test_command_lines(write: Write, words: list[str], message: str) -> None:
    assert message in error_of(write(""), words)


@pytest.mark.parametrize(
    ("key", "kind", "advice"),
    [
        ("MODEL.MODEL_NAME", "text", "Write one of 'SlowFast', 'ResNet'"),
        ("MODEL.LOSS_FUNC", "text", "Write one of 'cross_entropy'"),
        ("TRAIN.DATASET", "text", "Write one of 'kinetics'"),
        ("TEST.DATASET", "text", "Write one of 'kinetics'"),
        ("OUTPUT_DIR", "text", "Write a folder ('.' is the current one)."),
        ("DATA.PATH_LABEL_SEPARATOR", "text", "Write at least one character."),
        ("DATA.STD", "a list", "Write a list of numbers above 0."),
        ("DATA.TRAIN_JITTER_SCALES", "a list", "Write two numbers, the lower first."),
        ("DATA.INPUT_CHANNEL_NUM", "a list", "Write a list of whole numbers from 1."),
        ("SOLVER.BETAS", "a list", "Write two numbers from 0 to below 1."),
        ("TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN", "a list", "Write [] for an empty list."),
        ("RESNET.SPATIAL_STRIDES", "a list", "Write four lists (s2 to s5)"),
        ("NONLOCAL.LOCATION", "a list", "Write four lists (s2 to s5)"),
    ],
)
def test_nothing_where_something_is_needed(write: Write, key: str, kind: str, advice: str) -> None:
    for message in (error_of(write(f"{key}:\n")), error_of(write(f"{key}: None\n"))):
        assert message.startswith(f"a.yaml:1: {key}: expected {kind}, found nothing. {advice}")
    message = error_of(write(""), [key, "None"])
    assert message.startswith(f"command line: {key}: expected {kind}, found nothing. {advice}")


@pytest.mark.parametrize("path", KEYS)
def test_no_value_breaks_a_check(path: str) -> None:
    """Whatever stands in a file is taken or refused with the key's name, never a traceback."""
    key, refused = KEYS[path], []
    for value in (None, True, -1, 0, 2.5, "x", "[", [], [1], ["a"], [[]], [[1]], [[[1]], 2], (1,)):
        text = value if isinstance(value, str) else None
        try:
            taken = coerce(key, value, text=text, path=path, origin="a.yaml:1")
            key.validate(taken, path=path, origin="a.yaml:1")
        except ConfigError as error:
            refused.append(str(error))
    assert refused, "no key takes all of these"
    assert all(message.startswith(f"a.yaml:1: {path}") for message in refused)
