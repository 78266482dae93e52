// What would this request cost, and who would answer it? Nothing is sent to a provider.
const url = process.env.POINTSMAN_URL ?? "http://127.0.0.1:8080";
const response = await fetch(`${url}/v1/quote`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${process.env.POINTSMAN_KEY ?? "unused"}` },
  body: JSON.stringify({
    model: "auto",
    max_tokens: 200,
    messages: [{ role: "user", content: "Explain how a lighthouse works." }],
  }),
});
const { quote } = await response.json();
console.log(`${quote.model} by route ${quote.route}, ${quote.input_tokens} tokens in`);
console.log(`between ${quote.cost.minimum} and ${quote.cost.maximum}, probably about ${quote.cost.expected}`);
