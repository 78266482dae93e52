"""An agent's loop: the model asks for a tool, we call it, the model answers with what it brought."""

import json
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("POINTSMAN_KEY", "unused"),
)


def get_weather(city):
    return {"city": city, "sky": "clear", "temperature": 18}


tools = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
messages = [{"role": "user", "content": "What is the weather in Paris?"}]
while True:
    message = client.chat.completions.create(model="auto", messages=messages, tools=tools).choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    if not message.tool_calls:
        break
    for call in message.tool_calls:
        result = get_weather(**json.loads(call.function.arguments))
        print(f"called {call.function.name}({call.function.arguments})")
        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
print(message.content)
