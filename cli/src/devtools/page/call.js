// One call: where its time went, its messages, bodies and events, and its copies for other programs.

import { count, dateAndClock, duration, get, getJson, h, money, pretty, statusOf } from "./dom.js";
import { waterfall } from "./plots.js";

const TABS = ["Overview", "Messages", "Request", "Response", "Events", "Copy"];
const ALL = 16 * 1024 * 1024;
const EVENTS_AT_ONCE = 200;

let tab = "Overview";

export function chooseTab(name) {
  tab = TABS.find((known) => known.toLowerCase() === name) ?? tab;
}

// The parts of the page for a call. `actions` are compare(call) and close().
export function show(section, detail, actions) {
  const { call } = detail;
  const panel = h("div", { class: "panel", tabindex: "0", role: "tabpanel", "aria-label": tab });
  const select = (name) => {
    tab = name;
    for (const button of tabs.children) button.setAttribute("aria-selected", String(button.textContent === name));
    panel.setAttribute("aria-label", name);
    panel.scrollTop = 0;
    panel.replaceChildren(...[PANELS[name](detail, () => load(section, call.id, actions, ALL))].flat());
  };
  const tabs = h(
    "div",
    { class: "tabs", role: "tablist", "aria-label": "Parts of the call" },
    TABS.map((name) => h("button", { type: "button", role: "tab", click: () => select(name) }, name)),
  );
  const status = statusOf(call);
  section.replaceChildren(
    h(
      "div",
      { class: "title" },
      h("h2", {}, call.model || call.path || call.id),
      h("span", { class: status.isBad ? "badge bad" : "badge" }, status.text),
      h("button", { type: "button", click: () => actions.compare(call) }, "Compare"),
      h("button", { type: "button", "aria-label": "Close", click: actions.close }, "✕"),
    ),
    tabs,
    panel,
  );
  select(tab);
  section.step = (by) => select(TABS[(TABS.indexOf(tab) + by + TABS.length) % TABS.length]);
}

export async function load(section, id, actions, limit) {
  const detail = await getJson("call", limit ? { id, limit } : { id });
  show(section, detail, actions);
  return detail;
}

const facts = (pairs) =>
  h(
    "dl",
    {},
    pairs
      .filter(([, value]) => value !== "" && value !== null && value !== undefined)
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))),
  );

function overview({ call, run, attempts, end }) {
  const tail =
    call.elapsed !== null && call.time_to_first_event !== null ? call.elapsed - call.time_to_first_event : null;
  const rate = tail > 0 && call.output_tokens ? `${(call.output_tokens / (tail / 1000)).toFixed(0)} tokens/s` : null;
  return [
    call.error && h("p", { class: "error", role: "note" }, call.error),
    h("h3", {}, "Time"),
    waterfall(attempts, end),
    facts([
      ["Took", duration(call.elapsed)],
      ["Response began", duration(call.time_to_head)],
      ["First event", duration(call.time_to_first_event)],
      ["Speed", rate],
      ["Lost to retries", call.retrying ? duration(call.retrying) : null],
      ["Attempts", call.attempts],
      ["Outcome", call.outcome],
      ["Finish reason", call.finish_reasons],
    ]),
    attempts
      // The error of the last attempt is that of the call.
      .filter((attempt) => attempt.failed && attempt.failed.wait !== null)
      .map(({ number, failed }) =>
        h("p", { class: "error" }, `Attempt ${number}: ${failed.error} (tried again after ${duration(failed.wait)})`),
      ),
    h("h3", {}, "Cost and tokens"),
    facts([
      ["Cost", call.cost === null ? "unknown" : `$${call.cost}`],
      ["Input tokens", count(call.input_tokens)],
      ["From the cache", count(call.cache_read_tokens)],
      ["Written to the cache", count(call.cache_write_tokens)],
      ["Output tokens", count(call.output_tokens)],
      ["Of these reasoning", count(call.reasoning_tokens)],
    ]),
    h("h3", {}, "Call"),
    facts([
      ["Id", call.id],
      ["Began", dateAndClock(call.at)],
      ["Operation", call.operation],
      ["Path", call.path],
      ["Provider", call.provider],
      ["Generation", call.generation_id],
      ["Events", count(call.events)],
      ["Bytes received", count(call.bytes_received)],
      ["Process", run?.pid],
      ["Directory", run?.cwd],
      ["Branch", run?.branch],
      ["Recorded by", run?.crate],
    ]),
  ]
    .flat()
    .filter(Boolean);
}

const KINDS = { tool_call: "tool call", tool_result: "tool result" };

function message({ role, parts }) {
  return h(
    "article",
    { class: `message ${role === "assistant" ? "assistant" : ""}` },
    h("h4", {}, role),
    parts.map(({ kind, name, text }) => {
      const title =
        kind === "text" ? null : h("span", { class: "kind" }, [KINDS[kind] ?? kind, name].filter(Boolean).join(" "));
      const isCode = ["tool_call", "tool_result", "other"].includes(kind);
      return h("div", { class: `part ${isCode ? "code" : kind}` }, title, isCode ? pretty(text) : text);
    }),
  );
}

function messages({ input, output }) {
  const none = h("p", { class: "note" }, "There are no messages in this call; see its request and response.");
  return [
    input.length > 0 && h("h3", {}, "What the model saw"),
    input.map(message),
    output.length > 0 && h("h3", {}, "What it returned"),
    output.map(message),
    input.length + output.length === 0 && none,
  ]
    .flat()
    .filter(Boolean);
}

function body(body, more) {
  if (!body) return h("p", { class: "note" }, "No body.");
  const note = [body.base64 && "base 64", body.length !== null && `${count(body.length)} bytes`, body.missing]
    .filter(Boolean)
    .join(", ");
  return [
    h(
      "p",
      { class: "note" },
      note,
      " ",
      body.missing === "cut off" && h("button", { type: "button", click: more }, "Show more"),
    ),
    body.text && h("pre", {}, body.base64 ? body.text : pretty(body.text)),
  ]
    .flat()
    .filter(Boolean);
}

const headers = (pairs) =>
  h(
    "details",
    {},
    h("summary", {}, `${pairs.length} headers`),
    h(
      "table",
      {},
      pairs.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))),
    ),
  );

const titled = (attempts, attempt, text) =>
  h("h3", {}, attempts.length > 1 ? `Attempt ${attempt.number}: ${text}` : text);

// Attempts of a call send the same, so the first request is enough.
function request({ attempts }, more) {
  return attempts
    .slice(0, 1)
    .flatMap((attempt) => [
      h("h3", {}, `${attempt.method} ${attempt.path}${attempt.query && `?${attempt.query}`}`),
      headers(attempt.headers),
      body(attempt.request, more),
    ])
    .flat();
}

function response({ attempts }, more) {
  return attempts
    .flatMap((attempt) => [
      titled(attempts, attempt, attempt.head ? `status ${attempt.head.status}` : "no response"),
      attempt.head && headers(attempt.head.headers),
      attempt.events.length
        ? h("pre", {}, attempt.events.map((event) => event.text).join("\n\n"))
        : body(attempt.response, more),
      attempt.failed && h("p", { class: "error" }, attempt.failed.error),
    ])
    .flat()
    .filter(Boolean);
}

// What an event adds to the response, or else what it is called.
function titleOf(text) {
  const lines = text.split("\n");
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
  try {
    const event = JSON.parse(data.join("\n"));
    const delta = event.choices?.[0]?.delta ?? event.delta;
    const added = typeof delta === "string" ? delta : (delta?.content ?? delta?.text ?? delta?.reasoning);
    if (typeof added === "string" && added) return added;
    const tool = delta?.tool_calls?.[0]?.function;
    if (tool) return `[tool call] ${tool.name ?? ""} ${tool.arguments ?? ""}`;
    const name = event.type ?? event.choices?.[0]?.finish_reason ?? (event.usage && "usage") ?? "";
    return `[${typeof name === "string" && name ? name : "data"}]`;
  } catch {
    return lines.join(" ");
  }
}

function events({ attempts }) {
  return attempts
    .filter((attempt) => attempt.events.length)
    .flatMap((attempt) => {
      const table = h(
        "table",
        { class: "events" },
        h(
          "tr",
          {},
          ["At", "After", "Event"].map((name, index) =>
            h("th", { scope: "col", class: index < 2 ? "number" : "" }, name),
          ),
        ),
      );
      const more = h("button", { type: "button", click: () => add() }, "Show more");
      let shown = 0;
      const add = () => {
        for (const event of attempt.events.slice(shown, shown + EVENTS_AT_ONCE)) {
          const before = attempt.events[shown - 1]?.at ?? attempt.at;
          table.append(
            h(
              "tr",
              {},
              h("td", { class: "number" }, duration(event.at)),
              h("td", { class: "number" }, `+${duration(event.at - before)}`),
              h("td", {}, h("details", {}, h("summary", {}, titleOf(event.text)), event.text)),
            ),
          );
          shown += 1;
        }
        more.hidden = shown >= attempt.events.length;
      };
      add();
      return [titled(attempts, attempt, `${attempt.events.length} events`), table, more];
    })
    .concat(
      attempts.some((attempt) => attempt.events.length)
        ? []
        : [h("p", { class: "note" }, "This call was not a stream.")],
    );
}

const COPIES = [
  ["curl", "curl"],
  ["rust", "Rust"],
  ["test", "As a test"],
  ["har", "HAR"],
  ["otlp", "OTLP"],
  ["jsonl", "Recording"],
];

function copy({ call }) {
  const shown = h("pre", { "aria-live": "polite" }, "Choose a form; it is copied and shown here.");
  const done = h("span", { class: "note", role: "status" });
  const choose = async (format) => {
    const text = await (await get("export", { id: call.id, format })).text();
    shown.textContent = text;
    try {
      await navigator.clipboard.writeText(text);
      done.textContent = "Copied.";
    } catch {
      done.textContent = "The browser does not allow copying; select the text.";
    }
  };
  return [
    h(
      "div",
      { class: "copies" },
      COPIES.map(([format, name]) => h("button", { type: "button", click: () => choose(format) }, name)),
      done,
    ),
    shown,
  ];
}

const PANELS = {
  Overview: overview,
  Messages: messages,
  Request: request,
  Response: response,
  Events: events,
  Copy: copy,
};
