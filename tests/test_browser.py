"""The guard of the tests of pages: a page that is not whole in itself, or that stumbles, fails its test."""

import asyncio

import pytest
from browser import quiet_pages


@pytest.fixture
def page_with(tmp_path):
    """Writes a page with this body; returns its path."""

    def write(body: str):
        path = tmp_path / "my page (1) #ü.html"
        path.write_text(f"<!doctype html><meta charset=utf-8><title>Test</title><body>{body}")
        return path

    return write


def test_tests_of_pages_leave_no_event_loop_behind():
    """Those in tests/report were here before."""

    async def nothing() -> int:
        return 1

    assert asyncio.run(nothing()) == 1


def test_a_whole_page_is_opened_as_asked(open_page, page_with):
    path = page_with(
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><a href='#down' id=go>down</a><p id=down>"
        "<script>console.log('fine')</script>"
    )
    page = open_page(path, width=400, height=700, scheme="dark", reduced_motion="reduce")
    page.click("#go")
    page.reload()
    assert page.evaluate("[innerWidth, innerHeight]") == [400, 700]
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark) and (prefers-reduced-motion: reduce)').matches")


def test_what_a_page_makes_can_be_downloaded(open_page, page_with):
    page = open_page(
        page_with(
            "<button onclick=\"const a = document.createElement('a'); a.download = 'a.txt';"
            "a.href = window.URL.createObjectURL(new Blob(['text'])); a.click()\">save</button>"
        )
    )
    with page.expect_download() as download:
        page.click("button")
    assert download.value.path().read_text() == "text"


def visit(browser, path, *clicks: str, fail: bool = False) -> None:
    with quiet_pages(browser) as open_page:
        page = open_page(path)
        for selector in clicks:
            page.click(selector)
        assert not fail, "for a reason of its own"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<img src='http://127.0.0.1:9/a.png'>", "request: http://127.0.0.1:9/a.png"),
        ("<link rel=stylesheet href=style.css>", "request: file://.*style.css"),
        ("<script>fetch('http://127.0.0.1:9/x').catch(() => 0)</script>", "request: http://127.0.0.1:9/x"),
        ("<script>open('http://127.0.0.1:9/x')</script>", "request: http://127.0.0.1:9/x"),
        ("<script>console.error('no such head')</script>", "console: no such head"),
        ("<script>nowhere.to.be.found</script>", "error: .*nowhere is not defined"),
        ("<script>Promise.reject(Error('no thanks'))</script>", "error: .*no thanks"),
    ],
)
def test_a_page_that_asks_for_more_or_stumbles_fails_its_test(browser, page_with, body, complaint):
    with pytest.raises(AssertionError, match=complaint):
        visit(browser, page_with(body))


def test_what_happens_after_the_last_click_counts_too(browser, page_with):
    path = page_with("<button onclick=\"setTimeout(() => { throw Error('late slip') })\">x</button>")
    with pytest.raises(AssertionError, match="late slip"):
        visit(browser, path, "button")


def test_a_failing_test_keeps_its_own_reason(browser, page_with):
    with pytest.raises(AssertionError, match="for a reason of its own"):
        visit(browser, page_with("<script>console.error('also')</script>"), fail=True)
