"""What workbooks have besides cells: sheets, merged cells, formulas, passwords."""

from pathlib import Path

from data.conversation import Conversation, Item
from data.errors import Fault
from data.reading.reader import ReadOptions, read_items
from data.reading.tables.formulas import find_unsaved
from tests.data.reading.excel import Formula, write_xlsx

HEADER = ["问题", "回答"]


def read(path: Path, **columns: str) -> list[Item]:
    return list(read_items(path, ReadOptions(columns=columns)))


def pairs(items: list[Item]) -> list[tuple[str, str]]:
    found = [each for each in items if isinstance(each, Conversation)]
    return [(each.messages[0].content, each.messages[1].content) for each in found]


def faults(items: list[Item]) -> list[Fault]:
    return [each for each in items if isinstance(each, Fault)]


def test_merged_questions_count_for_each_of_their_answers(tmp_path: Path):
    rows = [HEADER, ["a？", "b"], ["", "c"], ["", "d"], ["e？", "f"]]
    write_xlsx(tmp_path / "a.xlsx", {"一": rows}, merged=["A2:A4"])
    items = read(tmp_path / "a.xlsx")
    assert pairs(items) == [("a？", "b"), ("a？", "c"), ("a？", "d"), ("e？", "f")]
    [fault] = faults(items)
    assert fault.kind == "merged"
    assert fault.seen == "merged cells, taken for each of their rows: A2:A4"


def test_merged_cells_of_no_use_are_not_spoken_of(tmp_path: Path):
    rows = [["内科问答", "", ""], ["category", *HEADER], ["内科", "a？", "b"], ["", "c？", "d"]]
    write_xlsx(tmp_path / "a.xlsx", {"一": rows}, merged=["A1:C1", "A3:A4"])
    items = read(tmp_path / "a.xlsx")
    assert pairs(items) == [("a？", "b"), ("c？", "d")]
    assert [each.kind for each in faults(items)] == ["title row"]


def test_many_merged_cells_are_one_warning(tmp_path: Path):
    rows = [HEADER, *[["a？", "b"], ["", "c"]] * 9]
    merged = [f"A{row}:A{row + 1}" for row in range(2, 20, 2)]
    write_xlsx(tmp_path / "a.xlsx", {"一": rows}, merged=merged)
    [fault] = faults(read(tmp_path / "a.xlsx"))
    assert fault.seen.endswith("A2:A3, A4:A5, A6:A7, A8:A9, A10:A11 and 4 more")


def test_a_formula_that_nobody_computed_is_named(tmp_path: Path):
    rows = [HEADER, ["a？", Formula("1+2")], ["b？", "c"], ["d？", Formula("B3&lt;", "saved")]]
    write_xlsx(tmp_path / "a.xlsx", {"一": rows, "二": [[Formula("A1")]]})
    with (tmp_path / "a.xlsx").open("rb") as file:
        assert find_unsaved(file) == {"一": {(1, 1): "1+2"}, "二": {(0, 0): "A1"}}
    items = read(tmp_path / "a.xlsx")
    assert pairs(items) == [("b？", "c"), ("d？", "saved")]
    fault, way_out = faults(items)
    assert way_out.field == "--faulty"
    assert (fault.line, fault.severity, fault.kind) == (2, "error", "formula")
    assert fault.seen == "a formula without a saved value in B2: =1+2"


def test_a_formula_beside_the_texts_is_no_matter(tmp_path: Path):
    write_xlsx(tmp_path / "a.xlsx", {"一": [["id", *HEADER], [Formula("ROW()"), "a？", "b"]]})
    items = read(tmp_path / "a.xlsx")
    assert (pairs(items), faults(items)) == ([("a？", "b")], [])


def test_sheets_of_notes_are_passed_over_by_name(tmp_path: Path):
    sheets = {
        "说明": [["本表由客服部维护"], ["版本", "1.0"]],
        "一": [HEADER, ["a？", "b"]],
        "空": [],
        "二": [HEADER, ["c？", "d"]],
    }
    write_xlsx(tmp_path / "a.xlsx", sheets)
    items = read(tmp_path / "a.xlsx")
    assert pairs(items) == [("a？", "b"), ("c？", "d")]
    [fault] = faults(items)
    assert (fault.severity, fault.kind) == ("warning", "sheet")
    assert fault.source.endswith("a.xlsx[说明]")
    assert "'本表由客服部维护'" in fault.seen


def test_a_sheet_of_questions_without_a_header_is_no_note(tmp_path: Path):
    rows = [["怎么退货？", "七天内可退。"], ["怎么开票？", "下单勾选。"], ["几天到？", "三天。"]]
    write_xlsx(tmp_path / "a.xlsx", {"一": [HEADER, ["a？", "b"]], "二": rows})
    [fault] = faults(read(tmp_path / "a.xlsx"))
    assert (fault.severity, fault.field) == ("error", "header")
    assert "--map question=1,answer=2" in fault.expected


def test_columns_of_a_workbook_go_by_number_too(tmp_path: Path):
    rows = [["怎么退货？", "七天内可退。"], ["怎么开票？", "下单勾选。"]]
    write_xlsx(tmp_path / "a.xlsx", {"一": rows})
    assert len(pairs(read(tmp_path / "a.xlsx", question="1", answer="2"))) == 2


def test_where_no_sheet_has_a_header_each_is_a_fault(tmp_path: Path):
    write_xlsx(
        tmp_path / "a.xlsx", {"一": [["x", "y"], ["a", "b"]], "二": [["x", "z"], ["a", "b"]]}
    )
    assert [each.field for each in faults(read(tmp_path / "a.xlsx"))] == ["header", "header"]
