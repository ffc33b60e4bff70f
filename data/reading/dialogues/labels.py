"""Words before a colon that are no roles: of records, of other speakers, within answers."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They tell of the record, whoever speaks in it.
FIELDS = _words("""
    编号 編號 序号 科室 科别 来源 來源 出处 链接 網址 网址 发布时间 更新时间 发表时间 提问时间
    回答时间 咨询时间 创建时间 就诊时间 记录时间 日期 点击 点击量 浏览 浏览量 阅读 阅读量 点赞
    点赞数 作者 编辑 责任编辑 审核 校对 病例 病例号 病历号 门诊号 住院号 就诊号 单号 工单 工单号
    订单号 会话 会话id 状态 满意度 评分 评价 标签 关键词 分类 类别 栏目 所属科室 医院 病情描述
    疾病 希望获得的帮助 希望得到的帮助 id url uri link source date created updated category
    department tags tag keywords author editor status views likes published score rating ticket
    case record file session channel topic dialogue description doctorid patientid timestamp
""")
# They may ask, answer or come in between: what they say is somebody else's.
PERSONS = _words("""
    护士 護士 家属 家屬 药师 藥師 药剂师 母亲 父亲 妈妈 爸爸 家长 家長 丈夫 妻子 老公 老婆 儿子
    女儿 主持人 记者 學生 学生 老师 老師 教师 教練 教练 同学 技师 师傅 師傅 店员 店長 店长 经理
    經理 主管 顾问 顧問 旁白 导诊 分诊 助理 管理员 网友 楼主 路人 匿名 同事 朋友 陪同 亲属 监护人
    收银员 前台 机器人 nurse relative mother father mom mum dad parent wife husband son daughter
    host moderator narrator teacher student technician manager interviewer interviewee reporter
    pharmacist receptionist supervisor operator staff guest speaker admin administrator friend
    colleague caregiver guardian shopkeeper cashier clerk owner visitor caller
""")
# Parts of an answer, as prescriptions, recipes and instructions have them.
PARTS = _words("""
    用法 用量 用法用量 注意 注意事项 功效 功用 组成 处方 方药 方剂 禁忌 建议 主治 说明 提示
    温馨提示 原因 治疗 治法 治则 辨证 证型 病因 病机 舌象 脉象 舌脉 分析 病情分析 指导意见
    指导建议 意见建议 处理 饮食 运动 穴位 取穴 做法 步骤 材料 配料 方法 例如 例 比如 总之 结论
    总结 备注 附 附注 优点 缺点 症状 表现 检查 预防 食疗 药物 中药 西药 中成药 推荐 另外 此外 首先
    其次 再次 最后 第一 第二 第三 第四 第五 其一 其二 其三 一是 二是 三是 早上 中午 晚上 早餐 午餐
    晚餐 加减 按语 按 注 诊断 起居 情志 调护 食物 答复 补充 note notes tip tips hint example
    examples warning caution remember important dosage usage ingredients steps step method result
    results summary conclusion pros cons why how when where reason reasons cause causes treatment
    symptoms diet advice also first second third finally next then tools parts price cost time ps
    p.s answer
""")
