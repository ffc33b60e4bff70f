"""Addresses."""

import pytest

from data.personal import find_personal


def addresses_in(text: str) -> list[str]:
    return [
        text[found.begin : found.end]
        for found in find_personal(text)
        if found.kind.name == "address"
    ]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "我住在北京市朝阳区建国路88号院3号楼2单元501室",
            "北京市朝阳区建国路88号院3号楼2单元501室",
        ),
        ("寄到浙江省杭州市西湖区文三路100号，谢谢", "浙江省杭州市西湖区文三路100号"),
        ("地址：浙江省 杭州市 西湖区 文三路 100号", "浙江省 杭州市 西湖区 文三路 100号"),
        ("我在苏州市平江区人民路12弄3号住", "苏州市平江区人民路12弄3号"),
        ("建国路八十八号", "建国路八十八号"),
        ("广东省广州市天河区陈路A座 510000", "广东省广州市天河区陈路A座 510000"),
        ("住阳光小区3栋2单元501室，三楼", "阳光小区3栋2单元501室"),
        ("送到3栋502", "3栋502"),
        ("河南省周口市太康县王集乡李庄村", "河南省周口市太康县王集乡李庄村"),
        ("家住幸福小区，离医院近", "幸福小区"),
        ("中华北大街68号鹿城商务中心6号楼1413室", "中华北大街68号鹿城商务中心6号楼1413室"),
        (
            "I live at 12 Maple Street, Springfield, IL 62704.",
            "12 Maple Street, Springfield, IL 62704",
        ),
        ("ship to 350 5th Avenue Apt 4B", "350 5th Avenue Apt 4B"),
        ("1234 Wells Branch\nAustin, TX 78701", "1234 Wells Branch\nAustin, TX 78701"),
        ("Unit 1234 Box 5678\nDPO AE 09123", "Unit 1234 Box 5678\nDPO AE 09123"),
        ("P.O. Box 123, Reno, NV 89501", "P.O. Box 123, Reno, NV 89501"),
    ],
)
def test_addresses_are_found_down_to_the_house(text: str, address: str):
    assert addresses_in(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "我住在北京市海淀区",  # a district is many people's
        "我在公路3号桥附近摔了",
        "坐地铁2号线，4号口出",
        "电路2号板坏了",
        "住院部3号楼12层",
        "5月3号复查，2号出院",
        "每天走路10公里",
        "3号床的病人",
        "放在2层，室温保存",
        "11 Speed chain, 2 Years old",
        "I rode 20 Miles to the Market",
        "see page 12",
    ],
)
def test_other_places_and_numbers_are_no_addresses(text: str):
    assert addresses_in(text) == []
