"""WeChat's messages as rows."""

from io import StringIO

import pytest

from data.conversation import Item
from data.reading.tables import read_csv
from tests.data.reading.items import faults_of, settled, texts_of

HEADER = "localId,TalkerId,Type,SubType,IsSender,CreateTime,Status,StrContent,StrTime\n"


def read(*rows: str, header: str = HEADER) -> list[Item]:
    return settled(read_csv(StringIO(header + "".join(f"{row}\n" for row in rows)), "a.csv", {}))


def test_the_owner_of_the_account_answers_and_this_is_said():
    items = read("1,3,1,0,0,1704074400,3,头晕,", "2,3,1,0,1,1704074430,2,先量血压。,")
    assert texts_of(items) == [[("user", "头晕"), ("assistant", "先量血压。")]]
    [warning] = faults_of(items)
    assert warning.seen == (
        "IsSender 1 (1 messages) was taken for the assistant, 0 (1) for the user"
    )


def test_chats_of_an_account_are_not_mixed_and_pauses_divide_them():
    items = read(
        "1,3,1,0,0,1704074400,3,a,",
        "2,4,1,0,0,1704074401,3,b,",
        "3,3,1,0,1,1704074402,2,c,",
        "4,4,1,0,1,1704074403,2,d,",
        "5,3,1,0,0,1704160800,3,e,",
        "6,3,1,0,1,1704160801,2,f,",
    )
    assert [[text for _, text in one] for one in texts_of(items)] == [
        ["a", "c"],
        ["e", "f"],
        ["b", "d"],
    ]
    assert [(fault.line, fault.kind) for fault in faults_of(items)] == [
        (1, "speakers"),
        (6, "pause"),
    ]


@pytest.mark.parametrize("kind", ["3", "34", "43", "47", "49", "50"])
def test_what_is_no_text_is_left_out_and_counted(kind: str):
    items = read(
        "1,3,1,0,0,1704074400,3,a,",
        f'2,3,{kind},0,0,1704074401,3,"<msg><img x=""1""/></msg>",',
        "3,3,1,0,1,1704074402,2,b,",
    )
    assert texts_of(items) == [[("user", "a"), ("assistant", "b")]]
    assert [(fault.line, fault.kind) for fault in faults_of(items)] == [
        (3, "media"),
        (1, "speakers"),
    ]


def test_text_may_be_json_and_times_may_be_written_out():
    header = "id,type_name,is_sender,talker,room_name,content,CreateTime\n"
    row = '{number},文本,{sender},x,y,"{{""src"": """", ""msg"": ""{text}""}}",2024-01-0{day} 10:00'
    items = read(
        row.format(number=1, sender=0, text="a", day=1),
        row.format(number=2, sender=1, text="b", day=1),
        row.format(number=3, sender=0, text="c", day=2),
        row.format(number=4, sender=1, text="d", day=2),
        header=header,
    )
    assert [[text for _, text in one] for one in texts_of(items)] == [["a", "b"], ["c", "d"]]


def test_a_row_may_have_less_or_more_cells_than_the_header():
    items = read("1,3,1,0,0,1704074400,3,a", "2,3,1,0,1,1704074402,2,b,2024-01-01 10:00:02,9")
    assert texts_of(items) == [[("user", "a"), ("assistant", "b")]]


def test_a_row_that_does_not_say_who_wrote_is_an_error():
    items = read(
        "1,3,1,0,0,1704074400,3,a,",
        "2,3,1,0,?,1704074401,3,b,",
        "4,3,1,0,1,1704074402,2,e,",
    )
    errors = [fault for fault in faults_of(items) if fault.severity == "error"]
    assert [(fault.line, fault.field) for fault in errors] == [(3, "IsSender")]


def test_a_table_of_media_alone_is_an_error():
    *_, error = faults_of(read("1,3,3,0,0,1704074400,3,x,"))
    assert error.seen == "no text"
