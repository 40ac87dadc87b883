// Plots as SVG: where the time of a call went, when its events came, and sums as bars.

import { count, duration, h, money, s } from "./dom.js";

// Round steps, so that an axis has about `most` of them.
function steps(end, most) {
  const rough = end / most || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= rough);
  const all = [];
  for (let at = 0; at <= end; at += step) all.push(at);
  return all;
}

// What the time of an attempt consists of: waiting for the response, then for the first event, then receiving; and the wait
// after a failure.
function partsOf(attempt, end) {
  const parts = [];
  const add = (kind, title, from, to) => {
    if (to > from) parts.push({ kind, title: `${title}: ${duration(to - from)}`, from, to });
  };
  const stop = attempt.failed ? attempt.failed.at : Math.max(attempt.end, end ?? 0);
  const head = attempt.head ? attempt.head.at : stop;
  add(attempt.head || !attempt.failed ? "wait" : "bad", "waiting for the response", attempt.at, head);
  const first = attempt.events.length ? attempt.events[0].at : head;
  add("think", "waiting for the first event", head, first);
  add(attempt.failed ? "bad" : "flow", attempt.failed ? "until it failed" : "receiving", first, stop);
  if (attempt.failed?.wait) add("pause", "waiting before the next attempt", stop, stop + attempt.failed.wait);
  return parts;
}

// Text in a plot keeps its size if the plot is as wide as its place.
const plotWidth = () => Math.min(640, innerWidth - 28);

export function waterfall(attempts, end) {
  const width = plotWidth(),
    left = 76,
    row = 26;
  const last = Math.max(end ?? 0, ...attempts.map((attempt) => attempt.end), 1);
  const x = (at) => left + (at / last) * (width - left - 28);
  const height = attempts.length * row + 26;
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Where the time went" });
  for (const at of steps(last, width > 500 ? 6 : 3)) {
    svg.append(s("line", { x1: x(at), x2: x(at), y1: 0, y2: height - 22, class: "grid-line" }));
    svg.append(s("text", { x: x(at), y: height - 8, "text-anchor": "middle" }, at === 0 ? "0" : duration(at)));
  }
  attempts.forEach((attempt, index) => {
    const y = index * row + 4;
    svg.append(s("text", { x: 0, y: y + 13, class: "label" }, `Attempt ${attempt.number}`));
    for (const part of partsOf(attempt, index === attempts.length - 1 ? end : undefined)) {
      const size = Math.max(x(part.to) - x(part.from), 1.5);
      const thin = part.kind === "pause" ? 6 : 0;
      svg.append(
        s(
          "rect",
          { x: x(part.from), y: y + thin, width: size, height: 18 - 2 * thin, rx: 2, class: `${part.kind}-fill` },
          s("title", {}, part.title),
        ),
      );
    }
    for (const event of sampled(attempt.events, 400)) {
      svg.append(s("line", { x1: x(event.at), x2: x(event.at), y1: y + 18, y2: y + 22, class: "tick" }));
    }
  });
  const legend = [
    ["wait", "until the response began"],
    ["think", "until the first event"],
    ["flow", "receiving, with events below"],
    ["bad", "failed"],
    ["pause", "wait before a retry"],
  ];
  return h(
    "div",
    {},
    svg,
    h(
      "p",
      { class: "legend" },
      legend.map(([kind, text]) =>
        h(
          "span",
          {},
          s("svg", { width: 10, height: 10 }, s("rect", { width: 10, height: 10, rx: 2, class: `${kind}-fill` })),
          text,
        ),
      ),
    ),
  );
}

function sampled(list, most) {
  const step = Math.ceil(list.length / most) || 1;
  return list.filter((_, index) => index % step === 0);
}

// The same for a row of the list, from what the list knows.
export function smallBar(call, longest) {
  const svg = s("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  const total = call.elapsed ?? 0;
  // By the square root, so that short calls next to long ones can still be seen.
  const x = (at) => Math.sqrt(at / longest) * 100;
  const head = Math.min(call.time_to_head ?? total, total);
  const first = Math.min(Math.max(call.time_to_first_event ?? head, head), total);
  const isBad = call.outcome === "failed";
  for (const [kind, from, to] of [
    ["bad", 0, Math.min(call.retrying, total)],
    ["wait", Math.min(call.retrying, head), head],
    ["think", head, first],
    [isBad ? "bad" : "flow", first, total],
  ]) {
    if (to > from)
      svg.append(
        s("rect", { x: x(from), y: 0, width: Math.max(x(to) - x(from), 1), height: 8, class: `${kind}-fill` }),
      );
  }
  return svg;
}

// Bars for each day, with the highest value at the top.
export function bars(rows, value, shown, label) {
  const width = plotWidth(),
    height = 150,
    top = 16,
    bottom = 20;
  const most = Math.max(...rows.map(value), 1e-12);
  const step = width / Math.max(rows.length, 8);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  svg.append(s("line", { x1: 0, x2: width, y1: height - bottom, y2: height - bottom, class: "grid-line" }));
  const every = Math.ceil(rows.length / 9);
  rows.forEach((row, index) => {
    const size = (value(row) / most) * (height - top - bottom);
    const x = index * step;
    svg.append(
      s(
        "rect",
        { x: x + step * 0.15, y: height - bottom - size, width: step * 0.7, height: size, rx: 2, class: "accent-fill" },
        s("title", {}, `${row.name}: ${shown(row)}`),
      ),
    );
    if (index % every === 0)
      svg.append(s("text", { x: x + step / 2, y: height - 6, "text-anchor": "middle" }, row.name.slice(5)));
    if (value(row) === most)
      svg.append(s("text", { x: x + step / 2, y: height - bottom - size - 4, "text-anchor": "middle" }, shown(row)));
  });
  return svg;
}

// A bar in a cell of a table.
export const share = (value, most) =>
  s(
    "svg",
    { width: 120, height: 10, "aria-hidden": "true" },
    s("rect", {
      width: most > 0 ? Math.max((value / most) * 120, value > 0 ? 1 : 0) : 0,
      height: 10,
      rx: 2,
      class: "accent-fill",
    }),
  );

export function totals(sums) {
  const { all, models, days } = sums;
  const card = (value, text) => h("div", { class: "card" }, h("b", {}, value), h("span", {}, text));
  const most = Math.max(...models.map((row) => Number(row.cost)), 0);
  const number = (value) => h("td", { class: "number" }, value);
  return [
    h("h2", {}, "Totals"),
    h(
      "div",
      { class: "cards" },
      card(count(all.calls), "calls"),
      card(count(all.failed), "failed"),
      card(money(all.cost) || "$0", "cost"),
      card(count(all.input_tokens), "input tokens"),
      card(count(all.output_tokens), "output tokens"),
      card(duration(all.elapsed), "of waiting"),
      card(duration(all.retrying), "lost to retries"),
    ),
    h(
      "div",
      { class: "plots" },
      h(
        "div",
        {},
        h("h3", {}, "Cost by day (UTC)"),
        bars(
          days,
          (row) => Number(row.cost),
          (row) => money(row.cost),
          "Cost by day",
        ),
      ),
      h(
        "div",
        {},
        h("h3", {}, "Calls by day (UTC)"),
        bars(
          days,
          (row) => row.calls,
          (row) => count(row.calls),
          "Calls by day",
        ),
      ),
    ),
    h("h3", {}, "By model"),
    h(
      "table",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Model"),
        ["Calls", "Failed", "Input", "Output", "Mean time", "Cost"].map((name) =>
          h("th", { scope: "col", class: "number" }, name),
        ),
        h("th", {}, ""),
      ),
      models.map((row) =>
        h(
          "tr",
          {},
          h("td", {}, row.name || "none"),
          number(count(row.calls)),
          number(count(row.failed)),
          number(count(row.input_tokens)),
          number(count(row.output_tokens)),
          number(duration(row.elapsed / row.calls)),
          number(money(row.cost)),
          h("td", {}, share(Number(row.cost), most)),
        ),
      ),
    ),
  ];
}
