"""Google's SDK with another base URL, and a Python function that the model may call.

    pointsman demo &
    python examples/python/google_sdk.py
"""

import os

from google import genai
from google.genai import types

client = genai.Client(
    api_key=os.environ.get("POINTSMAN_KEY", "unused"),
    http_options=types.HttpOptions(base_url=os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080")),
)


def get_weather(city: str) -> dict:
    """The weather in a city."""
    print(f"called get_weather({city!r})")
    return {"city": city, "sky": "clear", "temperature": 18}


# The SDK calls the function itself, and sends what it returned.
chat = client.chats.create(model="auto", config=types.GenerateContentConfig(tools=[get_weather]))
print(chat.send_message("What is the weather in Paris?").text)

for chunk in client.models.generate_content_stream(model="auto", contents="Explain how a lighthouse works."):
    print(chunk.text or "", end="", flush=True)
print(f"\n({chunk.usage_metadata.total_token_count} tokens)")
