// Two calls side by side, and what differs in what was sent and what came back.

import { count, duration, getJson, h, pretty } from "./dom.js";

// More pairs of lines than this are not compared one by one.
const MOST = 4_000_000;

// The lines of two texts as [kind, line]: " " in both, "-" only in the first, "+" only in the second.
export function diff(one, other) {
  const a = one.split("\n"),
    b = other.split("\n");
  let start = 0,
    end = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const left = a.slice(start, a.length - end),
    right = b.slice(start, b.length - end);
  const middle =
    left.length * right.length > MOST
      ? [...left.map((line) => ["-", line]), ...right.map((line) => ["+", line])]
      : longestCommon(left, right);
  return [
    ...a.slice(0, start).map((line) => [" ", line]),
    ...middle,
    ...a.slice(a.length - end).map((line) => [" ", line]),
  ];
}

function longestCommon(left, right) {
  const width = right.length + 1;
  const lengths = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        left[i] === right[j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const lines = [];
  let i = 0,
    j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      lines.push([" ", left[i]]);
      i += 1;
      j += 1;
    } else if (j === right.length || (i < left.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      lines.push(["-", left[i]]);
      i += 1;
    } else {
      lines.push(["+", right[j]]);
      j += 1;
    }
  }
  return lines;
}

const NAMES = { "-": "remove", "+": "add", " ": "same" };

// Of lines that are in both, three on each side of a difference.
function shownDiff(lines) {
  if (lines.every(([kind]) => kind === " ")) return h("p", { class: "note" }, "No difference.");
  const isNear = (index) => lines.slice(Math.max(index - 3, 0), index + 4).some(([kind]) => kind !== " ");
  const block = h("div", { class: "diff" });
  let hidden = 0;
  const gap = () => {
    if (hidden) block.append(h("div", { class: "gap" }, `${hidden} equal lines`));
    hidden = 0;
  };
  lines.forEach(([kind, line], index) => {
    if (!isNear(index)) {
      hidden += 1;
      return;
    }
    gap();
    block.append(h("div", { class: NAMES[kind] }, `${kind} ${line}`));
  });
  gap();
  return block;
}

const requestOf = (detail) => pretty(detail.attempts[0]?.request?.text ?? "");
const outputOf = (detail) =>
  detail.output
    .flatMap((message) =>
      message.parts.map((part) =>
        part.kind === "text" ? part.text : `[${part.kind}${part.name ? ` ${part.name}` : ""}] ${part.text}`,
      ),
    )
    .join("\n") || pretty(detail.attempts.at(-1)?.response?.text ?? "");

function facts(one, other) {
  const rows = [
    ["Model", "model"],
    ["Provider", "provider"],
    ["Status", "status"],
    ["Attempts", "attempts"],
    ["Finish reason", "finish_reasons"],
    ["Took", "elapsed", duration],
    ["Response began", "time_to_head", duration],
    ["First event", "time_to_first_event", duration],
    ["Lost to retries", "retrying", (time) => (time ? duration(time) : "")],
    ["Input tokens", "input_tokens", count],
    ["From the cache", "cache_read_tokens", count],
    ["Output tokens", "output_tokens", count],
    ["Cost", "cost", (cost) => (cost === null ? "" : `$${cost}`)],
  ];
  const difference = (name, a, b) => {
    if (
      name === "status" ||
      a === null ||
      b === null ||
      a === "" ||
      b === "" ||
      Number.isNaN(Number(a)) ||
      Number(a) === 0
    )
      return "";
    const percent = Math.round((Number(b) / Number(a) - 1) * 100);
    return percent === 0 ? "" : `${percent > 0 ? "+" : "−"}${Math.abs(percent)} %`;
  };
  return h(
    "table",
    {},
    h(
      "tr",
      {},
      h("th", {}, ""),
      h("th", { scope: "col" }, one.id),
      h("th", { scope: "col" }, other.id),
      h("th", { scope: "col" }, "Difference"),
    ),
    rows.map(([title, name, shown = (value) => String(value ?? "")]) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, title),
        h("td", {}, shown(one[name])),
        h("td", {}, shown(other[name])),
        h("td", {}, difference(name, one[name], other[name])),
      ),
    ),
  );
}

export async function compare(section, first, second, close) {
  const [one, other] = await Promise.all([first, second].map((id) => getJson("call", { id })));
  section.replaceChildren(
    h("div", { class: "title" }, h("h2", {}, "Comparison"), h("button", { type: "button", click: close }, "Back")),
    facts(one.call, other.call),
    h("h3", {}, "What was sent"),
    shownDiff(diff(requestOf(one), requestOf(other))),
    h("h3", {}, "What came back"),
    shownDiff(diff(outputOf(one), outputOf(other))),
  );
}
