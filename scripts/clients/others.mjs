// Calls what the clients of OpenAI and Anthropic for JavaScript have in common with the API.

import assert from "node:assert";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";

const baseURL = process.env.OPENROUTER_BASE_URL;
const key = process.env.OPENROUTER_API_KEY;
const openai = new OpenAI({ baseURL, apiKey: key, maxRetries: 0 });
// It adds `/v1` itself.
const anthropic = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ""), authToken: key, apiKey: null, maxRetries: 0 });

const model = "openai/gpt-4o-mini";
const messages = [{ role: "user", content: "Hello" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };

async function all(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

const calls = {
  openai: [
    async () => assert.match((await openai.chat.completions.create({ model, messages })).choices[0].message.content, /Hello/),
    async () => {
      const chunks = await all(await openai.chat.completions.create({ model, messages, stream: true }));
      assert.match(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), /Hello/);
    },
    async () => {
      const tools = [{ type: "function", function: { name: "weather", parameters } }];
      const stream = openai.chat.completions.stream({ model, messages, tools, tool_choice: "required" });
      assert.equal((await stream.finalChatCompletion()).choices[0].message.tool_calls[0].function.name, "weather");
    },
    async () => assert.match((await openai.responses.create({ model, input: "Hello" })).output_text, /Hello/),
    async () => {
      const tools = [{ type: "function", name: "weather", parameters, strict: true }];
      const stream = openai.responses.stream({ model, input: "Hello", tools, tool_choice: "required" });
      assert.equal((await stream.finalResponse()).output[0].name, "weather");
    },
    async () => assert.equal((await openai.embeddings.create({ model, input: ["a", "b"], dimensions: 8 })).data[1].embedding.length, 8),
    async () => assert.ok((await (await openai.audio.speech.create({ model, voice: "alloy", input: "Hi" })).arrayBuffer()).byteLength),
    async () => assert.ok((await openai.audio.transcriptions.create({ model, file: await toFile(Buffer.from("RIFF"), "a.wav") })).text),
    async () => assert.equal((await all(openai.models.list())).length, 5),
    async () => assert.equal((await all(openai.files.list({ limit: 2 }))).length, 5),
    async () => assert.ok((await openai.files.create({ file: await toFile(Buffer.from("A file"), "a.txt"), purpose: "user_data" })).id),
    async () => assert.equal((await openai.files.retrieve("file_1")).id, "file_1"),
    async () => assert.ok(await (await openai.files.content("file_1")).text()),
    async () => assert.equal((await openai.files.delete("file_1")).id, "file_1"),
    async () => assert.ok((await all(openai.containers.files.list("c_1"))).length),
    async () => assert.equal((await openai.containers.files.retrieve("f_1", { container_id: "c_1" })).id, "f_1"),
    async () => assert.ok(await (await openai.containers.files.content.retrieve("f_1", { container_id: "c_1" })).text()),
  ],
  anthropic: [
    async () => assert.match((await anthropic.messages.create({ model, max_tokens: 100, messages })).content[0].text, /Hello/),
    async () => assert.match(await anthropic.messages.stream({ model, max_tokens: 100, messages }).finalText(), /Hello/),
    async () => {
      const tools = [{ name: "weather", input_schema: parameters }];
      const stream = anthropic.messages.stream({ model, max_tokens: 100, messages, tools, tool_choice: { type: "any" } });
      assert.ok("city" in (await stream.finalMessage()).content[0].input);
    },
  ],
};

let failed = 0;
for (const [name, own] of Object.entries(calls)) {
  const failures = [];
  for (const [number, call] of own.entries()) {
    await call().catch((error) => failures.push(`${name}, call ${number}: ${error.stack}`));
  }
  console.log(`${name} for JavaScript: ${own.length} calls, ${failures.length} failures`);
  for (const failure of failures) console.log(failure);
  failed += failures.length;
}
process.exit(failed > 0 ? 1 : 0);
