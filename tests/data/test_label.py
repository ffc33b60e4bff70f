"""Documents to drafts."""

import csv
import gzip
import io
from pathlib import Path

import docx
import pytest

from data.conversation import Conversation
from data.errors import Fault, InvalidData, UnreadableFile
from data.label import COLUMNS, PASSAGE, Passage, cut, draft, read_passages, script_of_most
from data.reading.dialogues.dialogue import find_pairs
from data.reading.reader import read_items
from tests.data.reading.documents.pdf_file import write_pdf
from tests.data.reading.items import settled

LINE = "补中益气汤用于脾胃气虚，症见少气懒言，体倦肢软，饮食减少，大便稀薄。"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def answer(prompt: str) -> str:
    return f"好的：\n问：{prompt[-5:]}是什么？\n答：见资料。\n\n问：还有呢？\n答：没有了。"


def test_short_paragraphs_are_joined_and_long_ones_cut_between_sentences():
    text = "\n\n".join([LINE * 3] * 4 + [LINE * 60] + ["# 标题\n" + LINE])
    passages = list(cut(text, "a.md"))
    assert all(20 <= len(each.text) <= PASSAGE for each in passages)
    assert "".join(each.text for each in passages).replace("\n", "") == text.replace("\n", "")
    assert all(each.text.endswith("。") for each in passages)
    assert len(passages) < 10


def test_a_sentence_without_end_is_cut_all_the_same():
    passages = list(cut("字" * (3 * PASSAGE), "a.txt"))
    assert [len(each.text) for each in passages] == [PASSAGE] * 3


def test_passages_know_their_lines():
    text = f"\n\n{LINE * 10}\n\n{LINE * 10}\n"
    assert [each.line for each in cut(text, "a.txt")] == [3, 5]
    assert list(cut("短。", "a.txt")) == []


def test_folders_of_texts_in_any_encoding_are_read(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(LINE.encode("gb18030"))
    (tmp_path / "b.md").write_text(LINE)
    assert [each.text for each in read_passages([tmp_path])] == [LINE] * 2


def test_the_prompt_is_in_the_texts_language():
    assert "问：" in Passage("a", 1, LINE).prompt(2)
    prompt = Passage("a", 1, "Oil the chain every two hundred kilometres.").prompt(2)
    assert "write 2 questions" in prompt
    assert prompt.endswith("A: its answer")


@pytest.mark.parametrize(
    "text",
    [
        "问：a？\n答：b。",
        "当然可以！以下是问题：\n\n1. 问：a？\n   答：b。",
        "Sure:\n**Q:** a？\n**A:** b。",
        "Q1: a？\nA1: b。\nQ2: unanswered",
    ],
)
def test_pairs_are_found_in_what_models_write(text: str):
    assert find_pairs(text)[:1] == [("a？", "b。")]


def test_nothing_usable_is_no_pair():
    assert find_pairs("抱歉，我不能回答。") == find_pairs("") == []


def test_drafts_become_rows_that_nobody_has_decided_on(tmp_path: Path):
    out = tmp_path / "qa.csv"
    done = draft([Passage("a.txt", 1, LINE)], answer, out, 2)
    assert (done.num_passages, done.num_before, done.num_pairs, done.num_empty) == (1, 0, 2, 0)
    rows = rows_of(out)
    assert tuple(rows[0]) == COLUMNS
    where = Passage("a.txt", 1, LINE).where
    assert [(row["source"], row["keep"]) for row in rows] == [(where, "")] * 2
    [fault] = list(read_items(out))
    assert isinstance(fault, Fault)
    assert fault.seen.startswith("2 rows without a decision")


def test_kept_rows_are_trained_on_and_others_are_not(tmp_path: Path):
    out = tmp_path / "qa.csv"
    draft([Passage("a.txt", 1, LINE), Passage("a.txt", 9, LINE)], answer, out, 2)
    decisions = iter(["yes", "no", "是", "maybe"])
    rows = [{**row, "keep": next(decisions)} for row in rows_of(out)]
    with out.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *(row.values() for row in rows)])
    items = settled(read_items(out))
    assert [item.line for item in items if isinstance(item, Conversation)] == [2, 4]
    assert [(f.line, f.field) for f in items if isinstance(f, Fault)] == [(5, "keep")]


def test_going_on_leaves_what_is_there_as_it_is(tmp_path: Path):
    out = tmp_path / "qa.csv"
    passages = [Passage("a.txt", line, LINE) for line in range(1, 6)]

    def failing(prompt: str) -> str:
        raise ConnectionError(prompt)

    draft(passages[:2], answer, out, 2)
    edited = out.read_bytes().replace("见资料".encode(), "改过了".encode())
    out.write_bytes(edited)
    with pytest.raises(ConnectionError):
        draft(passages, failing, out, 2)
    assert out.read_bytes() == edited
    done = draft(passages, answer, out, 2)
    assert (done.num_before, done.num_pairs) == (2, 6)
    assert out.read_bytes().startswith(edited)
    assert draft(passages, failing, out, 2).num_before == 5


def test_a_passage_that_gave_nothing_is_not_asked_again(tmp_path: Path):
    out = tmp_path / "qa.csv"
    done = draft([Passage("a.txt", 1, LINE)], lambda _: "抱歉。", out, 2)
    assert done.num_empty == 1
    passage = Passage("a.txt", 1, LINE)
    empty = {"source": passage.where, "question": "", "answer": "", "keep": "no"}
    assert rows_of(out) == [empty]
    assert draft([passage], answer, out, 2).num_before == 1


def test_another_table_is_not_added_to(tmp_path: Path):
    out = tmp_path / "qa.csv"
    out.write_text("question,answer\na,b\n")
    with pytest.raises(InvalidData, match="choose another --out"):
        draft([Passage("a.txt", 1, LINE)], answer, out, 2)
    assert out.read_text() == "question,answer\na,b\n"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_going_on_reads_what_other_programs_have_saved(
    encoding: str, delimiter: str, tmp_path: Path
):
    """With a column more, empty ones behind it, and no end of the last line."""
    out = tmp_path / "qa.csv"
    first, second = Passage("a.txt", 1, LINE), Passage("a.txt", 2, LINE)
    cells = [("note", "keep", "source", "question", "answer", "", "")]
    cells += [("好", "yes", first.where, "问题一", "回答，一", "", "")]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(cells)
    out.write_bytes(text.getvalue().rstrip().encode(encoding))
    assert draft([first, second], answer, out, 2).num_before == 1
    kept, *drafted = rows_of(out)
    assert (kept["note"], kept["keep"], kept["answer"]) == ("好", "yes", "回答，一")
    assert [row["source"] for row in drafted] == [second.where] * 2
    items = [item for item in read_items(out) if isinstance(item, Conversation)]
    assert [item.messages[0].content for item in items] == ["问题一"]


def test_cells_under_no_name_are_not_lost(tmp_path: Path):
    out = tmp_path / "qa.csv"
    text = "source,question,answer,keep\na.txt:1#0,问,答,yes,a note\nshort\n"
    out.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidData, match="under no name"):
        draft([Passage("a.txt", 1, LINE)], answer, out, 2)
    assert out.read_text(encoding="utf-8") == text


def test_passages_of_one_line_are_told_apart():
    passages = list(cut("".join(f"第{i}句{LINE}" for i in range(60)), "a.txt"))
    assert {each.line for each in passages} == {1}
    assert len({each.where for each in passages}) == len(passages) > 3


def test_what_no_file_may_hold_is_taken_out_of_answers(tmp_path: Path):
    out = tmp_path / "qa.csv"
    draft([Passage("a.txt", 1, LINE)], lambda _: "问：a\0\ud83d？\n答：b", out, 2)
    assert rows_of(out)[0]["question"] == "a？"


def test_a_truncated_document_is_unreadable(tmp_path: Path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress((LINE * 99).encode())[:-9])
    with pytest.raises(UnreadableFile, match="pack it anew"):
        read_passages([path])


def test_word_and_pdf_documents_are_read_with_their_places(tmp_path: Path):
    document = docx.Document()
    document.add_heading("补气", 1)
    for _ in range(12):
        document.add_paragraph(LINE)
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "四君子汤", LINE
    document.save(str(tmp_path / "a.docx"))
    write_pdf(tmp_path / "b.pdf", [[LINE] * 15, [LINE.replace("补中", "调中")] * 15])
    passages = read_passages([tmp_path])
    word = [each for each in passages if each.source.endswith(".docx")]
    assert word[0].text.startswith("# 补气")
    assert [each.line for each in word][:2] == [1, 13]
    assert f"四君子汤 | {LINE}" in word[-1].text
    pages = {each.line for each in passages if each.source.endswith(".pdf")}
    assert pages == {1, 2}


def test_every_passage_is_told_of_as_it_is_written(tmp_path: Path):
    passages = [Passage("a.txt", line, LINE) for line in range(1, 4)]
    told: list[int] = []
    draft(passages, answer, tmp_path / "qa.csv", 2, on_passage=told.append)
    assert told == [2, 2, 2]


def test_the_prompts_language_is_that_of_most_passages():
    english = Passage("a", 1, "Oil the chain every two hundred kilometres.")
    assert script_of_most([Passage("a", 1, LINE)] * 2 + [english]) == "Chinese"
    assert script_of_most([english]) == script_of_most([]) == "other"
