"""Calls what the clients of OpenAI and Anthropic for Python have in common with the API."""

import os
import sys
import traceback

from anthropic import Anthropic
from openai import OpenAI

url = os.environ["OPENROUTER_BASE_URL"]
key = os.environ["OPENROUTER_API_KEY"]
openai = OpenAI(base_url=url, api_key=key, max_retries=0)
# It adds `/v1` itself.
anthropic = Anthropic(base_url=url.removesuffix("/v1"), auth_token=key, api_key=None, max_retries=0)

model = "openai/gpt-4o-mini"
messages = [{"role": "user", "content": "Hello"}]
parameters = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
function = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
tool = {"type": "function", "name": "weather", "parameters": parameters, "strict": True}
schema = {"name": "weather", "schema": parameters, "strict": True}


def stream_of_chat():
    chunks = list(openai.chat.completions.create(model=model, messages=messages, stream=True))
    assert "Hello" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks) and chunks[-1].usage


def tool_of_chat():
    with openai.chat.completions.stream(model=model, messages=messages, tools=[function], tool_choice="required") as stream:
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.name == "weather" and "city" in call.function.arguments


def schema_of_chat():
    form = {"type": "json_schema", "json_schema": schema}
    completion = openai.chat.completions.create(model=model, messages=messages, response_format=form)
    assert '"city"' in completion.choices[0].message.content


def stream_of_responses():
    with openai.responses.stream(model=model, input="Hello") as stream:
        texts = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == texts


def tool_of_responses():
    with openai.responses.stream(model=model, input="Hello", tools=[tool], tool_choice="required") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output[0].name == "weather"


def stream_of_messages():
    with anthropic.messages.stream(model=model, max_tokens=100, messages=messages) as stream:
        assert "Hello" in "".join(stream.text_stream)


def tool_of_messages():
    own = {"name": "weather", "input_schema": parameters}
    with anthropic.messages.stream(
        model=model, max_tokens=100, messages=messages, tools=[own], tool_choice={"type": "any"}
    ) as stream:
        assert "city" in stream.get_final_message().content[0].input


def pages(first):
    assert len({item.id for item in first}) == 5


calls = {
    "openai": [
        lambda: openai.chat.completions.create(model=model, messages=messages).choices[0].message.content.index("Hello"),
        stream_of_chat,
        tool_of_chat,
        schema_of_chat,
        lambda: openai.responses.create(model=model, input="Hello").output_text.index("Hello"),
        stream_of_responses,
        tool_of_responses,
        lambda: openai.embeddings.create(model=model, input=["a", "b"], dimensions=8).data[1].embedding[7],
        lambda: openai.embeddings.create(model=model, input="a", encoding_format="float").data[0].embedding[0],
        lambda: openai.audio.speech.create(model=model, voice="alloy", input="Hi", response_format="mp3").content[0],
        lambda: openai.audio.transcriptions.create(model=model, file=("a.wav", b"RIFF")).text,
        lambda: pages(openai.models.list()),
        lambda: pages(openai.files.list(limit=2)),
        lambda: openai.files.create(file=("a.txt", b"A file"), purpose="user_data").id,
        lambda: openai.files.retrieve("file_1").id.index("file_1"),
        lambda: openai.files.content("file_1").content[0],
        lambda: openai.files.delete("file_1").id.index("file_1"),
        lambda: openai.containers.files.list("c_1").data[0].id,
        lambda: openai.containers.files.retrieve("f_1", container_id="c_1").id.index("f_1"),
        lambda: openai.containers.files.content.retrieve("f_1", container_id="c_1").content[0],
    ],
    "anthropic": [
        lambda: anthropic.messages.create(model=model, max_tokens=100, messages=messages).content[0].text.index("Hello"),
        stream_of_messages,
        tool_of_messages,
    ],
}
failures = []
for name, own in calls.items():
    for number, call in enumerate(own):
        try:
            call()
        except Exception:
            failures.append(f"{name}, call {number}: {traceback.format_exc(limit=-2)}")
    print(f"{name} for Python: {len(own)} calls, {sum(failure.startswith(name) for failure in failures)} failures")
print("\n".join(failures), end="\n" if failures else "")
sys.exit(bool(failures))
