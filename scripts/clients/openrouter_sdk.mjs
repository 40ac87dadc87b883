// Calls every method of the official SDK for TypeScript: `openrouter_sdk.mjs plan.json`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { OpenRouter } from "@openrouter/sdk";

const plan = JSON.parse(readFileSync(process.argv[2]));
const { OPENROUTER_API_KEY: apiKey, OPENROUTER_BASE_URL: serverURL } = process.env;
const client = new OpenRouter({ apiKey, serverURL, retryConfig: { strategy: "none" }, timeoutMs: 20_000 });
const functions = join(dirname(createRequire(import.meta.url).resolve("@openrouter/sdk")), "funcs");

const camel = (name) =>
  name
    .replace(/[-_]+(\w)/g, (_, letter) => letter.toUpperCase())
    .replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]/, (letters) => letters.toLowerCase());
const deep = (value) =>
  Array.isArray(value)
    ? value.map(deep)
    : value !== null && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([name, own]) => [camel(name), deep(own)]))
      : value;

/** Methods by path, through the parts of the client. */
function* methods(owner, path, seen) {
  const prototype = Object.getPrototypeOf(owner);
  for (const [name, { get, value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (get && !name.startsWith("_")) {
      const part = owner[name];
      if (part !== null && typeof part === "object" && !seen.has(part)) {
        seen.add(part);
        yield* methods(part, `${path}${name}.`, seen);
      }
    } else if (typeof value === "function" && name !== "constructor") {
      const called = /(\w+)\(this, /.exec(value.toString());
      if (!called) continue;
      const source = readFileSync(join(functions, `${called[1]}.js`), { encoding: "utf8", flag: "a+" });
      const operation = /operationID: "(\w+)"/.exec(source)?.[1];
      if (!operation) continue;
      // Some methods take the key by themselves.
      const first = value.toString().includes("(this, security") ? [{ bearer: apiKey }] : [];
      yield { name: path + name, method: value.bind(owner, ...first), operation: operation.replace("_multipart", ""), source };
    }
  }
}

/** The request of a method: parameters next to the body, which has a name of its own. */
function request({ source }, { parameters, body, form }, stream) {
  const file = { fileName: "file.txt", content: new Blob(["A file"]) };
  const sent = source.includes("new FormData()") ? { ...deep(form), file } : deep(stream === null ? body : { ...body, stream });
  const name = /payload\??\.([A-Z]\w*)/.exec(source)?.[1];
  return { ...deep(parameters), ...(name ? { [camel(name)]: sent } : sent) };
}

/** Reads all that a call returned. */
async function use(result) {
  if (result?.[Symbol.asyncIterator]) {
    let count = 0;
    for await (const _ of result) if (++count > 1000) throw new Error("without end");
    if (count === 0) throw new Error("nothing was streamed");
  } else if (typeof result?.getReader === "function") {
    await new Response(result).arrayBuffer();
  }
}

const called = new Set();
const failures = [];
for (const method of methods(client, "", new Set())) {
  const given = plan[method.operation];
  if (given === undefined) {
    console.log(`  ${method.name}: ${method.operation} is not in the document`);
    continue;
  }
  for (const stream of given.streams ? [false, true] : [null]) {
    try {
      const options = given.elsewhere ? { serverURL: serverURL.replace(/\/api\/v1$/, "") } : {};
      await use(await method.method(request(method, given, stream), options));
    } catch (error) {
      const why = error.cause ?? error;
      failures.push(`${method.name} (${method.operation}, stream ${stream}): ${error.name}: ${error.message} ${String(why.message ?? why).slice(0, 1000)}`);
    }
  }
  called.add(method.operation);
}
console.log(`@openrouter/sdk for TypeScript: ${called.size} operations, ${failures.length} failures`);
for (const failure of failures) console.log(failure);
process.exit(failures.length > 0 ? 1 : 0);
