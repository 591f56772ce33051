"""What captioners share: losses of whole batches, decoding, figures, weights of other runs, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.data.preprocess import Preprocess
from kvision.data.scenes.content import Content, Thing
from kvision.data.source import DataInfo
from kvision.engine import randomness, state
from kvision.losses import captions
from kvision.ops import draws
from kvision.systems.captioning import _judge, _picture, _training, _wording
from kvision.systems.captioning._part import Captioner
from kvision.systems.captioning.show_tell import ShowTell
from tests.unit.systems.captioning import examples

if TYPE_CHECKING:
    from kvision.data.text.texts import Texts


class Kept:
    """Stands in for an `Update`: keeps the losses."""

    losses: tf.Tensor

    def minimize(self, loss: Any, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        self.losses = loss(batch)
        return tf.reduce_mean(self.losses)


def texts() -> Texts:
    found = examples.info().texts
    assert found is not None
    return found


def test_the_loss_is_the_mean_over_all_tokens_whatever_their_number_in_each_example() -> None:
    system, batch = examples.captioner(), examples.batch()
    value = system.train_step(batch, {"net": Kept()})["loss"]
    states = _training.repeated(system.encode(batch["image"], training=True), examples.REFERENCES)
    tokens = tf.reshape(batch["tokens"], [8, -1])
    losses = captions.cross_entropy(system.decoder.sequence(states, tokens[:, :-1]).logits, tf.transpose(tokens[:, 1:])).numpy()
    assert float(value) == pytest.approx(losses[tokens[:, 1:].numpy().T != 0].mean(), rel=1e-5)


def test_evaluation_by_steps_is_the_loss_and_its_perplexity() -> None:
    system, batch = examples.captioner(), examples.batch()
    sums, answers = system.eval_step({**batch, "weight": tf.constant([1.0, 1.0, 1.0, 0.0])})
    fewer = {name: value[:3] for name, value in batch.items()}
    expected, _ = system.eval_step(fewer)
    found = system.metrics({name: value.numpy() for name, value in sums.items()})
    assert found["loss"] == pytest.approx(float(expected["nll"]) / float(expected["tokens"]), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert answers["tokens"].shape == (4, examples.LENGTH + 1)
    assert set(answers) == {"tokens", "captions"}


def test_sentences_of_unknown_length_cost_the_same() -> None:
    batch = examples.batch()
    for name in ("show_attend_tell", "transformer_captioner"):
        system = examples.captioner(name)

        @tf.function(input_signature=[tf.TensorSpec([4, 16, 16, 3]), tf.TensorSpec([4, examples.REFERENCES, None], tf.int32)])
        def graph(image: tf.Tensor, tokens: tf.Tensor, system: Captioner = system) -> tf.Tensor:
            return _training.losses(system, {"image": image, "tokens": tokens}, _training.scale(system, tokens))

        expected = _training.losses(system, batch, _training.scale(system, batch["tokens"]))
        np.testing.assert_allclose(graph(batch["image"], batch["tokens"]), expected, rtol=1e-4)


def test_the_doubly_stochastic_penalty_is_the_mean_of_the_references_there_are() -> None:
    batch = examples.batch()
    one = tf.concat([batch["tokens"][:, :1], tf.zeros_like(batch["tokens"][:, 1:])], axis=1)
    system, plain = examples.captioner(loss={"doubly_stochastic": 2.0}), examples.captioner()
    scale = tf.constant(1.0)
    extra = _training.losses(system, {**batch, "tokens": one}, scale) - _training.losses(plain, {**batch, "tokens": one}, scale)
    said = plain.decoder.sequence(plain.encode(batch["image"], training=True), one[:, 0, :-1])
    counted = tf.cast(tf.transpose(one[:, 0, 1:]) != 0, tf.float32)
    np.testing.assert_allclose(extra, 2.0 * captions.doubly_stochastic(said.alpha, counted), rtol=1e-4)


def test_scheduled_sampling_gives_the_network_its_own_tokens_but_none_behind_the_end() -> None:
    batch = examples.batch()
    system = examples.captioner("show_tell", loss={"scheduled_sampling": 1.0})
    tokens = tf.reshape(batch["tokens"], [8, -1])
    states = _training.repeated(system.encode(batch["image"]), examples.REFERENCES)
    given = [_training._walk(system, states, tokens, own)["token"].numpy() for own in (0.0, 0.5, 1.0)]
    np.testing.assert_array_equal(given[0], tokens[:, :-1])
    inside = tokens[:, 1:-1].numpy() != 0
    changed = [np.mean((each != tokens[:, :-1])[:, 1:][inside]) for each in given]
    assert 0 == changed[0] < changed[1] < changed[2]
    for each in given:
        np.testing.assert_array_equal(each[:, 1:][~inside], 0)
    assert np.isfinite(_training.losses(system, batch, tf.constant(1.0))).all()


@pytest.mark.parametrize(
    ("name", "loss", "model"),
    [
        ("show_attend_tell", {}, {"attention": "hard", "entropy": 0.1}),
        ("show_tell", {"scheduled_sampling": 0.5}, {}),
        ("rnn_captioner", {}, {}),
        ("transformer_captioner", {"scheduled_sampling": 0.5}, {}),
    ],
)
def test_what_is_drawn_for_an_example_depends_on_its_place_alone(name: str, loss: dict[str, Any], model: dict[str, Any]) -> None:
    """The second half of a batch, as a replica of its own that has shorter sentences."""
    system, batch = examples.captioner(name, loss=loss, dropout=0.5, **model), examples.batch()
    system.networks["encode"].trainable = False  # batch norms would see which examples are computed together
    tokens = batch["tokens"].numpy()
    tokens[2:, :, 4:] = 0
    batch["tokens"] = tf.constant(tokens)
    half = {name: value[2:] for name, value in batch.items()} | {"tokens": batch["tokens"][2:, :, :5]}

    def losses(part: dict[str, tf.Tensor], first: int, step: int = 3) -> np.ndarray:
        randomness.reseed(randomness.seed_generators([system.networks["step"]]), 0, step)
        with draws.at(first, len(part["index"])):
            return _training.losses(system, part, tf.constant(1.0)).numpy()

    whole = losses(batch, 0)
    np.testing.assert_allclose(losses(half, 2), whole[2:], rtol=1e-5)
    assert np.abs(losses(batch, 0, step=4) / whole - 1).min() > 1e-4


def test_the_tokens_that_it_draws_are_as_probable_as_it_says() -> None:
    logits, chance = tf.constant([[1.0, -20.0, 0.0, 2.0]]), np.linspace(0.0, 1.0, 10_000, endpoint=False, dtype=np.float32)
    drawn = _training._drawn(tf.repeat(logits, len(chance), axis=0), tf.constant(chance)).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / len(chance), tf.nn.softmax(logits)[0], atol=2e-4)


def test_self_critical_training_makes_a_sentence_likelier_that_scores_more_than_the_greedy_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given = examples.info(training=examples.SENTENCES)
    system, batch = examples.captioner(loss={"name": "self_critical", "samples": 3}, given=given), examples.batch()
    update = Kept()
    with tf.GradientTape() as tape:
        value = system.train_step(batch, {"net": update})["loss"]
    assert any(np.any(tf.convert_to_tensor(each)) for each in tape.gradient(value, [each.value for each in system.trainables()["net"]]))
    assert float(value) <= 0  # minus the mean CIDEr-D of the draws

    said: list[np.ndarray] = []

    def rewards(index: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        said.append(tokens)
        return np.array([[1.0, 1.0, 4.0, 1.0]] * len(index), np.float32)

    monkeypatch.setattr(system.critic, "_rewards", rewards)
    variables = [each.value for each in system.trainables()["net"]]
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(system.critic.losses(batch))
    assert float(value) == pytest.approx(-2.0)
    (tokens,) = said
    states = system.encode(batch["image"])
    ours = tape.gradient(value, variables)
    with tf.GradientTape() as tape:
        states = system.encode(batch["image"])
        best = tf.constant(tokens[:, 2])
        logits = system.decoder.sequence(states, tf.concat([tf.ones([4, 1], tf.int32), best[:, :-1]], 1)).logits
        costs = captions.cross_entropy(logits, tf.transpose(best)) * tf.cast(tf.transpose(best) != 0, tf.float32)
        # The advantage is 3 for the second of three draws, else 0.
        expected = tf.reduce_mean(3.0 * tf.reduce_sum(costs, axis=0)) / 3.0
    for mine, theirs in zip(ours, tape.gradient(expected, variables), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(mine), tf.convert_to_tensor(theirs), atol=2e-5)


def test_rewards_are_cider_of_words_and_their_end() -> None:
    from kvision.metrics.captions.cider import Cider

    system = examples.captioner(loss={"name": "self_critical"}, given=examples.info(training=examples.SENTENCES))
    vocabulary = texts().vocabulary
    rows = np.zeros([1, 2, 6], np.int32)
    rows[0, 0, :4] = [*vocabulary.encode("a red circle"), 2]
    rows[0, 1, :3] = vocabulary.encode("a red circle")
    cider = Cider([[(*vocabulary.encode(text), 2) for text in each] for each in examples.SENTENCES])
    expected = [[cider.score([*vocabulary.encode("a red circle"), 2], 0), cider.score(vocabulary.encode("a red circle"), 0)]]
    found = system.critic._rewards(np.array([0]), rows)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[0, 0] > found[0, 1]


def test_prediction_and_answer_are_words_up_to_the_end() -> None:
    system = examples.captioner()
    output = {name: value[0] for name, value in system.predict_step(examples.batch()["image"]).items()}
    assert output["alpha"].shape == (examples.LENGTH + 1, 16)
    caption = texts().vocabulary.decode(output["tokens"].numpy().tolist())
    preprocess = Preprocess(16, "resize", (0.5,) * 3, (0.5,) * 3)
    assert system.answer(output, preprocess, tf.constant(9), tf.constant(9))["caption"].numpy().decode() == caption
    found = system.prediction(np.zeros([9, 12, 3], np.uint8), {name: value.numpy() for name, value in output.items()})
    assert found.facts == {"caption": caption, "log_probability": pytest.approx(float(output["log_probability"]), abs=1e-4)}
    assert found.arrays["attention"].shape == (examples.LENGTH + 1, 4, 4)
    assert len(found.films["attention"].frames) == len(_judge.words(output["tokens"].numpy(), texts()))
    assert system.decoding()["end"] == 2 == system.decoding()["start"] + 1
    assert system.decoding()["forbidden"] == (3,)


def test_bytes_of_pairs_are_joined_before_they_are_characters() -> None:
    from kvision.data.text.byte_pairs import BytePairs

    vocabulary = BytePairs(["Ã", "©", "Ġa"], merges=[])
    assert _wording.sentence(tf.constant([1, 6, 4, 5, 2, 4]), vocabulary).numpy().decode() == " aé" == vocabulary.decode([1, 6, 4, 5, 2, 4])


def test_figures_of_scenes_tell_what_is_true_and_where_it_looked() -> None:
    things = (Thing(1, "circle", "red", (0, 0, 8, 8)), Thing(2, "star", "blue", (8, 8, 16, 16)))
    content = Content(things, 16, 8.0)
    vocabulary = texts().vocabulary
    tokens = np.zeros([2, 6], np.int32)
    tokens[0, :4] = [*vocabulary.encode("a red circle"), 2]
    tokens[1, :4] = [*vocabulary.encode("a blue circle"), 2]
    looked = np.zeros([2, 6, 4, 4], np.float32)
    looked[:, :, 0, 0] = 1.0
    looked[0, 2] = 1.0 / 16  # of "circle": at all places, so that the middle is (8, 8), which is the star's
    answers = {
        "tokens": tokens,
        "captions": np.array([[b"a red circle", b""], [b"a blue star", b"a star"]], object),
        "content": np.array([content.to_json().encode()] * 2, object),
        "alpha": looked.reshape(2, 6, 16),
    }
    metrics, found = _judge.judge(answers, texts(), (4, 4), 16)
    assert (metrics["truth"], metrics["facts_each"]) == (0.5, 2.0)
    np.testing.assert_allclose(found["truth"], [1.0, 0.5])
    assert next(iter(found)) == "worst"
    assert found["worst"][0] > found["worst"][1]
    # "red" (hit) and "circle" (missed) name the circle; of "a blue circle" no word names one thing for sure but those that hold for it.
    assert metrics["pointing"] == pytest.approx(0.5, abs=0.17)


def test_a_picture_has_a_tile_for_each_word() -> None:
    image = np.zeros([40, 60, 3], np.uint8)
    plain = _picture.captioned(image, "a red circle", ["a circle"], ["a", "red", "circle"], None)
    shown = _picture.captioned(image, "a red circle", ["a circle"], ["a", "red", "circle"], np.eye(16).reshape(16, 4, 4)[:3])
    assert shown.height - plain.height == _picture.TILE_PX + _picture.LINE_PX + _picture.GAP_PX
    tile = np.asarray(shown)[-_picture.TILE_PX - _picture.GAP_PX : -_picture.GAP_PX, : _picture.TILE_PX].astype(int).sum(axis=2)
    assert tile[:24, :24].mean() > 3 * tile[48:, 48:].mean() + 10  # the first word looked at the first place
    assert _picture.captioned(image, "", [], [], None).size[0] >= _picture.LEAST_PX


def test_a_film_has_a_frame_for_each_word_with_the_sentence_up_to_it() -> None:
    frames = [
        np.asarray(frame, int) for frame in _picture.filmed(np.zeros([40, 60, 3], np.uint8), ["a", "circle"], np.eye(4).reshape(4, 2, 2)).frames
    ]
    assert len(frames) == 2
    assert frames[0].shape == frames[1].shape
    heat = _picture.LEAST_PX
    assert frames[0][:100, :100].sum() > 3 * frames[0][100:200, 200:300].sum()  # the first word looked at the first place
    assert frames[1][:100, 200:300].sum() > 3 * frames[1][:100, :100].sum()
    ink = [int((frame[heat + _picture.GAP_PX :] < 128).sum()) for frame in frames]
    assert 0 < ink[0] < ink[1]


def test_weights_of_another_run_are_all_networks_weights(tmp_path: Path) -> None:
    from kvision.engine import checkpoint

    first, other = examples.captioner(), examples.captioner(weights=str(tmp_path))
    values = {f"net/{name}": value + 1 for name, value in state.read(state.weights(first.networks)).items()}
    kept = checkpoint.Checkpoints(tmp_path / "checkpoints").save(values, {"step": 1, "epoch": 1})
    assert kept.path.is_dir()
    preprocess = {"size_px": 16, "fit": "resize", "mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0]}
    (tmp_path / "data.json").write_text(json.dumps({"preprocess": preprocess}))
    given = other.pretrained(Path())
    assert given is not None
    assert given.colour == ((0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    assert {f"net/{name}" for name in given.values} == set(values)


def test_what_has_no_effect_and_what_is_no_captioned_data_is_refused() -> None:
    told = dict(ShowTell.check(examples.recipe("show_tell", {"doubly_stochastic": 1.0, "samples": 2}, decode={"beam": 2, "temperature": 0.5})))
    assert told["loss.doubly_stochastic"] == "1.0 has no effect without attention; take it out"
    assert "loss.name=cross_entropy" in told["loss.samples"]
    assert told["model.decode.beam"].startswith("2 does not go with temperature=0.5")
    bare = DataInfo(("nothing",), ((0, 0, 0),), frozenset({"image"}))
    with pytest.raises(UsageError, match=r"data\.source: scenes has no captions; use scenes, coco_captions, flickr"):
        examples.captioner(given=bare)


def test_the_first_loss_is_that_of_even_probabilities() -> None:
    assert examples.captioner().expected_initial_loss() == pytest.approx(math.log(11))
    assert examples.captioner(loss={"doubly_stochastic": 1.0}).expected_initial_loss() is None
