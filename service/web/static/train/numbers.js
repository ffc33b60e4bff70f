// Times, sizes and losses as people read them.
import { t } from "../shared/i18n.js";

const MINUTE = 60; // [seconds]
const HOUR = 3600;

export function asTime(seconds) {
  if (seconds < 90) return t("train.seconds", { count: Math.max(1, Math.round(seconds)) });
  if (seconds < 1.5 * HOUR) return t("train.minutes", { count: Math.round(seconds / MINUTE) });
  return t("train.hours", { count: (seconds / HOUR).toFixed(1) });
}

export function asBytes(bytes) {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function asLoss(loss) {
  return loss.toFixed(loss < 0.1 ? 4 : 3);
}
