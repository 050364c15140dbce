"""The scripts that open a page in a browser look at what they are given before they start one."""

import pytest
from toy_live import STARTS, noisy_model, word_tokenizer, write_toy_live

from common.browser import find
from common.errors import InputError
from experiments import live_film, live_parity
from report.live_page import live_parts, write_live_page


@pytest.fixture
def no_browser(monkeypatch):
    for script in (live_film, live_parity):
        monkeypatch.setattr(script, "launched", lambda given: pytest.fail("a browser was started"))


def test_no_film_is_made_of_a_page_without_a_model(no_browser, tmp_path):
    page = tmp_path / "report.html"
    with pytest.raises(InputError, match=r"report.html: there is no such file; give RUN/probe/report.html$"):
        live_film.main([str(page)])
    page.write_text("<!doctype html>")
    with pytest.raises(InputError, match=r"report.html: no model runs in it; give RUN/probe/report.html"):
        live_film.main([str(page)])
    page.write_text('<script type="text/plain" id="weights"></script>')
    with pytest.raises(InputError, match=r"^--to film.mp4: must end in .gif$"):
        live_film.main([str(page), "--to", "film.mp4"])


def test_runs_are_looked_at_before_a_browser_is_started(no_browser, finished_run):
    with pytest.raises(InputError, match=r"^run=nowhere: there is no such run"):
        live_parity.main([str(finished_run), "nowhere"])


def test_a_film_is_made_of_a_page_with_a_tour_and_of_one_without(tmp_path, monkeypatch, capsys):
    if find() is None:
        pytest.skip("needs Chromium")
    monkeypatch.setattr(live_film, "SETTLED", 0)
    film, tokenizer = tmp_path / "new" / "film.gif", word_tokenizer()
    live_film.main([str(write_toy_live(tmp_path)), "--to", str(film)])
    assert f"{film}: {len(live_film.TYPED) + 2} pictures" in capsys.readouterr().out
    (page,) = write_live_page(tmp_path, "a toy", live_parts(noisy_model(tokenizer), tokenizer, STARTS))
    live_film.main([str(page), "--to", str(film)])
    assert f"{film}: {len(live_film.TYPED)} pictures" in capsys.readouterr().out
