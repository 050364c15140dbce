"""Names in any text: which words are names, where they stand, and whether a woman or a man is meant.

A name is a word that is capitalised within sentences and rarely lower case anywhere in the text. The words about people
of a language (first names, titles, pronouns) are data (`data.languages`).
"""

import re
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from data.languages import People

LETTERS = r"[^\W\d_]+(?:[\u0300-\u036f]+[^\W\d_]*)*"  # each with the accents that may follow it
WORD_OR_MARK = re.compile(rf"(?:[OD]['’](?=[A-Z]))?{LETTERS}(?:-{LETTERS})*|\d+|\n[^\S\n]*\n|[^\w\s]")
QUOTES = {'"': '"', "“": "”", "‘": "’"}
SPACE = re.compile(r"\s+")
RARELY_LOWER = 0.1  # of all times that a name's letters stand in the text
SEEN_CAPITALISED = 2  # times within sentences, for a word that is no known first name
PLACE_SHARE = 0.25  # of a name's mentions come after in, at, from, ...: then it is a place
VERSE = 2 / 3  # of all lines begin with a capital: line starts then say nothing
LONGEST_NAME = 5  # words


class Name(NamedTuple):
    """One mention of a name, title included: words ``first`` to ``end``. ``gender``: "she", "he" or "" (unknown)."""

    first: int
    end: int
    form: str
    gender: str


@dataclass(frozen=True)
class Words:
    """A text cut into words and punctuation marks, which count as words; each list has one item a word.

    ``starts``, ``ends``: characters. ``begins``: whether a sentence begins there, so that its capital says nothing.
    ``quoted``: whether it stands in quotation marks.
    """

    text: str
    words: list[str]
    starts: Sequence[int]
    ends: Sequence[int]
    begins: list[bool]
    quoted: list[bool]

    @cached_property
    def sentences(self) -> list[int]:
        """The words that begin a sentence or follow a speaker's quotation mark, in order."""
        return [i for i, begins in enumerate(self.begins) if begins]

    def sentence_before(self, last: int) -> int:
        """The last word at or before ``last`` that begins a sentence; 0 if there is none."""
        i = bisect_right(self.sentences, last)
        return self.sentences[i - 1] if i else 0

    def sentence_from(self, first: int) -> int:
        """The first word at or after ``first`` that begins a sentence; the number of words if there is none."""
        i = bisect_left(self.sentences, first)
        return self.sentences[i] if i < len(self.sentences) else len(self.words)


def cut_words(text: str, titles: Iterable[str] = ()) -> Words:
    """The words of a text. The full stop of a title (*Mr.*) or an initial ends no sentence."""
    titles = frozenset(titles)
    verse = is_verse(text)
    words, begins, quoted = [], [], []
    starts, ends = array("q"), array("q")
    opened = ""  # the quotation mark that would close what is open
    fresh = True  # a sentence begins with the next word
    for match in WORD_OR_MARK.finditer(text):
        word = match[0]
        if word.isspace():
            opened, fresh = "", True  # an unclosed quotation ends with its paragraph
            continue
        if verse and not fresh and "\n" in text[ends[-1] : match.start()]:
            fresh = True
        if word == opened and not inside_word(text, match.start()):
            opened = ""
        elif not opened and (word in QUOTES or (word == "'" and opens_speech(text, match.start()))):
            opened, fresh = QUOTES.get(word, word), True
        words.append(sys.intern(word))
        starts.append(match.start())
        ends.append(match.end())
        is_word = word[0].isalnum()
        begins.append(fresh and is_word)
        quoted.append(bool(opened) and is_word)
        if is_word:
            fresh = False
        elif word in "!?:;…" or (word == "." and not is_abbreviation(words[-2:-1], titles)):
            fresh = True
    return Words(text, words, starts, ends, begins, quoted)


def opens_speech(text: str, at: int) -> bool:
    """Whether the straight mark at ``at`` stands before a capital and after a space, as an apostrophe seldom does."""
    return text[at + 1 : at + 2].isupper() and (at == 0 or text[at - 1].isspace())


def inside_word(text: str, at: int) -> bool:
    """Whether the mark at ``at`` stands between letters, as an apostrophe does."""
    return 0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha()


def is_abbreviation(before: Sequence[str], titles: frozenset[str]) -> bool:
    return bool(before) and (before[0] in titles or (len(before[0]) == 1 and before[0].isupper() and before[0] != "I"))


def is_verse(text: str) -> bool:
    """Whether nearly all lines begin with a capital, as in verse, plays and text with a sentence a line."""
    lines = [first[0] for line in text.split("\n") if (first := re.search(r"[^\W\d_]", line))]
    return len(lines) > 1 and sum(map(str.isupper, lines)) > VERSE * len(lines)


def is_capitalised(word: str) -> bool:
    """*Emma* and *McGregor*, but not *EMMA*, which is a heading or a shout."""
    return word[0].isupper() and (len(word) == 1 or any(map(str.islower, word)))


class Names:
    """The names of a text in many documents, known by how their words are written in all of it."""

    def __init__(self, documents: Sequence[Words], people: People) -> None:
        self.people = people
        self.n_words = sum(len(document.words) for document in documents)
        self.lower: Counter[str] = Counter()
        self.within: Counter[str] = Counter()  # capitalised, within a sentence
        self.capitalised: Counter[str] = Counter()
        for document in documents:
            for word, begins in zip(document.words, document.begins, strict=True):
                if word.islower():
                    self.lower[word] += 1
                elif is_capitalised(word):
                    self.capitalised[word] += 1
                    self.within[word] += not begins
        self.titled: dict[str, set[str]] = {}
        self.places: frozenset[str] = frozenset()
        self.titled, self.places = self.learn(documents)

    def is_name(self, word: str) -> bool:
        """Whether a word can be a name, or a part of one."""
        if not is_capitalised(word) or len(word) == 1 or word in self.people.not_names or word in self.people.titles:
            return False
        lower, capitalised = self.lower[word.lower()], self.capitalised[word]
        if lower > RARELY_LOWER * (lower + capitalised) or word.lower() in self.people.nouns:
            return False
        return word in self.people.first_names or self.within[word] >= SEEN_CAPITALISED

    def learn(self, documents: Sequence[Words]) -> tuple[dict[str, set[str]], frozenset[str]]:
        """What the text says of its names: the genders of the titles that they have, and which are places."""
        titled: dict[str, set[str]] = {}
        total: Counter[str] = Counter()
        placed: Counter[str] = Counter()
        for document in documents:
            for name in self.find(document):
                words = name.form.split(" ")
                title = self.people.titles.get(words[0].rstrip("."))
                if title:
                    titled.setdefault(words[-1], set()).add(title)
                elif title is None:
                    total[name.form] += 1
                    placed[name.form] += name.first > 0 and document.words[name.first - 1] in self.people.before_places
        return titled, frozenset(form for form, n in total.items() if placed[form] > PLACE_SHARE * n)

    def find(self, document: Words) -> Iterator[Name]:
        """All names of a document in their order, each as long as it goes: *Mr. Charles Bingley*."""
        words, i = document.words, 0
        while i < len(words):
            end = self.end_of_name(document, i)
            if end:
                form = SPACE.sub(" ", document.text[document.starts[i] : document.ends[end - 1]])
                yield Name(i, end, form, self.gender(words[i:end]))
            i = end or i + 1

    def end_of_name(self, document: Words, first: int) -> int:
        """The word after the name that begins at ``first``; 0 where none does."""
        words, i = document.words, first
        end: int = 0
        if words[i] in self.people.titles:
            i += 1 + (words[i + 1 : i + 2] == ["."])
        longest = i + LONGEST_NAME
        while i < min(len(words), longest):
            if i > first and self.apart(document, i):
                break
            if self.is_name(words[i]):
                i = end = i + 1
            elif len(words[i]) == 1 and words[i].isupper() and words[i + 1 : i + 2] == ["."]:
                i += 2  # an initial
            elif end and words[i] in self.people.inside_names:
                i += 1
            else:
                break
        return end

    def apart(self, document: Words, i: int) -> bool:
        """Whether a sentence, line or more than white space parts word i from the one before."""
        return document.begins[i] or bool(document.text[document.ends[i - 1] : document.starts[i]].strip())

    def without_title(self, words: Sequence[str]) -> Sequence[str]:
        """The words of a name after its title, which may have a full stop of its own."""
        if words[0].rstrip(".") not in self.people.titles:
            return words
        return words[2 if words[1] == "." else 1 :]

    def gender(self, words: Sequence[str]) -> str:
        """What title, first name and the titles that the text gives this name agree on, else nothing."""
        title = self.people.titles.get(words[0])
        if title:
            return title
        given = self.without_title(words)
        known = {self.people.first_names.get(given[0], ""), *(self.titled.get(given[0], ()) if len(given) == 1 else ())}
        known.discard("")
        return known.pop() if len(known) == 1 else ""
