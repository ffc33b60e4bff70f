"""Where somebody is reached online: e-mail, WeChat and QQ."""

import re

from .kind import Kind, all_of, by_patterns, where
from .signs import DIGITS, Signs

WECHAT_WORD = r"(?:[微威薇徽]\W?[信芯]|[加➕+＋]微|卫星号)"
# Python's patterns are fast where they begin with a class: its words, by their first letters.
FIRST = "[微威薇徽加➕+＋卫vVwW]"
RESTS = (
    r"(?<=[微威薇徽])\W?[信芯]|(?<=[加➕+＋])微|(?<=卫)星号"
    r"|(?<=[wW])(?:e[cC]hat|eixin)|(?<=W)(?:ECHAT|EIXIN)|(?<=[vV])信|(?<=[vVwW])[xX](?<![A-Za-z]..)"
)
ADD = r"[加➕+＋]\s?我?的?"
IS = r"[\s:：=＝是为】|*“\"(（]{0,4}"
WECHAT_ID = r"(?P<it>[A-Za-z][-\w]{5,19}|\d{5,12})(?![-\w@])"
UNLIKE_A_WORD = r"(?P<it>(?=[A-Za-z-]*[\d_])[-\w]{6,20})(?![-\w@])"
NO_APP = r"(?!(?i:android|iphone|windows|wechat|weixin|ipados|macos|harmony|python|widgets))"
OTHER_USE = r"(?!支付|小程序|公众|群|登录|转账|红包|版)"

QQ_WORD = r"(?:[qQ]{2}(?<![A-Za-z][qQ]{2})|ＱＱ|扣扣|抠抠|球球|企鹅)"
NO_AMOUNT = r"(?![\d@元块万人次个])"
QQ_NUMBER = rf"(?P<it>[1-9]\d{{4,10}}){NO_AMOUNT}"

E_MAIL = Kind(
    "e-mail",
    "邮箱",
    Signs("@"),
    by_patterns(
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[A-Za-z]{2,}(?!\w)", re.ASCII),
    ),
)
WECHAT = Kind(
    "WeChat number",
    "微信号",
    Signs(
        "微信|威信|薇信|徽信|微芯|卫星号|WeC|Wec|weC|wec|WEC|Weixin|weixin|WEIXIN",
        (
            r"[加➕+＋]\s?我?的?[vV薇微]",
            r"[vV微][:：=（(信]",
            r"[微威薇徽]\W[信芯]",
            r"[vVwW](?<![A-Za-z].)[xX]",
        ),
    ),
    all_of(
        by_patterns(
            # behind what can be nothing but a label, or a colon: anything,
            re.compile(
                rf"{FIRST}(?:{RESTS})\s?(?:号码?|[账帐]号|[iI][dD]|number(?!\]))(?:\sis\b)?"
                rf"{IS}{WECHAT_ID}",
                re.ASCII,
            ),
            re.compile(
                rf"{FIRST}(?:{RESTS}|(?<![A-Za-z\d].)(?<=[vV微])|(?<=[加➕+＋])\s?我?的?[vV薇])"
                rf"\s?[:：=＝（(]\s?{WECHAT_ID}",
                re.ASCII,
            ),
            # behind the word alone what is no other program,
            re.compile(
                rf"{FIRST}(?:{RESTS})(?:\s?[是为]|\sis)?\s?{NO_APP}(?!number\b){WECHAT_ID}",
                re.ASCII,
            ),
            re.compile(r"wxid_(?<!\w.....)\w{6,20}", re.ASCII),
        ),
        # further behind, or behind less, what is no word,
        where(
            "[微威薇徽加➕+＋卫]",
            by_patterns(
                re.compile(rf"{ADD}[vV薇]\s?{UNLIKE_A_WORD}", re.ASCII),
                re.compile(
                    rf"{WECHAT_WORD}{OTHER_USE}[^\n\dA-Za-z。！]{{1,12}}{UNLIKE_A_WORD}", re.ASCII
                ),
            ),
        ),
        # and before it.
        where(
            "微信",
            by_patterns(
                re.compile(
                    rf"(?<![-\w@.]){WECHAT_ID}"
                    r"(?=\s?(?:(?:这个|就)?是我?的?|[（(]|[,，]?\s?加我?)(?:个人)?微信)",
                    re.ASCII,
                )
            ),
        ),
    ),
)
QQ = Kind(
    "QQ number",
    "QQ号",
    DIGITS,
    where(
        r"[qQＱ扣抠球企](?<![A-Za-z].)(?:[qQＱ号號:：\s\d]|(?<=[扣抠球企])[扣抠球鹅:：])",
        by_patterns(
            re.compile(
                rf"(?:{QQ_WORD}|[qQ][号號]|{ADD}[qQ])"
                r"(?:/?TIM|应该|number|is|[\s:：=＝】|*“\"(（号號码碼账帐就是为係]){0,6}"
                + QQ_NUMBER
            ),
            re.compile(rf"(?:(?<![A-Za-z])[qQ]|扣)[:：]\s?(?P<it>[1-9]\d{{5,10}}){NO_AMOUNT}"),
            re.compile(
                rf"{QQ_WORD}(?!群|邮箱|飞车|音乐)[^\n\dA-Za-z。！？群]{{1,10}}(?P<it>[1-9]\d{{5,10}})"
                rf"{NO_AMOUNT}"
            ),
            re.compile(
                rf"(?<![\d.@A-Za-z])(?P<it>[1-9]\d{{4,10}})(?:(?:这个)?[是就为]|[（(])(?:我的?)?"
                rf"{QQ_WORD}(?!群)"
            ),
        ),
    ),
)
