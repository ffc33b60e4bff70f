"""Where somebody is reached online: e-mail, WeChat and QQ."""

import re

from .kind import DIGITS, Kind, by_patterns

IS = r"[\s:：=＝是为】|*“\"(（]{0,4}"
LATIN = r"(?:[wW]e[cC]hat|[wW]eixin|W(?:ECHAT|EIXIN))"
SHORT = rf"(?:{LATIN}|[vVwW][xX](?<![A-Za-z]..))"
WECHAT_ID = r"(?P<it>[A-Za-z][-\w]{5,19}|\d{5,12})(?![-\w@])"
UNLIKE_A_WORD = r"(?P<it>(?=[A-Za-z-]*[\d_])[-\w]{6,20})(?![-\w@])"

E_MAIL = Kind(
    "e-mail",
    "邮箱",
    "@",
    (),
    by_patterns(
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[A-Za-z]{2,}(?!\w)", re.ASCII),
    ),
)
WECHAT = Kind(
    "WeChat number",
    "微信号",
    (
        "微信|威信|薇信|V信|v信|VX|Vx|vx|WX|Wx|wx|WeC|Wec|weC|wec|WEC|Weixin|weixin|WEIXIN"
        "|加V|加v|加我V|加我v|加薇|加我薇|+V|+v|+我v|+我V|➕"
    ),
    (),
    by_patterns(
        re.compile(  # behind what can be nothing but a label: anything,
            r"(?:[微威薇]信(?:号码?|[账帐]号|\s?[iI][dD])|(?<![A-Za-z\d])[vV]信号?|薇信号?"
            r"|[加➕+](?:一下)?我?的?(?:个人)?微信|我的?(?:个人)?微信[是为]"
            rf"|{LATIN}\s?(?:号码?|[iI][dD]|number)(?:\sis\b)?){IS}{WECHAT_ID}",
            re.ASCII,
        ),
        re.compile(  # behind what is also a word of its own: after a colon,
            rf"(?:微信|{SHORT}号?|[加➕+]我?[vV薇])"
            rf"\s?[:：=＝]\s?{WECHAT_ID}",
            re.ASCII,
        ),
        re.compile(  # or without one where it is no word.
            rf"(?:微信|{SHORT}号?|[加➕+]我?[vV薇])"
            rf"(?:\s?[是为]|\sis)?\s?{UNLIKE_A_WORD}",
            re.ASCII,
        ),
        re.compile(r"(?<!\w)wxid_\w{6,20}", re.ASCII),
    ),
)
QQ = Kind(
    "QQ number",
    "QQ号",
    "",
    (DIGITS,),
    by_patterns(
        re.compile(
            r"(?:[qQ]{2}(?<![A-Za-z]..)(?:号码?|[账帐]号)?|扣扣号?|企鹅号?|[qQ]号|[加➕+]我?[qQ])"
            rf"(?:\s?(?:number\s?)?is)?{IS}(?P<it>[1-9]\d{{4,10}})(?![\d@])"
        ),
    ),
)
