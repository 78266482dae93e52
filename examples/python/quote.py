"""What would this request cost, and who would answer it? Nothing is sent to a provider."""

import json
import os
import urllib.request

url = os.environ.get("POINTSMAN_URL", "http://127.0.0.1:8080")
body = {"model": "auto", "max_tokens": 200, "messages": [{"role": "user", "content": "Explain how a lighthouse works."}]}
request = urllib.request.Request(
    f"{url}/v1/quote",
    data=json.dumps(body).encode(),
    headers={"content-type": "application/json", "authorization": f"Bearer {os.environ.get('POINTSMAN_KEY', 'unused')}"},
)
with urllib.request.urlopen(request) as response:
    quote = json.load(response)["quote"]
cost = quote["cost"]
print(f"{quote['model']} by route {quote['route']}, {quote['input_tokens']} tokens in")
print(f"between {cost['minimum']} and {cost['maximum']}, probably about {cost['expected']}")
