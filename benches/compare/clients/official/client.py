"""The official Python SDK. Arguments and output as those of the other clients."""

import resource
import sys
import time

from openrouter import OpenRouter

address, scenario, rounds = sys.argv[1:]
client = OpenRouter(api_key="key", server_url=f"http://{address}/{scenario}")
is_stream = "-" in scenario
times = 1 if is_stream else 5 if scenario == "models" else 50
EVENTS = 20000


def once():
    if scenario == "response":
        client.beta.responses.send(model="m", input="Hi")
        return 1
    if scenario == "models":
        answer = client.models.list()
        return len((getattr(answer, "result", None) or answer).data)
    if scenario.startswith("chat"):
        stream = client.chat.send(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
    else:
        stream = client.beta.responses.send(model="m", input="Hi", stream=True)
    return sum(1 for _ in stream)


micros = []
# Slow enough for one round to tell.
for turn in range(2):
    start = time.process_time()
    count = sum(once() for _ in range(times))
    used = time.process_time() - start
    assert count >= (EVENTS if is_stream else times), count
    if turn > 0:
        micros.append(used * 1e6 / (EVENTS if is_stream else times))
    if used > 5 and not micros:
        micros.append(used * 1e6 / (EVENTS if is_stream else times))
        break
print(micros[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
