"""Anthropic's SDK with another base URL: whatever model answers, the client reads its own format.

    pointsman demo &
    python examples/python/anthropic_sdk.py

The base URL has no `/v1` here: this SDK adds it itself.
"""

import os

from anthropic import Anthropic

client = Anthropic(
    base_url=os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080"),
    api_key=os.environ.get("POINTSMAN_KEY", "unused"),
)

question = {"role": "user", "content": "What is 17 * 23?"}
print(client.messages.count_tokens(model="auto", messages=[question]).input_tokens, "tokens, counted before it is sent")

# The raw response has the headers, which say who answered.
response = client.messages.with_raw_response.create(model="auto", max_tokens=200, messages=[question])
message = response.parse()
print(f"{message.content[0].text} ({response.headers['x-pointsman-model']}, {message.usage.output_tokens} tokens out)")

with client.messages.stream(
    model="auto", max_tokens=500, messages=[{"role": "user", "content": "Explain how a lighthouse works."}]
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print(f"\n(ended with {stream.get_final_message().stop_reason})")
