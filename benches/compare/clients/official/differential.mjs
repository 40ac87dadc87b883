// Makes the calls of the differential comparison through the official TypeScript SDK: one case a line of the input, one
// outcome a line of the output.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { OpenRouter } from "@openrouter/sdk";

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** The value with the names that the SDK gives to fields, and dates as it takes them. */
function convert(value) {
  if (Array.isArray(value)) return value.map(convert);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [camel(name), convert(field)]));
  return typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value) : value;
}

async function run({ url, operation, parameters, body, typescript_body }) {
  const request = convert(parameters);
  if (body) request[typescript_body] = convert(body);
  if (operation === "files.upload") {
    const { fileName, content } = request[typescript_body].file;
    request[typescript_body].file = { fileName, content: new TextEncoder().encode(content) };
  }
  let called = new OpenRouter({
    apiKey: "key",
    serverURL: url,
    httpReferer: "https://example.com",
    appTitle: "Crab",
    appCategories: "cli-agent,creative-writing",
  });
  const path = operation.split(".").map(camel);
  const name = path.pop();
  for (const part of path) called = called[part];
  if (typeof called?.[name] !== "function") return "no such operation";
  let events = 0;
  try {
    const result = await called[name](request);
    if (!body?.stream || !result?.[Symbol.asyncIterator]) return "ok";
    for await (const _ of result) events += 1;
    return events ? `ok after ${events} events` : "ok";
  } catch (error) {
    if (process.env.DIFFERENTIAL_ERRORS) console.error(operation, error);
    const status = error.statusCode ? `error with status ${error.statusCode}` : "error without status";
    return events ? `${status} after ${events} events` : status;
  }
}

const manifest = new URL("node_modules/@openrouter/sdk/package.json", import.meta.url);
console.log(JSON.parse(readFileSync(manifest)).version);
for await (const line of createInterface({ input: process.stdin })) console.log(await run(JSON.parse(line)));
process.exit(0);
