// The losses by step, drawn; and in words and as a table for who does not see the drawing.
import { html } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { asLoss } from "./numbers.js";

const [WIDTH, HEIGHT] = [640, 260]; // of the drawing, in its own units
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 24, 12, 44];
const MOST_POINTS = 300; // of a line; of more, the mean of neighbours is drawn
const MOST_TICKS = 5;

/** {step, total, loss, held} of each step, by its events; `held` null: not measured there. */
export function pointsOf(events) {
  const measured = events.filter(({ data }) => data);
  return measured.map(({ data }) => ({
    step: data.step,
    total: data.total_steps,
    loss: data.train_loss,
    held: data.full_valid_loss ?? null,
  }));
}

export function Curves({ points }) {
  const held = points.filter((each) => each.held !== null);
  const best = held.reduce((one, other) => (one && one.held <= other.held ? one : other), null);
  const losses = thin(points);
  const all = [...losses.map((each) => each.loss), ...held.map((each) => each.held)];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const x = scale(points[0].step, points.at(-1).step, LEFT, WIDTH - RIGHT);
  const y = scale(least, most, HEIGHT - BOTTOM, TOP);
  const line = (each, value) => each.map((point) => `${x(point.step).toFixed(1)},${y(value(point)).toFixed(1)}`).join(" ");
  return html`<figure class="train-curves">
    <figcaption>
      <span class="key loss">${t("train.loss")}</span>
      ${held.length > 0 && html`<span class="key held">${t("train.held")}</span>`}
    </figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${inWords(points, held, best)}>
      ${ticks(least, most).map((value) => html`<g>
        <line class="grid" x1=${LEFT} x2=${WIDTH - RIGHT} y1=${y(value)} y2=${y(value)} />
        <text class="y" x=${LEFT - 8} y=${y(value) + 4}>${Number(value.toPrecision(3))}</text>
      </g>`)}
      ${ticks(points[0].step, points.at(-1).step).filter(Number.isInteger).map((step) => html`
        <text class="x" x=${x(step)} y=${HEIGHT - BOTTOM + 22}>${step}</text>`)}
      <text class="x name" x=${(LEFT + WIDTH) / 2} y=${HEIGHT - 4}>${t("train.step")}</text>
      <polyline class="loss" points=${line(losses, (each) => each.loss)} />
      <polyline class="held" points=${line(held, (each) => each.held)} />
      ${held.map((each) => html`<circle class=${each === best ? "held best" : "held"} cx=${x(each.step)} cy=${y(each.held)} r=${each === best ? 6 : 3.5} />`)}
    </svg>
    ${best && html`<p>${t("train.best", { loss: asLoss(best.held), step: best.step })}</p>`}
    <details>
      <summary>${t("train.as_table")}</summary>
      <div class="train-table" tabindex="0" role="region" aria-label=${t("train.as_table")}>
        <table>
          <thead><tr><th scope="col">${t("train.step")}</th><th scope="col">${t("train.loss")}</th><th scope="col">${t("train.held")}</th></tr></thead>
          <tbody>${(held.length ? held : losses).map((each) => html`<tr>
            <td>${each.step}</td><td>${asLoss(each.loss)}</td><td>${each.held === null ? "–" : asLoss(each.held)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    </details>
  </figure>`;
}

function inWords(points, held, best) {
  const [first, last] = [points[0], points.at(-1)];
  const told = t("train.curve_words", { step: last.step, first: asLoss(first.loss), last: asLoss(last.loss) });
  if (!best) return told;
  return `${told} ${t("train.held_words", { first: asLoss(held[0].held), last: asLoss(held.at(-1).held) })} ${t("train.best", { loss: asLoss(best.held), step: best.step })}`;
}

function thin(points) {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size === 1) return points;
  const groups = [];
  for (let at = 0; at < points.length; at += size) groups.push(points.slice(at, at + size));
  const mean = (group) => group.reduce((sum, each) => sum + each.loss, 0) / group.length;
  return groups.map((group) => ({ ...group.at(-1), loss: mean(group) }));
}

function scale(from, to, start, end) {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

/** Round numbers between two. */
function ticks(from, to) {
  const rough = (to - from) / MOST_TICKS || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let value = Math.ceil(from / size) * size; value <= to + size / 1e6; value += size) found.push(Number(value.toPrecision(12)));
  return found;
}
