"""What the linter of the pages' JavaScript finds, and what it takes for good."""

import pytest
from lint_pages import lint

PAGES = {"one": ("shared", "first"), "two": ("shared", "second")}
GOOD = {
    "shared": "const half = (x) => x / 2;\nconst twice = (x) => x * 2;\n",
    "first": "console.log(half(1));\n",
    "second": "document.title = twice(2);\n",
}


def found(**changed: str) -> list[str]:
    return [str(finding) for finding in lint(PAGES, GOOD | changed)]


def test_scripts_may_use_what_others_of_the_page_define_and_what_browsers_have():
    assert found() == []


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("console.log(halve(1));", "report/first.js:2:13: 'halve' is not defined. [eslint(no-undef)]"),
        ("console.log(twice(half(1)), third);", "report/first.js:2:29: 'third' is not defined. [eslint(no-undef)]"),
        ("if (half(1) == 1) console.log(1);", "[eslint(eqeqeq)]"),
        ("let one = 1; console.log(one);", "[eslint(prefer-const)]"),
        ("const half = 1;", "Identifier `half` has already been declared"),
        ("if (half(1)) {", "Unexpected token [syntax]"),
    ],
)
def test_a_mistake_is_named_with_its_line(line, finding):
    (only,) = found(first=f"{GOOD['first']}{line}\n")
    assert finding in only


def test_what_no_page_uses_is_unused():
    (only,) = found(shared=f"{GOOD['shared']}const third = (x) => x / 3;\n")
    assert only.startswith("report/shared.js:3:7: Variable 'third' is declared but never used")


def test_what_only_one_page_has_and_does_not_use_is_unused():
    (only,) = found(second=f"{GOOD['second']}const third = 3;\n")
    assert only.startswith("report/second.js:2:7: Variable 'third' is declared but never used")
