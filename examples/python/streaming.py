"""An answer as it is written, and the usage in the last chunk."""

import os

from openai import APIError, OpenAI

client = OpenAI(
    base_url=os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("POINTSMAN_KEY", "unused"),
)

stream = client.chat.completions.create(
    model="auto",
    messages=[{"role": "user", "content": "Explain how a lighthouse works."}],
    stream=True,
    stream_options={"include_usage": True},
)
try:
    for chunk in stream:
        for choice in chunk.choices:
            print(choice.delta.content or "", end="", flush=True)
        if chunk.usage:
            print(f"\n({chunk.usage.total_tokens} tokens)")
except APIError as error:
    # A provider that breaks off in the middle is told as an error; a stream never just stops.
    print(f"\nbroke off: {error.message}")
