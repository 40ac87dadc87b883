// The official TypeScript SDK. Arguments and output as those of the other clients.
import { readFileSync } from "node:fs";
import { OpenRouter } from "@openrouter/sdk";

const [address, scenario, rounds] = process.argv.slice(2);
const client = new OpenRouter({ apiKey: "key", serverURL: `http://${address}/${scenario}` });
const isStream = scenario.includes("-");
const times = isStream ? 1 : scenario === "models" ? 5 : 100;
const events = 20000;

async function once() {
  if (scenario === "response") {
    await client.beta.responses.send({ responsesRequest: { model: "m", input: "Hi" } });
    return 1;
  }
  if (scenario === "models") {
    const list = await client.models.list();
    return (list.data ?? list.result?.data).length;
  }
  const stream = scenario.startsWith("chat")
    ? await client.chat.send({ chatRequest: { model: "m", messages: [{ role: "user", content: "Hi" }], stream: true } })
    : await client.beta.responses.send({ responsesRequest: { model: "m", input: "Hi", stream: true } });
  let count = 0;
  for await (const _ of stream) count += 1;
  return count;
}

const micros = [];
for (let round = 0; round <= Number(rounds); round += 1) {
  const start = process.cpuUsage();
  let count = 0;
  for (let time = 0; time < times; time += 1) count += await once();
  const used = process.cpuUsage(start);
  if (count < (isStream ? events : times)) throw new Error(`only ${count}`);
  if (round > 0) micros.push((used.user + used.system) / (isStream ? events : times));
}
micros.sort((one, other) => one - other);
const peak = /VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
console.log(micros[Math.floor(micros.length / 2)], peak);
process.exit(0);
