// What a job is called, how it is, and why it has failed, in words.
import { html } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { Plain } from "../text/marks.js";

const FAILURES = [
  "disk_full",
  "file_not_found",
  "internal_error",
  "invalid_file_format",
  "invalid_n_examples",
  "invalid_training_file",
  "model_not_loaded",
  "training_failed",
  "worker_died",
];

export function nameOf(job) {
  return job.fine_tuned_model ?? job.user_provided_suffix ?? job.model;
}

export function Status({ status }) {
  return html`<span class=${`train-status ${status}`}>${t(`train.status.${status}`)}</span>`;
}

/** Its meaning in the page's words, and the server's own, which says where and how much. */
export function Failure({ error }) {
  const code = FAILURES.includes(error.code) ? error.code : "internal_error";
  return html`<div class="problem train-failure">
    <p>${t(`train.failed.${code}`)}</p>
    <p class="detail" dir="auto"><${Plain} text=${error.message} /></p>
  </div>`;
}
