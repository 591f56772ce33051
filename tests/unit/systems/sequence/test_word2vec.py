"""Word vectors: pairs, draws and both objectives against slow numpy; Huffman's tree by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import RecipeError
from kvision.systems.sequence import _huffman
from tests.unit.systems.sequence import opened

RECIPE = "sequence/word2vec"


def batch_of(session: Any) -> dict[str, tf.Tensor]:
    return next(iter(session.pipeline.val()))


def softplus(value: Any) -> Any:
    return np.log1p(np.exp(value))


def slow(system: Any, batch: Any, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Loss and pairs of each example, one pair after the other."""
    options, text = system.recipe.model, batch["text"].numpy()
    vectors, outputs = (net.weights[0].numpy().astype(np.float64) for net in system.networks.values())
    kept, reach, drawn = (value.numpy() for value in system._drawn(batch["text"], batch["index"], tf.constant(step, tf.int64)))
    losses, pairs = np.zeros(len(text)), np.zeros(len(text))
    for row in range(len(text)):
        for here in range(text.shape[1]):
            near = [
                there
                for there in range(max(0, here - options.window), min(text.shape[1], here + options.window + 1))
                if there != here and abs(there - here) <= reach[row, here] and kept[row, here] and kept[row, there]
            ]
            if not near:
                continue
            if options.architecture == "cbow":
                around, told = np.mean([vectors[text[row, there]] for there in near], axis=0), [text[row, here]]
            else:
                around, told = vectors[text[row, here]], [text[row, there] for there in near]
            for word in told:
                pairs[row] += 1
                if options.objective == "negative":
                    losses[row] += softplus(-around @ outputs[word]) + sum(softplus(around @ outputs[noise]) for noise in drawn[row, here])
                else:
                    for node, sign in zip(system._paths.nodes[word], system._paths.signs[word], strict=True):
                        losses[row] += softplus(-sign * (around @ outputs[node])) if sign else 0.0
    return losses, pairs


@pytest.mark.parametrize("architecture", ["skip_gram", "cbow"])
@pytest.mark.parametrize("objective", ["negative", "hierarchical"])
def test_the_loss_is_that_of_slow_numpy(architecture: str, objective: str) -> None:
    session = opened.session(RECIPE, f"model.architecture={architecture}", f"model.objective={objective}", "model.subsample=0.02")
    system, batch = session.system, batch_of(session)
    for net in system.networks.values():
        net.weights[0].assign(np.random.default_rng(0).standard_normal(net.weights[0].shape))
    losses, pairs, _ = system._told(batch, tf.constant(5, tf.int64))
    expected, counted = slow(system, batch, 5)
    np.testing.assert_array_equal(pairs, counted)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert counted.sum() > 20


def test_draws_follow_from_step_and_window_alone() -> None:
    session = opened.session(RECIPE)
    batch, system = batch_of(session), session.system
    first, again, later = (system._drawn(batch["text"], batch["index"], tf.constant(step, tf.int64)) for step in (3, 3, 4))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first[2], later[2])
    alone = system._drawn(batch["text"][1:2], batch["index"][1:2], tf.constant(3, tf.int64))
    np.testing.assert_array_equal(alone[2][0], first[2][1])


def test_words_are_drawn_by_their_frequency_to_the_power_and_special_ones_never() -> None:
    session = opened.session(RECIPE, "model.negatives=50")
    system = session.system
    text = tf.fill([64, 16], 10)
    _, _, drawn = system._drawn(text, tf.range(64, dtype=tf.int64), tf.constant(0, tf.int64))
    share = np.bincount(drawn.numpy().ravel(), minlength=system._texts.vocabulary.size) / drawn.numpy().size
    weights = system._counts.astype(np.float64) ** 0.75
    np.testing.assert_allclose(share, weights / weights.sum(), atol=4e-3)
    assert share[:4].sum() == 0


def test_frequent_words_are_left_out_as_the_paper_has_it() -> None:
    system = opened.session(RECIPE, "model.subsample=0.01").system
    share = system._counts / system._counts.sum()
    often = int(np.argmax(share))
    assert system._kept[often] == pytest.approx(np.sqrt(0.01 / share[often]), rel=1e-5)
    assert system._kept[:4].sum() == 0
    assert np.all(opened.session(RECIPE, "model.subsample=0").system._kept[4:] == 1)


def test_the_nearest_words_are_those_of_the_cosine_and_never_the_word_itself() -> None:
    session = opened.session(RECIPE)
    system, text = session.system, batch_of(session)["text"]
    table = system.net.weights[0].numpy()
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    output = system.predict_step(text)
    for row, word in enumerate(output["word"].numpy()):
        assert word == text[row, 8]
        cosine = unit @ unit[word]
        cosine[[0, 1, 2, 3, word]] = -2
        np.testing.assert_array_equal(output["nearest"][row], np.argsort(-cosine, kind="stable")[:8])
        np.testing.assert_allclose(output["similarity"][row], np.sort(cosine)[::-1][:8], atol=1e-5)


def test_metrics_of_both_objectives() -> None:
    sums = {"loss": np.float64(6.0), "pairs": np.float64(3.0), "wins": np.float64(2.0)}
    assert opened.session(RECIPE).system.metrics(sums) == pytest.approx({"loss": 2.0, "beats_noise": 2 / 3})
    assert opened.session(RECIPE, "model.objective=hierarchical").system.metrics(sums) == pytest.approx({"loss": 2.0, "perplexity": np.exp(2.0)})


def test_a_context_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"data\.context: 4 pieces before a window are of no use to word vectors; use 0"):
        opened.session(RECIPE, "data.context=4")


def test_huffman_s_tree_by_hand() -> None:
    found = _huffman.paths(np.array([5, 1, 1, 2]))
    # 1 and 1 are joined first (node 0), with 2 to node 1, with 5 to the root, node 2
    turns = [[(int(node), int(sign)) for node, sign in zip(*each, strict=True) if sign] for each in zip(found.nodes, found.signs, strict=True)]
    assert [len(each) for each in turns] == [1, 3, 3, 2]
    assert all(each[0][0] == 2 for each in turns)
    assert [node for node, _ in turns[1]] == [node for node, _ in turns[2]] == [2, 1, 0]
    assert turns[1][2][1] == -turns[2][2][1]


def test_probabilities_of_all_words_sum_to_one() -> None:
    found = _huffman.paths(np.array([3, 9, 2, 2, 7, 1]))
    scores = np.random.default_rng(0).standard_normal(5)
    log_probability = -(softplus(-found.signs * scores[found.nodes]) * np.abs(found.signs)).sum(1)
    assert np.exp(log_probability).sum() == pytest.approx(1.0)
