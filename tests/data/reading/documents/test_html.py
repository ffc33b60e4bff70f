"""Web pages: which of their elements ask, what answers them, and what is around."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.conversation import Conversation, Item
from data.errors import Fault
from data.reading.documents.html import read_html
from data.reading.faulty import settle


def read(page: str) -> list[Item]:
    return list(settle(read_html(page, "a.html", {}), "stop"))


def pairs(page: str) -> list[tuple[str, str]]:
    found = [each for each in read(page) if isinstance(each, Conversation)]
    return [(each.messages[0].content, each.messages[1].content) for each in found]


def said(page: str) -> str:
    return "\n".join(str(each) for each in read(page) if isinstance(each, Fault))


@pytest.mark.parametrize(
    "page",
    [
        "<h2>a?</h2><p>b</p><h2>c?</h2><p>d</p>",
        "<h2>a?</h2>b<h2>c?</h2>d",
        "<div><h3>a?</h3><div>b</div></div><div><h3>c?</h3><div>d</div></div>",
        "<div><div><h3>a?</h3></div><div>b</div></div><div><h3>c?</h3></div><p>d</p>",
        "<section><h2>T</h2><h3>a?</h3><p>b</p><h3>c?</h3><p>d</p></section>",
        "<h2><button>a? <i></i></button></h2><div>b</div><h2><button>c?</button></h2><div>d",
        "<dl><dt>a?</dt><dd>b</dd><dt>c?</dt><dd>d</dd></dl>",
        "<dl><div><dt>a?<dd>b</div><div><dt>c?<dd>d</div></dl>",
        "<div class=q>a?</div><div class=a>b</div><div class=q>c?</div><div class=a>d</div>",
        "<li><a class='q x'>a?</a><div>b</div></li><li><a class='q x'>c?</a><div>d</div></li>",
        "<p class='q on'>a?</p><p class=' '>b</p><p class=q>c?</p><p>d</p>",
        "<details><summary>a?</summary>b</details><details><summary>c?</summary><p>d</details>",
        "<p>Q: a?</p><p>A: b</p><p></p><p>Q: c?</p><p>A: d</p>",
        "<p>a?</p><p>b.</p><p>c?</p><p>d.</p>",
    ],
)
def test_forms_of_pages_give_the_same(page: str):
    around = f"<html><head><title>t?</title><style>p{{}}</style></head><body>{page}</body></html>"
    for each in (page, around):
        given = read(each)
        texts = [
            m.content.rstrip(".") for c in given if isinstance(c, Conversation) for m in c.messages
        ]
        assert texts == ["a?", "b", "c?", "d"]


def test_a_last_answer_ends_with_its_element():
    cards = "<div><h3>a?</h3><p>b</p></div><div><h3>c?</h3><p>d</p></div>"
    page = f"{cards}<p>Call us.</p><footer>©</footer>"
    assert pairs(page) == [("a?", "b"), ("c?", "d")]
    assert "2 lines that belong to no question, left out: line 1 'Call us.', line 1 '©'" in said(
        page
    )


def test_headings_that_do_not_ask_are_left_out_with_their_text():
    page = "<h2>a?</h2><p>b</p><h2>Prices</h2><p>Low.</p><h2>c?</h2><h3>More</h3><p>d</p>"
    assert pairs(page) == [("a?", "b"), ("c?", "More\nd")]
    assert "'Prices', line 1 'Low.'" in said(page)


def test_a_question_without_an_answer_is_a_fault():
    assert "no answer below it: 'a?'" in said("<h2>a?</h2><h2>c?</h2><p>d</p>")


def test_lines_lists_and_code_keep_their_lines():
    page = "<h2>a?</h2><p>b<br>c</p><ul><li>d<li>e</ul><pre>f\n  g</pre><h2>h?</h2>i"
    assert pairs(page)[0] == ("a?", "b\nc\n- d\n- e\nf\n  g")


def test_places_are_lines_of_the_file():
    page = "<html>\n<body>\n<h2>a?</h2>\n<p>b</p>\n<h2>\nc?</h2><p>d</p>"
    assert [each.line for each in read(page) if isinstance(each, Conversation)] == [3, 5]
    page = "<p>Q: a</p>\n<p>A: b</p>\n\n\n<p>Q: c</p>"
    errors = [each for each in read(page) if isinstance(each, Fault) and each.severity == "error"]
    assert [each.line for each in errors] == [5]


@pytest.mark.parametrize(
    "entities",
    [
        {"@type": "FAQPage", "mainEntity": [1, 2]},
        [{"@type": "WebPage", "name": "FAQ"}, {"@type": "FAQPage", "mainEntity": [1, 2]}],
        {"@graph": [{"@type": ["WebPage", "FAQPage"], "mainEntity": [1, 2]}]},
    ],
)
def test_declared_questions_are_taken_as_they_are(entities: object):
    first = {
        "@type": "Question",
        "name": "a &amp; b?",
        "acceptedAnswer": {"text": "<p>c</p><ul><li>d</ul>"},
    }
    second = {"@type": "Question", "name": "e?", "acceptedAnswer": [{"text": "f"}]}
    declared = json.dumps(entities).replace("[1, 2]", json.dumps([first, second]))
    script = f'<script type="application/ld+json">{declared}</script>'
    page = f"<html>{script}<body><h2>x?</h2><p>y</p></body></html>"
    assert pairs(page) == [("a & b?", "c\n- d"), ("e?", "f")]
    assert "the page's FAQPage data" in said(page)


def test_declarations_that_are_broken_or_of_other_things_are_no_matter():
    script = '<script type="application/ld+json">{"name": </script>'
    page = f"{script}<h2>a?</h2><p>b</p><h2>c?</h2><p>d</p>"
    assert pairs(page) == [("a?", "b"), ("c?", "d")]


@pytest.mark.parametrize(
    "page", ["<html></html>", "<p>Nobody asks.</p>", "<h2>Chains</h2><p>Oil them.</p>", "plain"]
)
def test_other_pages_are_faults(page: str):
    assert [each.severity for each in read(page) if isinstance(each, Fault)] == ["error"]


TAGS = st.sampled_from(
    ["p", "div", "h2", "h3", "dl", "dt", "dd", "details", "summary", "ul", "li", "pre", "nav"]
)
PARTS = (
    st.builds("<{0}>".format, TAGS)
    | st.builds("</{0}>".format, TAGS)
    | st.sampled_from(["a?", "b", "<br>", "&lt;", "<"])
)


@given(st.lists(PARTS, max_size=20).map("".join))
def test_no_page_raises_anything(page: str):
    assert read(page)


def test_role_words_count_for_more_than_elements():
    page = "<h2>Q: a?</h2><p>A: b</p><h2>Q: c?</h2><p>A: d</p>"
    assert pairs(page) == [("a?", "b")]
