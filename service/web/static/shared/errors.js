// What an error means for whoever sits in front of the page.
import { t } from "./i18n.js";

const BY_STATUS = {
  0: "error.unreachable",
  401: "error.key",
  403: "error.forbidden",
  404: "error.gone",
  413: "error.too_large",
  429: "error.busy",
  500: "error.server",
  503: "error.away",
  504: "error.deadline",
  507: "error.disk",
};
const BY_CODE = { model_not_found: "error.model", context_length_exceeded: "error.too_long" };

/** Its meaning in the page's words, and the server's own where there are any. */
export function explain(error) {
  const key = BY_CODE[error.code] ?? BY_STATUS[error.status] ?? "error.refused";
  const wait = error.wait ? ` ${t("error.wait", { seconds: error.wait })}` : "";
  return { meaning: t(key) + wait, detail: error.message || null };
}
