"""Cheap first: the small model answers what it can, and the response says what happened and what it cost."""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("POINTSMAN_KEY", "unused"),
)

for question in ("What is 17 * 23?", "Prove step by step that the square root of 2 is irrational."):
    # The raw response has the headers; `parse()` gives what the usual call would have given.
    response = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": question}]
    )
    told = {name.removeprefix("x-pointsman-"): value for name, value in response.headers.items() if name.startswith("x-pointsman-")}
    print(question)
    print(f"  answered by {told['model']} ({told['reason']}, attempts: {told['attempts']}), ${told['cost']}, by {told['policy']}")
    print("  " + response.parse().choices[0].message.content.splitlines()[0])
