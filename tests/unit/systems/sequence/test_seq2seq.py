"""Sequence to sequence: whole sequences give what steps give, padding counts for nothing, and answers are those of the search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.unit.systems.sequence import opened


def batch_of(session: Any) -> dict[str, tf.Tensor]:
    return next(iter(session.pipeline.val()))


@pytest.mark.parametrize(("attention", "cell"), [("additive", "lstm"), ("luong", "gru"), ("none", "rnn")])
def test_files_that_know_single_steps_give_the_same_loss_and_answers(attention: str, cell: str) -> None:
    session = opened.session("sequence/seq2seq", f"model.attention={attention}", f"model.cell={cell}")
    system, batch = session.system, batch_of(session)
    own = dict(system.networks)
    other = system.with_networks({role: (lambda *given, net=net, **more: net(*given, **more)) for role, net in own.items()})
    np.testing.assert_allclose(system._nll(batch), other._nll(batch), atol=1e-5)
    np.testing.assert_array_equal(system.predict_step(batch["source"])["tokens"], other.predict_step(batch["source"])["tokens"])


def test_padding_is_not_looked_at_and_shares_sum_to_one() -> None:
    session = opened.session("sequence/seq2seq")
    batch = batch_of(session)
    alpha = session.system.predict_step(batch["source"])["alpha"].numpy()
    padding = batch["source"].numpy() == 0
    assert padding.any()
    said = session.system.predict_step(batch["source"])["tokens"].numpy() != 0
    for shares, hidden, there in zip(alpha, padding, said, strict=True):
        np.testing.assert_allclose(shares[there].sum(1), 1.0, atol=1e-5)
        assert np.all(shares[:, hidden] < 1e-9)


def test_the_loss_of_a_batch_is_the_mean_over_its_pieces() -> None:
    session = opened.session("sequence/seq2seq")
    system, batch = session.system, next(iter(session.pipeline.train(0)))

    class Taken:
        def minimize(self, loss: Any, batch: Any) -> tf.Tensor:
            return tf.reduce_sum(loss(batch)) / 4

    found = float(system.train_step(batch, {"both": Taken()})["loss"])
    nll = system._nll(batch).numpy()
    assert found == pytest.approx(nll.sum() / np.count_nonzero(batch["target"][:, 1:]), rel=1e-5)
    assert np.all(nll[batch["target"].numpy()[:, 1:] == 0] == 0)


def test_exact_match_is_piece_for_piece_to_the_end() -> None:
    session = opened.session("sequence/seq2seq")
    system, batch = session.system, batch_of(session)
    answers = system.predict_step(batch["source"])["tokens"].numpy()
    told = np.concatenate([np.ones([4, 1], np.int32), answers], axis=1)
    told[3, 1] = 4 if told[3, 1] != 4 else 5  # one is another
    sums, scores = system.eval_step({**batch, "target": tf.constant(told)})
    assert float(sums["right"]) == 3.0
    assert system.metrics({name: np.asarray(value, np.float64) for name, value in sums.items()})["exact_match"] == 0.75
    assert scores["worst"].shape == (4,)


def test_greedy_by_hand() -> None:
    session = opened.session("sequence/seq2seq")
    system, source = session.system, batch_of(session)["source"]
    known, token = dict(system.networks["encode"](source)), np.ones(4, np.int32)
    answers, over = system.predict_step(source)["tokens"].numpy(), np.zeros(4, bool)
    for place in range(answers.shape[1] - 1):  # in the last place stands nothing but the end
        said = system.networks["step"]({"token": tf.constant(token), **known})
        known["h_0"] = said["h_0"]
        allowed = np.array(said["logits"])
        allowed[:, [0, 1, 3]] = -np.inf
        token = allowed.argmax(1).astype(np.int32)
        np.testing.assert_array_equal(answers[:, place], np.where(over, 0, token))
        over |= token == 2


def test_the_device_is_told_the_same_rules() -> None:
    decoding = opened.session("sequence/seq2seq", "model.beam=4", "model.length_alpha=0.6").system.decoding()
    assert {name: decoding[name] for name in ("start", "end", "max_length", "beam", "length_alpha", "forbidden")} == {
        "start": 1, "end": 2, "max_length": 4, "beam": 4, "length_alpha": 0.6, "forbidden": (3,),
    }  # fmt: skip


def test_the_picture_shows_answer_and_attention() -> None:
    session = opened.session("sequence/seq2seq")
    raw = session.pipeline.raw("val", 0)
    output = {name: value[0].numpy() for name, value in session.system.predict_step(tf.constant(raw["source"][None])).items()}
    plain = {name: value for name, value in output.items() if name != "alpha"}
    tall, flat = (session.system.picture(raw["source"], given, {"target": raw["target"]}) for given in (output, plain))
    assert tall.height > flat.height
