"""Scores of classes against scikit-learn's, on anything that hypothesis finds; and what they refuse."""

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Value, data

CLASSES = ["a", "b", "c", "never"]
PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40)
RANKED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=2, max_size=40)


@given(PAIRS)
def test_the_scores_of_each_class_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    y, predictions = zip(*pairs)
    expected = sklearn.precision_recall_fscore_support(y, predictions, labels=CLASSES, zero_division=0)
    for found, numbers in zip(data.class_scores(y, predictions, CLASSES), zip(*expected), strict=True):
        assert found == pytest.approx(numbers)
    expected = sklearn.confusion_matrix(y, predictions, labels=CLASSES).tolist()
    assert data.confusion_matrix(y, predictions, CLASSES) == expected


@given(RANKED)
def test_auc_is_that_of_scikit_learn_and_the_share_of_pairs_in_order(pairs: list[tuple[bool, float]]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    y, scores = zip(*pairs)
    if len({*y}) == 1:
        with pytest.raises(ValueError, match="not defined where all targets are of one class"):
            data.auc(y, scores)
        return
    first = [score for target, score in pairs if not target]
    second = [score for target, score in pairs if target]
    in_order = [(a > b) + (a == b) / 2 for a in second for b in first]
    assert data.auc(y, scores) == pytest.approx(sum(in_order) / len(in_order))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert data.auc(y, scores) == pytest.approx(sklearn.roc_auc_score(y, scores))


def test_of_a_value_its_number_counts() -> None:
    assert data.auc([Value(1.0), 0], [Value(0.7), 0.1]) == 1.0
    assert data.confusion_matrix([Value(1.0)], [1], [0, 1]) == [[0, 0], [0, 1]]


def test_what_has_no_score_is_refused() -> None:
    with pytest.raises(ValueError, match="'cat' is not one of the classes 'dog'"):
        data.confusion_matrix(["cat"], ["dog"], ["dog"])
    with pytest.raises(ValueError, match="not 'cat'"):
        data.auc(["cat", "dog"], [0.1, 0.2])
    with pytest.raises(ValueError, match="nan, which has no rank"):
        data.auc([0, 1], [math.nan, 0.2])
    with pytest.raises(ValueError, match="the same length"):
        data.auc([0, 1], [0.5])
