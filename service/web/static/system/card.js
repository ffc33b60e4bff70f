// What a version was made of, as its card says it.
import { t } from "../shared/i18n.js";
import { asBytes, asDay, asNumber } from "./facts.js";

const METHODS = { sft: "SFT", dpo: "DPO", kto: "KTO" }; // "auto" says nothing
const LOSSES = ["held_out_loss_base", "held_out_loss_adapter"];
const SAID = [...LOSSES, "num_steps", "best_step"]; // metrics that have rows of their own

/** One line: the data and how much of it; null: the card does not say. */
export function trainedOn(card) {
  if (!card?.data) return null;
  const { source, num_conversations: count } = card.data;
  return t("system.trained_on", { source, count: asNumber(count) });
}

/** Rows of names and values. */
export function rowsOf({ created, num_bytes: size }, card) {
  return [
    ...(card ? [...dataRows(card), ...madeRows(card), ...metricRows(card.metrics)] : [[t("system.data"), t("system.no_card")]]),
    [t("system.created"), asDay(created)],
    [t("system.size"), asBytes(size)],
  ];
}

function dataRows({ data, imported }) {
  const held = data && (data.held_out_source ? `${asNumber(data.num_held_out)} (${data.held_out_source})` : asNumber(data.num_held_out));
  return [
    [t("system.data"), data?.source],
    [t("system.imported"), imported?.source],
    [t("system.rows"), data && asNumber(data.num_conversations)],
    [t("system.trained"), data && asNumber(data.num_trained)],
    [t("system.held_out"), held],
  ];
}

function madeRows({ base, config }) {
  const { rank, alpha, quantize, use_rslora: isScaled, method, from_adapter: from } = config;
  const kind = [isScaled ? "rsLoRA" : quantize === "nf4" ? "QLoRA" : "LoRA", quantize, METHODS[method]];
  const isTrained = Boolean(rank);
  return [
    [t("system.base"), base.id],
    [t("system.method"), isTrained ? kind.filter((each) => each && each !== "none").join(", ") : null],
    [t("system.rank"), isTrained ? t("system.rank_is", { rank, alpha: alpha ?? 2 * rank }) : null],
    [t("system.from"), from],
  ];
}

function metricRows(metrics) {
  const [before, after] = LOSSES.map((name) => metrics[name]);
  const others = Object.entries(metrics).filter(([name]) => !SAID.includes(name));
  const steps = { count: metrics.num_steps, best: metrics.best_step };
  return [
    [t("system.loss"), after === undefined ? null : `${asNumber(before, 3)} → ${asNumber(after, 3)}`],
    [t("system.steps"), steps.best === undefined ? steps.count : t("system.steps_of", { ...steps, count: steps.count ?? "?" })],
    ...others.map(([name, value]) => [name.replaceAll("_", " "), asNumber(value, 3)]),
  ];
}
