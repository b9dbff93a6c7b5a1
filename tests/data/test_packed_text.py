"""Mirrors slowfast/data/packed_text.py."""

from __future__ import annotations

import pickle
from array import array

import pytest
import torch

from slowfast.data.packed_text import PackedText, digest_of, packed_numbers


def test_texts_come_back_as_they_were() -> None:
    texts = ["", "a b.mp4", "日本語", "broken \udcff byte"]
    packed = pickle.loads(pickle.dumps(PackedText.of(iter(texts))))
    assert [packed[i] for i in range(len(packed))] == texts
    assert len(PackedText.of([])) == 0
    for row in (-1, 4):
        with pytest.raises(IndexError, match=f"text {row} of 4"):
            packed[row]


def test_numbers_and_digests() -> None:
    assert packed_numbers(array("d", [0.1])).tolist() == [0.1]
    assert packed_numbers(array("q")).dtype == torch.int64
    one, two = torch.tensor([1, 2]), torch.tensor([1, 3])
    assert digest_of(one) == digest_of(one.clone()) != digest_of(two)
