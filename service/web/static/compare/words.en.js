// What a comparison says, in English.
export const words = {
  "compare.add": "Add a model",
  "compare.answers": "Answers side by side",
  "compare.hint": "Ask one question and see the answers of several models side by side, all with the same seed.",
  "compare.model": "Model {number}",
  "compare.pick": "This one is better",
  "compare.picked": "Picked as better",
  "compare.remove": "Remove model {number}",
  "compare.seed": "Seed {seed}",
  "compare.write": "Ask all of them",
};
