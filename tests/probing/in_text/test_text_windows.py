"""Windows are full, apart, and from all over the text; each knows its document."""

import numpy as np
import pytest

from common.errors import InputError
from data.text.tokenizers import byte_tokenizer
from probing.in_text import cut_windows

TOKENIZER = byte_tokenizer()
END = TOKENIZER.end


def documents(*lengths: int) -> np.ndarray:
    """A text of documents of so many tokens, the end token of each among them."""
    return np.concatenate([[*[ord("a")] * (length - 1), END] for length in lengths])


@pytest.mark.parametrize("n_tokens", [5, 20, 55, 1_000_000])
@pytest.mark.parametrize("length", [21, 100, 1_001])
def test_windows_are_pieces_of_the_text_from_its_first_to_its_last_token(n_tokens, length):
    text = np.arange(length) % 251
    windows = cut_windows(text, TOKENIZER, 10, n_tokens)
    assert len(windows) == max(2, min((length - 1) // 10, n_tokens // 10))
    for start, tokens in zip(windows.starts, windows.tokens, strict=True):
        np.testing.assert_array_equal(tokens, text[start : start + 11])
    assert windows.starts[0] == 0
    assert windows.starts[-1] == length - 11


def test_no_token_is_predicted_twice():
    for length in range(21, 60):
        windows = cut_windows(np.zeros(length, dtype=int), TOKENIZER, 10)
        assert (np.diff(windows.starts) >= 10).all(), length


def test_a_window_belongs_to_the_document_that_most_of_its_tokens_are_in():
    windows = cut_windows(documents(4, 30, 9, 18), TOKENIZER, 10)
    assert windows.starts.tolist() == [0, 10, 20, 30, 40, 50]
    assert windows.documents.tolist() == [1, 1, 1, 2, 3, 3]


def test_the_end_token_belongs_to_the_document_that_it_ends():
    assert cut_windows(documents(6, 30), TOKENIZER, 10).documents[0] == 0
    assert cut_windows(documents(5, 30), TOKENIZER, 10).documents[0] == 1


def test_documents_are_clusters_where_there_are_ten_and_windows_are_otherwise():
    ten, nine = (cut_windows(documents(*[22] * n), TOKENIZER, 10) for n in (10, 9))
    name, clusters = ten.clusters()
    assert name == "documents"
    assert len(np.unique(clusters)) == 10 < len(ten)
    assert ten.clusters(fewest=11)[0] == nine.clusters()[0] == "windows"
    assert nine.clusters()[1].tolist() == [*range(len(nine))]


def test_a_text_too_short_for_two_windows_is_refused():
    with pytest.raises(InputError, match="the text has 20 tokens, too few for two windows of 10; give at least 21"):
        cut_windows(documents(20), TOKENIZER, 10)
