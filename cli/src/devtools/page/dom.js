// Elements made of plain data. Text only ever becomes a text node: what a recording says is never markup.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);
export const byId = (id) => document.getElementById(id);

// The token is in the part of the address that is never sent; it is kept for reloads of this tab.
let token = sessionStorage.getItem("token") ?? "";

export function setToken(given) {
  token = given;
  sessionStorage.setItem("token", given);
}

export async function get(path, parameters = {}, options = {}) {
  const query = new URLSearchParams(parameters);
  const response = await fetch(`/api/${path}?${query}`, { headers: { Authorization: `Bearer ${token}` }, ...options });
  if (response.ok) return response;
  let message = `status ${response.status}`;
  try {
    message = (await response.json()).error;
  } catch {
    /* the status has to do */
  }
  throw new Error(message);
}

export const getJson = async (path, parameters, options) => (await get(path, parameters, options)).json();

// Numbers as people read them.
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "";
  if (milliseconds < 1) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${Math.floor(milliseconds / 60000)} min ${Math.round((milliseconds % 60000) / 1000)} s`;
}

export function money(amount) {
  if (amount === null || amount === undefined) return "";
  const number = Number(amount);
  const digits =
    number >= 0.1 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumSignificantDigits: 3 };
  return `$${number.toLocaleString("en-US", digits)}`;
}

export const count = (number) => (number === null || number === undefined ? "" : number.toLocaleString("en-US"));

export function clock(at) {
  const date = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export const dateAndClock = (at) => `${new Date(at).toLocaleDateString("en-CA")} ${clock(at)}`;

export function statusOf(call) {
  const isBad = call.outcome === "failed" || call.status >= 400;
  const isEnough = call.outcome === "completed" || call.status >= 400;
  const text = call.status === 0 ? call.outcome : isEnough ? `${call.status}` : `${call.status} ${call.outcome}`;
  return { text: call.attempts > 1 ? `${text} ×${call.attempts}` : text, isBad };
}

// Pretty JSON, or the text as it is.
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
