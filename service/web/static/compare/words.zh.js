// What a comparison says, in Chinese.
export const words = {
  "compare.add": "增加一个模型",
  "compare.answers": "并排的回答",
  "compare.hint": "提一个问题，并排查看几个模型的回答；所有模型使用同一个随机种子。",
  "compare.model": "模型 {number}",
  "compare.pick": "这个更好",
  "compare.picked": "已选为更好",
  "compare.remove": "去掉模型 {number}",
  "compare.seed": "随机种子 {seed}",
  "compare.write": "向所有模型提问",
};
