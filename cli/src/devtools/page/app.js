// The list of calls, kept up to date, and what the keys do.

import { chooseTab, load } from "./call.js";
import { compare } from "./compare.js";
import { byId, clock, count, dateAndClock, duration, get, getJson, h, money, setToken, statusOf } from "./dom.js";
import { smallBar, totals } from "./plots.js";

const ROW = 52;
const PAGE = 100;
const narrow = matchMedia("(max-width: 760px)");

const list = {
  filter: "",
  sort: "time",
  run: "",
  total: 0,
  matched: 0,
  version: -1,
  // Calls by their place in the order; only those that were looked at.
  pages: new Map(),
  loading: new Set(),
  selected: null,
  place: -1,
  // The call that waits to be compared with another.
  marked: null,
  view: "calls",
};

const rows = byId("rows"),
  space = byId("space"),
  detail = byId("detail");

// ---- The list ------------------------------------------------------------------------------

const callAt = (place) => list.pages.get(Math.floor(place / PAGE))?.[place % PAGE];

async function loadPage(number) {
  if (list.loading.has(number)) return;
  list.loading.add(number);
  const { filter, sort, run } = list;
  try {
    const answer = await getJson("calls", { q: filter, sort, run, offset: number * PAGE, limit: PAGE });
    if (filter !== list.filter || sort !== list.sort || run !== list.run) return;
    take(answer, number);
    byId("filter-error").textContent = "";
  } catch (error) {
    if (filter === list.filter) byId("filter-error").textContent = error.message;
  } finally {
    list.loading.delete(number);
  }
}

function take(answer, number) {
  if (answer.version !== list.version) {
    // Other pages may have moved; they are asked for again when they are looked at.
    const added = answer.matched - list.matched;
    if (list.version >= 0 && list.sort === "time" && added > 0 && rows.scrollTop > ROW) rows.scrollTop += added * ROW;
    list.version = answer.version;
    list.pages.clear();
  }
  list.pages.set(number, answer.calls);
  list.total = answer.total;
  list.matched = answer.matched;
  const found = answer.calls.findIndex((call) => call.id === list.selected);
  if (found >= 0) list.place = number * PAGE + found;
  space.style.height = `${list.matched * ROW}px`;
  byId("summary").textContent = [
    `${count(list.matched)} of ${count(list.total)} calls in ${answer.folder}`,
    ...answer.problems,
  ].join(" · ");
  showRuns(answer.runs);
  const empty = byId("empty");
  empty.hidden = list.matched > 0;
  empty.textContent =
    list.total > 0
      ? "No call matches the filter."
      : "No calls yet. Programs that use the SDK with its feature devtools record them if OPENROUTER_DEVTOOLS=1 is set.";
  draw();
}

// The runs of programs that were recorded, newest first.
function showRuns(runs) {
  const select = byId("run");
  const titles = runs.map(
    (run) => `${dateAndClock(run.started)} · ${run.cwd.split(/[\\/]/).pop() || run.pid} (${count(run.calls)})`,
  );
  const options = runs.map((run, index) =>
    h("option", { value: run.id, title: `process ${run.pid} in ${run.cwd}` }, titles[index]),
  );
  if (titles.join() === select.dataset.titles) return;
  select.dataset.titles = titles.join();
  select.replaceChildren(h("option", { value: "" }, "all"), ...options.reverse());
  select.value = list.run;
}

// Only the rows that can be seen exist.
function draw() {
  const first = Math.max(Math.floor(rows.scrollTop / ROW) - 3, 0);
  const last = Math.min(Math.ceil((rows.scrollTop + rows.clientHeight) / ROW) + 3, list.matched);
  for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(last - 1, 0) / PAGE); page += 1) {
    if (!list.pages.has(page)) loadPage(page);
  }
  const places = Array.from({ length: Math.max(last - first, 0) }, (_, index) => first + index);
  const longest = Math.max(...places.map((place) => callAt(place)?.elapsed ?? 0), 1);
  space.replaceChildren(...places.map((place) => row(place, callAt(place), longest)));
  const isShown = list.place >= first && list.place < last;
  if (isShown) rows.setAttribute("aria-activedescendant", `row-${list.place}`);
  else rows.removeAttribute("aria-activedescendant");
}

function row(place, call, longest) {
  const attributes = {
    class: "row",
    id: `row-${place}`,
    role: "option",
    "aria-posinset": place + 1,
    "aria-setsize": list.matched,
    "aria-selected": String(Boolean(call) && call.id === list.selected),
  };
  if (!call) return placed(h("div", attributes, h("span", {}, "…")), place);
  const status = statusOf(call);
  return placed(
    h(
      "div",
      { ...attributes, click: () => select(place, true) },
      h("span", { class: "time", title: new Date(call.at).toISOString() }, clock(call.at)),
      h("span", { class: "model" }, call.model || call.path),
      h("span", { class: status.isBad ? "badge bad" : "badge" }, status.text),
      h("span", { class: "took" }, duration(call.elapsed)),
      h("span", { class: "cost" }, money(call.cost)),
      smallBar(call, longest),
      h("span", { class: "prompt" }, call.error || call.prompt || call.path),
      h(
        "span",
        { class: "tokens", title: "first event" },
        call.time_to_first_event === null ? "" : `↦ ${duration(call.time_to_first_event)}`,
      ),
      h(
        "span",
        { class: "tokens", title: "tokens" },
        call.output_tokens === null && call.input_tokens === null
          ? ""
          : `${count((call.input_tokens ?? 0) + (call.output_tokens ?? 0))} tok`,
      ),
    ),
    place,
  );
}

function placed(element, place) {
  element.style.top = `${place * ROW}px`;
  return element;
}

// Asks for the calls anew, from the start.
function restart() {
  list.version = -1;
  list.pages.clear();
  list.loading.clear();
  rows.scrollTop = 0;
  list.place = -1;
  loadPage(0);
  if (list.view === "totals") showTotals();
}

async function select(place, isOpened) {
  if (place < 0 || place >= list.matched) return;
  if (!callAt(place)) await loadPage(Math.floor(place / PAGE));
  const call = callAt(place);
  if (!call) return;
  list.place = place;
  list.selected = call.id;
  const top = place * ROW;
  if (top < rows.scrollTop) rows.scrollTop = top;
  if (top + ROW > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + ROW - rows.clientHeight;
  draw();
  if (isOpened || (!detail.hidden && !narrow.matches)) await open(call.id);
}

// ---- A call --------------------------------------------------------------------------------

const actions = { compare: (call) => mark(call.id), close: closeCall };

async function open(id) {
  list.selected = id;
  for (const [page, calls] of list.pages) {
    const found = calls.findIndex((call) => call.id === id);
    if (found >= 0) list.place = page * PAGE + found;
  }
  try {
    await load(detail, id, actions);
  } catch (error) {
    detail.replaceChildren(h("p", { class: "error" }, error.message));
  }
  detail.hidden = false;
  document.querySelector("main").classList.add("with-detail");
  draw();
  address();
}

function closeCall() {
  detail.hidden = true;
  document.querySelector("main").classList.remove("with-detail");
  draw();
  rows.focus();
  address();
}

// The first call that is marked waits for a second.
function mark(id) {
  if (!id) return;
  const first = list.marked;
  list.marked = first || first === id ? null : id;
  const note = byId("marked");
  note.hidden = list.marked === null;
  note.textContent = `${id} is marked. Choose another call and press c, or Compare, to see what differs. Esc ends it.`;
  if (first && first !== id) showComparison(first, id);
}

async function showComparison(first, second) {
  try {
    await compare(byId("compare"), first, second, () => show("calls"));
    show("compare");
    address(`with=${encodeURIComponent(first)}`);
  } catch (error) {
    byId("filter-error").textContent = error.message;
  }
}

// ---- Views ---------------------------------------------------------------------------------

function show(view) {
  list.view = view;
  byId("calls").hidden = view !== "calls";
  detail.hidden = view !== "calls" || !document.querySelector("main").classList.contains("with-detail");
  byId("totals").hidden = view !== "totals";
  byId("compare").hidden = view !== "compare";
  byId("view-calls").setAttribute("aria-pressed", String(view === "calls"));
  byId("view-totals").setAttribute("aria-pressed", String(view === "totals"));
  if (view === "calls") {
    draw();
    rows.focus();
  } else {
    byId(view).focus();
  }
  address();
}

async function showTotals() {
  try {
    byId("totals").replaceChildren(...totals(await getJson("totals", { q: list.filter, run: list.run })));
  } catch (error) {
    byId("filter-error").textContent = error.message;
  }
}

function openTotals() {
  show("totals");
  showTotals();
}

// What is shown is in the address, so that a reload shows it again.
function address(more) {
  const parts = [
    list.view === "totals" && "view=totals",
    list.filter && `q=${encodeURIComponent(list.filter)}`,
    !detail.hidden && list.selected && `call=${encodeURIComponent(list.selected)}`,
    more,
  ];
  history.replaceState(null, "", `#${parts.filter(Boolean).join("&")}`);
}

// ---- Keys and fields -----------------------------------------------------------------------

let typed;
byId("filter").addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    list.filter = event.target.value;
    restart();
    address();
  }, 80);
});
byId("sort").addEventListener("change", (event) => {
  list.sort = event.target.value;
  restart();
});
byId("run").addEventListener("change", (event) => {
  list.run = event.target.value;
  restart();
});
byId("view-calls").addEventListener("click", () => show("calls"));
byId("view-totals").addEventListener("click", openTotals);
byId("show-help").addEventListener("click", () => byId("help").showModal());
rows.addEventListener("scroll", () => requestAnimationFrame(draw));
addEventListener("resize", () => requestAnimationFrame(draw));

function back() {
  if (list.marked) mark(list.marked);
  else if (list.view !== "calls") show("calls");
  else if (!detail.hidden) closeCall();
}

const KEYS = {
  j: () => select(list.place + 1, false),
  k: () => select(Math.max(list.place - 1, 0), false),
  Enter: () => list.selected && open(list.selected).then(() => detail.querySelector(".panel")?.focus()),
  "/": () => byId("filter").focus(),
  c: () => mark(list.selected),
  t: () => (list.view === "totals" ? show("calls") : openTotals()),
  "[": () => !detail.hidden && detail.step?.(-1),
  "]": () => !detail.hidden && detail.step?.(1),
  "?": () => byId("help").showModal(),
  Escape: back,
};
KEYS.ArrowDown = KEYS.j;
KEYS.ArrowUp = KEYS.k;

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const isInField = event.target.matches("input, select");
  if (isInField) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "filter")) {
      event.preventDefault();
      rows.focus();
    }
    return;
  }
  const isButton = event.target.matches("button, summary, a");
  // In the panel of a call the arrows scroll.
  const isArrow = event.key.startsWith("Arrow") && event.target !== rows && event.target !== document.body;
  const action = KEYS[event.key];
  if (!action || isArrow || (isButton && event.key === "Enter")) return;
  event.preventDefault();
  action();
});

// ---- Live ----------------------------------------------------------------------------------

// Reads events by hand, since an `EventSource` sends no token.
async function listen() {
  const live = byId("live");
  for (;;) {
    try {
      const reader = (await get("live")).body.pipeThrough(new TextDecoderStream()).getReader();
      live.textContent = "live";
      live.className = "on";
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) await changed(chunk.value);
    } catch {
      /* it is tried again */
    }
    live.textContent = "not connected";
    live.className = "";
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// Shows what is new: what can be seen of the list, the totals, and a call that goes on.
async function changed(text) {
  const version = Number(text.trim().split("\n").pop().replace("data: ", ""));
  if (version === list.version) return;
  await loadPage(Math.floor(rows.scrollTop / ROW / PAGE));
  if (list.view === "totals") await showTotals();
  const selected = callAt(list.place);
  if (selected && selected.id === list.selected && !detail.hidden && detail.dataset.outcome === "unfinished")
    await open(selected.id);
  detail.dataset.outcome = selected?.outcome ?? "";
}

// ---- Start ---------------------------------------------------------------------------------

const parts = location.hash.slice(1).split("&");
if (parts[0] && !parts[0].includes("=")) setToken(parts[0]);
const wanted = new URLSearchParams(location.hash.slice(1));
list.filter = wanted.get("q") ?? "";
byId("filter").value = list.filter;
chooseTab(wanted.get("tab") ?? "");
address();
await loadPage(0);
if (wanted.get("call")) await open(wanted.get("call"));
if (wanted.get("view") === "totals") openTotals();
if (wanted.get("with") && wanted.get("call")) await showComparison(wanted.get("with"), wanted.get("call"));
rows.focus();
listen();
