"""The pure parts: boxes, scores, pooling, and the sampler."""

from __future__ import annotations

import numpy as np
import pytest

from rmm_widgets.loading.loaders.boxes import to_corners, without_duplicates
from rmm_widgets.loading.loaders.pooling import pool
from rmm_widgets.loading.loaders.sampling import sample
from rmm_widgets.loading.loaders.scores import best_labels, sigmoid, softmax

MASK = 4


def test_boxes_become_pixels() -> None:
    assert to_corners(np.array([[0.5, 0.5, 1, 0.5]]), 10, 20).tolist() == [[0, 2.5, 20, 7.5]]
    assert to_corners(np.zeros((0, 4)), 10, 20).shape == (0, 4)


def test_of_two_boxes_on_one_thing_the_surer_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [20, 0, 30, 10], [5, 5, 5, 5]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6, 0.5])
    labels = np.array([0, 0, 1, 0, 0])
    assert without_duplicates(boxes, scores, labels, 0.5).tolist() == [1, 2, 3, 4]
    assert without_duplicates(boxes, scores, labels, 1.0).tolist() == [0, 1, 2, 3, 4]
    assert without_duplicates(boxes[:0], scores[:0], labels[:0], 0.5).tolist() == []


def test_scores_survive_large_numbers() -> None:
    huge = np.array([1e4, -1e4, 0], np.float32)
    assert softmax(huge).tolist() == [1, 0, 0]
    assert sigmoid(huge).tolist() == [1, 0, 0.5]


def test_best_labels() -> None:
    answer = best_labels(np.array([0.1, 0.7, 0.1, 0.1]), list("abcd"), top_k=3, threshold=0.0)
    assert [each["label"] for each in answer] == ["b", "a", "c"]
    assert best_labels(np.array([0.1]), ["a"], top_k=3, threshold=0.5) == []


@pytest.mark.parametrize(("way", "want"), [("mean", 2), ("cls", 1), ("max", 3), ("lasttoken", 3)])
def test_padding_is_never_pooled(way: str, want: float) -> None:
    values = np.array([[[1], [3], [9]]], np.float32)
    assert pool(values, np.array([[1, 1, 0]]), way).tolist() == [[want]]


def certain(tokens: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.eye(5, dtype=np.float32)[tokens] * 50


@pytest.mark.parametrize("steps", [1, 2, 3, 50])
def test_the_sampler_fills_only_the_masks_and_ends(steps: int) -> None:
    start = np.array([3, MASK, MASK, 2, MASK], np.int64)
    seen: list[tuple[int, list[int]]] = []
    ids = sample(
        lambda _: certain([0, 1, 2, 3, 0]),
        start,
        mask=MASK,
        steps=steps,
        temperature=1.0,
        draw=np.random.RandomState(0),
        on_step=lambda step, now: seen.append((step, now.tolist())),
    )
    assert ids.tolist() == [3, 1, 2, 2, 0]
    assert start.tolist() == [3, MASK, MASK, 2, MASK]
    assert [step for step, _ in seen] == list(range(min(steps, 3)))
    assert seen[-1][1] == ids.tolist()


def test_the_sampler_never_writes_a_mask() -> None:
    tempting = np.zeros((6, 5), np.float32)
    tempting[:, MASK] = 100
    for seed in range(20):
        ids = sample(
            lambda _: tempting,
            np.full(6, MASK, np.int64),
            mask=MASK,
            steps=3,
            temperature=1.0,
            draw=np.random.RandomState(seed),
        )
        assert MASK not in ids.tolist()


def test_same_seed_same_text_and_cold_is_greedy() -> None:
    logits = np.random.default_rng(5).normal(size=(8, 5))

    def text(seed: int, temperature: float) -> list[int]:
        start = np.full(8, MASK, np.int64)
        draw = np.random.RandomState(seed)
        return sample(lambda _: logits, start, mask=MASK, steps=4, temperature=temperature, draw=draw).tolist()

    assert text(1, 1.0) == text(1, 1.0)
    assert len({tuple(text(seed, 1.0)) for seed in range(10)}) > 1
    greedy = np.where(np.arange(5) == MASK, -np.inf, logits).argmax(axis=1).tolist()
    assert all(text(seed, 0.0) == greedy for seed in range(10))
