"""OpenAI's newer API, Responses, with another base URL.

    pointsman demo &
    python examples/python/responses.py
"""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("POINTSMAN_KEY", "unused"),
)

# Where the model's provider has another API, nothing is stored there: a conversation goes on with all of its
# items. (`previous_response_id` works with models of the provider that stored the response.)
items = [{"role": "user", "content": "What is 17 * 23?"}]
response = client.responses.create(model="auto", input=items)
print(response.output_text)

items += [item.model_dump(exclude_none=True) for item in response.output]
items.append({"role": "user", "content": "What is 2 * 391?"})
with client.responses.stream(model="auto", input=items) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
    print(f"\n({stream.get_final_response().usage.total_tokens} tokens)")
