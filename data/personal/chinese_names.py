"""Names of people in Chinese characters, where a word before or behind them says what they are."""

import re
from itertools import chain

from .kind import HAN, Spans

# The surnames of nearly everybody, the commonest first.
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚"
    "卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤常温康施文"
    "牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿兰焦俞左柳甘包宁尚符舒阮柯纪梅童凌毕单季裴霍涂苗谷盛曲翁冉"
    "骆蓝游辛靳柴蒙鲍华喻祁蒲滕屈饶牟艾尤穆农司卓古吉缪简项连芦褚娄窦戚岑景党宫费卜冷晏席卫柏宗瞿桂佟臧闵苟邬"
    "边卞姬仇栾隋刁沙荣巫寇桑郎甄丛仲虞敖巩佘池查麻苑迟邝封谈匡鞠惠荆冀郁胥储粟燕楚鄢劳谌奚皮冼蔺楼厉伊郜阚花"
    "帅屠朴练廉禹井祖漆巴丰支狄平索宣晋容敬扈晁芮阙浦戈伏鹿薄邸雍辜羊裘修邰赫杭况宿鲜茹危嵇宾戎揭尉冶斯束檀"
    "诸陶傅嵇谯钮暴幸印习寿蓟濮钦牧墨商谯竺权巢蒯佴红钭逄闾丘覃仵逯晋訾笪"
)
# Those that are also words which stand before names (于, 向, 和) or begin others.
WORD_SURNAMES = "于向关应成全明国解管强盖路车房水云海米麦乐祝"
COMPOUND_SURNAMES = (
    "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|轩辕|令狐|钟离|宇文|长孙|慕容|鲜于|闾丘|司徒|司空|南宫|西门|东郭|百里"
    "|呼延|端木|独孤|澹台|淳于|太史|申屠|夏侯|第五"
)
# What given names are made of, without what also begins the word that may follow one.
GIVEN = (
    "丽亚京亮仁伟伦佩佳俊俏倩健元兆光克兰兴冬冰冲凌凡凤凯刚利力勇勤华卉卓博卫友双可叶君吟启哲善喜嘉圆圣坚坤培壮"
    "声夏奇奎奕妍妙妮妹姗姣姿威娅娇娜娟婉婕婧婵婷媛嫣嫦子存孝学宁宇宏宗宛宜宝宸家容宾富尧山岚岩岭峰峻嵘川巍巧"
    "希帅帆平广庆康庭延建弘强彤彦彩影彬彪征德心忠志怀怡思恒恩悦惠慧慈懿成振捷敏敬文斌新方旭昊昌明春昕昭晋晓晗晨"
    "景晴晶智曦曼月朋朝朗木权杰松林枫柏柔柯柳栋树桂桐梁梅梓梦楠楷榕欢欣歌正武殿毅民永汉江沁沛河泉泓波泽泰洁洋洪"
    "津洲浩海涛润涵淑淇淼清渊渝源溪滔滢漫潇澄澜瀚灵炜炳烁烨焕煜煊照熙燕爱爽牧玄玉玟玥玮玲珂珊珍珠珺琦琪琬琳琴"
    "琼瑜瑞瑶瑾璇璐璟璞生畅皓盈盛真睿瞳硕磊礼祖祥禄福禹秀秋秉穆立竹筠筱红纯维绍缘美翔翠耀聪育舒航良艳艺艾芊芙"
    "芝芬芮芯芳芷芸苏苑苗若英茂茜茵荃荣荷莉莎莲莹菁菊菡菲萌萍萱蓉蓓蓝蔓蔚蕊蕾薇虎虹裕诗诚语谦豪贝贤贵赫超跃辉辰"
    "达进远逸邦郁金鑫钊钢钦钧铁铭银锋锐锦镇长阳隆隽雁雄雅雨雪雯雷震霄霖霞露青静韵顺颂颖风飞馨香骁骏鸣鸿鹃鹏鹤麒"
    "麟黎龙义之云仪依修东丰丹亦亭传佑侠军冠冉勋千升南卿厚吉咏品墨尉展峥嵩廷开彧念想承拓挺星映晏晖晟曙柱栩桃楚"
    "樱歆沐泊洛淳潮焱然熠爵琛琰琢瑛璋甫略登益祺程稳童笛简素纪纬绪罡群翰翊耘胜臻芃荔莺葆葵蕙虔衡诺轩迎迪铮锡钰铎"
    "陆颐驰骅骥鹰黛小娥花杨兵岗淮全根贞秦仙发宽锁喜占国土其仔昂栖滨湘珑璨筝绮翎芹荟莞萧蒙蓬雍雲霓颢嵘晞暄暖曜"
    "沅湉澍灏炫琸皎祎祯绎菱菀蔷裳诣谊骐贻迅道遥邵钱霆韬鲁"
)
# Two such characters that are words as well.
WORDS = frozenset(
    re.findall(
        "..",
        "高兴高明高雅高贵高清高新高峰高山高达安全安静安心安康安宁安然安庆安阳平安平静康乐温和"
        "温柔温馨温泉文明文雅文静文学文艺方正方子万一万全万达万宁金银金华金山金龙金花白云白金"
        "白子白英白花黄山黄金宁波宁静宁德江南江苏江山成功成长成立和平和善和好任其全力全国全家"
        "全美全新全心石英石子石花花生花木花香花园海南海洋明星明月明亮明显时光卫生华丽华美单一"
        "单纯单元雷达雷公龙凤龙虎武汉武艺武力季春夏至舒心舒畅舒展贺喜敬爱梅花麻利凌晨国庆国家"
        "国立国美水平水利水仙管家管道强力强壮柏林柏子沙龙麦子毛利毛线房子车子幸福幸运农民农家"
        "权利权威左右顾家景色景天谷子黎明商家丰富丰厚红花红利史学易学易于叶子桂花桂香常山苏子"
        "苏叶乔木桑叶荆芥杜仲杨梅巴豆丁香丁克边缘项目相当关节关心向上经典应有计生都有满意满月"
        "解放",
    )
)

PERSON = (
    r"(?:本人|患者|病人|孩子|宝宝|[儿妻]子|[女患]儿|老[公婆人]|丈夫|爱人|[爷奶爸妈姥][爷奶爸妈姥]|父亲|母亲"
    r"|外[公婆]|[哥弟姐妹]{2}|朋友|同[事学]|邻居|客户|学生|医生|大夫|老师|家[属长]"
    r"|[产孕]妇|会员|学员|员工|用户)"
)
LABEL = (  # of a form's field
    r"(?:姓\s{0,4}名|联[系络]人|[收寄发取]件人|收货人|户[主名]|持卡人|监护人|代表人|经办人|[投被]?保险?人|受益人|就诊人|预约人"
    r"|申请人|负责人|当事人|车主|业主|签[名字]|署名)"
)
COLON = r"[】）)\s*”\"]{0,3}[:：=＝|][\s*“\"【]{0,3}"
TITLE = (
    r"(?:女士|先生|小姐(?!姐)|同志|同学|老师|医[生师]|大夫|主任|教授|护士|院长|经理|阿姨|叔叔|大[爷妈]"
    r"|奶奶|爷爷)(?!们)"
)
MOBILE = r"1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
END = rf"(?![{HAN}])"  # of a run of characters
HAN_CHARACTER = re.compile(f"[{HAN}]")

# Behind a sure word: any two characters up to where the run ends, within a run typical ones.
ANY = rf"(?:(?![的了是在和与男女岁年月日号先医护老电性某您你我他她说想要])[{HAN}])"
SURE = re.compile(
    rf"[叫名字人主](?:(?<=叫)做?|(?<=[名字人主])(?:{COLON}|[是为叫]))[\s:：“\"「]{{0,2}}"
    rf"(?P<it>[{HAN}]{{1,6}}(?:[·•・][{HAN}]{{1,8}}){{1,3}}|[A-Z][a-z]+(?: [A-Z][a-z]+){{0,2}}"
    rf"|(?:{COMPOUND_SURNAMES}|[{SURNAMES}]){ANY}{{1,2}}{END}"
    rf"|(?:{COMPOUND_SURNAMES}|[{SURNAMES}{WORD_SURNAMES}])[{GIVEN}]{{1,2}})"
)
SURE_WORD = re.compile(
    rf"(?:(?:[我他她]|{PERSON})(?:的名字)?[就也是]?叫做?|[我他她子儿]的?名字[是为叫]|{LABEL}(?:{COLON}|[是为叫]))"
    r"[\s:：“\"「]{0,2}\Z"
)
# Behind 姓名 it may be a surname that is not known here.
FIELD = re.compile(
    rf"姓\s{{0,4}}名{COLON}(?P<it>(?!保密|匿名|未知|不详|暂无|没有|必填|选填){ANY}{{2,4}}){END}"
)

# Elsewhere it must look like a name, and so must what stands around it.
FOLLOWING = (
    rf"(?:{END}|(?=[的是在和与也想现男女患因于曾说问近有就来出住电您你我他她吧好行这那从已到要去被自需反昨突无诉入]"
    r"|今年|最近|手机|身份|性别|年龄|目前|可以|即可))"
)
ALONE = (  # what stands behind a name on its own
    rf"(?=\s?[，,、/|（( ]\s?(?:性别[:：]?\s?)?[男女]性?{END}"
    rf"|[\s，,、:：（(]{{0,3}}(?:(?:联系)?(?:电话|手机)号?码?[\s:：是]{{0,2}})?{MOBILE})"
)
LIKELY = tuple(
    re.compile(
        rf"{surname}(?:(?P<titled>[{GIVEN}]{{1,2}}(?={TITLE}))|(?P<alone>[{GIVEN}]{{1,2}}{ALONE})"
        rf"|(?P<bounded>[{GIVEN}]{{1,2}}{FOLLOWING})|[{GIVEN}]{{2}})"
    )
    for surname in (rf"[{SURNAMES}{WORD_SURNAMES}](?<![谢感致]谢)", f"(?:{COMPOUND_SURNAMES})")
)
LIKELY_WORD = re.compile(
    rf"(?:[叫喊]我|称呼我|[我这]是|名叫|名字叫|{LABEL}"
    rf"|{PERSON}(?:{COLON}|[是叫名])?"
    rf"|{MOBILE}[\s，,、]{{1,2}})[\s“\"]?\Z"
)
WIDEST = 20  # [characters] of the words before a name that matter


def find_names(text: str) -> Spans:
    for match in FIELD.finditer(text):
        yield match.span("it")
    for match in SURE.finditer(text):
        begin = match.start("it")
        if match["it"] not in WORDS and SURE_WORD.search(text, max(0, begin - WIDEST), begin):
            yield match.span("it")
    for match in chain.from_iterable(pattern.finditer(text) for pattern in LIKELY):
        is_word = match[0] in WORDS or (match.lastgroup is None and match[0][:2] in WORDS)
        if not is_word and _is_shown(match):
            yield match.span()


def _is_shown(match: re.Match[str]) -> bool:
    """Whether what stands around it says that it is a name."""
    text, begin = match.string, match.start()
    if LIKELY_WORD.search(text, max(0, begin - WIDEST), begin):
        return True
    is_in_run = bool(HAN_CHARACTER.match(text, begin - 1)) if begin else False
    if is_in_run and (match["titled"] is None or match[0][0] in WORD_SURNAMES):
        return False
    return match["titled"] is not None or match["alone"] is not None
