"""An independent reading of recorded answers: plain Python over plain JSON, one function for each wire format.

What is read is what every client has to be told, whatever it speaks: the text, the thinking, the tool calls, why the
answer ended, and what it used.
"""

import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    text: str = ""
    thinking: str = ""
    refusal: str = ""
    calls: list = field(default_factory=list)  # (name, arguments)
    finish: str = "stop"  # stop, length, filter; tools wherever there are calls
    prompt: int | None = None
    completion: int | None = None

    def essence(self):
        """What has to be the same on both sides of the gateway."""
        finish = "tools" if self.calls else self.finish
        if self.refusal and finish == "stop":
            finish = "filter"
        return {
            "text": self.text + self.refusal, "thinking": self.thinking, "calls": self.calls, "finish": finish,
            "prompt": self.prompt, "completion": self.completion,
        }


def arguments(text):
    if not isinstance(text, str):
        return text if text is not None else {}
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return text
    return {} if value is None else value


def events(exchange):
    """The payloads of a recorded stream, with their names."""
    response = exchange["response"]
    if response["kind"] == "aws-eventstream":
        return [(event["event"], event["data"]) for event in response["events"]]
    if response["kind"] == "ndjson":
        return [("", json.loads(line)) for line in response["body"].splitlines() if line.strip()]
    found = []
    for block in response["body"].replace("\r\n", "\n").split("\n\n"):
        lines = block.split("\n")
        name = "".join(line[6:].strip() for line in lines if line.startswith("event:"))
        data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
        if data and data != "[DONE]":
            found.append((name, json.loads(data)))
    return found


def openai_chat(exchange):
    answer, calls, usage = Answer(), {}, None
    streamed = exchange["response"]["kind"] == "sse"
    for body in [data for _, data in events(exchange)] if streamed else [exchange["response"]["body"]]:
        usage = body.get("usage") or usage
        for choice in (body.get("choices") or [])[:1]:
            if choice.get("index", 0) != 0:
                continue
            message = choice.get("delta" if streamed else "message") or {}
            content = message.get("content") or ""
            if isinstance(content, list):
                for part in content:
                    if part["type"] == "thinking":
                        answer.thinking += "".join(piece.get("text", "") for piece in part["thinking"])
                    else:
                        answer.text += part.get("text", "")
            else:
                answer.text += content
            answer.thinking += message.get("reasoning_content") or message.get("reasoning") or ""
            answer.refusal += message.get("refusal") or ""
            for position, call in enumerate(message.get("tool_calls") or []):
                function = call.get("function") or {}
                key = call.get("index", position) if streamed else position
                if key in calls and call.get("id") and calls[key][2] not in ("", call["id"]):
                    key = (key, call["id"])  # two calls that share an index
                known = calls.setdefault(key, ["", "", call.get("id") or ""])
                known[0] = known[0] or function.get("name") or ""
                known[1] += function.get("arguments") or ""
            reason = choice.get("finish_reason")
            if reason:
                answer.finish = {"length": "length", "content_filter": "filter"}.get(reason, "stop")
    answer.calls = [(name, arguments(text)) for name, text, _ in calls.values()]
    if usage:
        details = usage.get("completion_tokens_details") or {}
        thought = details.get("reasoning_tokens") or 0
        answer.prompt, answer.completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        total = usage.get("total_tokens") or 0
        cached = max((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0, usage.get("cached_tokens") or 0)
        if cached > answer.prompt:
            answer.prompt += cached  # counted outside
        if thought and (total == answer.prompt + answer.completion + thought or thought > answer.completion):
            answer.completion += thought  # counted outside
    return answer


def anthropic_messages(exchange):
    answer = Answer()
    if exchange["response"]["kind"] == "json":
        message = exchange["response"]["body"]
    else:
        message = None
        for _, data in events(exchange):
            match data["type"]:
                case "message_start":
                    message = data["message"]
                case "content_block_start":
                    message["content"].append(data["content_block"] | {"json": ""})
                case "content_block_delta":
                    block, delta = message["content"][data["index"]], data["delta"]
                    match delta["type"]:
                        case "text_delta":
                            block["text"] += delta["text"]
                        case "thinking_delta":
                            block["thinking"] += delta["thinking"]
                        case "input_json_delta":
                            block["json"] += delta["partial_json"]
                case "message_delta":
                    message.update(data["delta"])
                    message["usage"] = message["usage"] | {k: v for k, v in data["usage"].items() if v is not None}
    for block in message["content"]:
        match block["type"]:
            case "text":
                answer.text += block["text"]
            case "thinking":
                answer.thinking += block["thinking"]
            case "tool_use":
                answer.calls.append((block["name"], arguments(block["json"]) if block.get("json") else block["input"]))
    answer.finish = {
        "max_tokens": "length", "model_context_window_exceeded": "length", "refusal": "filter",
    }.get(message["stop_reason"], "stop")
    usage = message["usage"]
    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
    answer.prompt, answer.completion = usage["input_tokens"] + cached, usage["output_tokens"]
    return answer


def gemini(exchange):
    answer, usage = Answer(), {}
    body = exchange["response"]["body"]
    if exchange["response"]["kind"] == "sse":
        chunks = [data for _, data in events(exchange)]
    else:
        chunks = body if isinstance(body, list) else [body]
    for chunk in chunks:
        usage = chunk.get("usageMetadata") or usage
        if (chunk.get("promptFeedback") or {}).get("blockReason"):
            answer.finish = "filter"
        for candidate in (chunk.get("candidates") or [])[:1]:
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    call = part["functionCall"]
                    answer.calls.append((call.get("name", ""), call.get("args") or {}))
                elif part.get("thought"):
                    answer.thinking += part.get("text", "")
                else:
                    answer.text += part.get("text", "")
            match candidate.get("finishReason"):
                case "MAX_TOKENS":
                    answer.finish = "length"
                case "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII":
                    answer.finish = "filter"
    answer.prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    answer.completion = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return answer


def openai_responses(exchange):
    answer = Answer()
    if exchange["response"]["kind"] == "json":
        body = exchange["response"]["body"]
    else:
        body = None
        for _, data in events(exchange):
            if data.get("type") in ("response.completed", "response.incomplete"):
                body = data["response"]
    for item in body["output"]:
        match item["type"]:
            case "message":
                for part in item["content"]:
                    if part["type"] == "refusal":
                        answer.refusal += part["refusal"]
                    else:
                        answer.text += part["text"]
            case "reasoning":
                answer.thinking += "".join(part["text"] for part in item.get("summary") or [])
                answer.thinking += "".join(part["text"] for part in item.get("content") or [])
            case "function_call":
                answer.calls.append((item["name"], arguments(item["arguments"])))
            case "custom_tool_call":
                answer.calls.append((item["name"], item["input"]))
    if body["status"] == "incomplete":
        reason = (body.get("incomplete_details") or {}).get("reason")
        answer.finish = "filter" if reason == "content_filter" else "length"
    usage = body.get("usage") or {}
    answer.prompt, answer.completion = usage.get("input_tokens"), usage.get("output_tokens")
    return answer


def bedrock_converse(exchange):
    answer, usage = Answer(), {}
    if exchange["response"]["kind"] == "json":
        body = exchange["response"]["body"]
        blocks, stop, usage = body["output"]["message"]["content"], body["stopReason"], body["usage"]
    else:
        blocks, stop = {}, None
        for name, data in events(exchange):
            if name == "contentBlockStart" and "toolUse" in data["start"]:
                blocks[data["contentBlockIndex"]] = {"toolUse": data["start"]["toolUse"] | {"input": ""}}
            elif name == "contentBlockDelta":
                block, delta = blocks.setdefault(data["contentBlockIndex"], {}), data["delta"]
                if "text" in delta:
                    block["text"] = block.get("text", "") + delta["text"]
                elif "toolUse" in delta:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
                elif "citation" in delta:
                    continue
                elif "text" in delta.get("reasoningContent", {}):
                    thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
                    thought["reasoningText"]["text"] += delta["reasoningContent"]["text"]
            elif name == "messageStop":
                stop = data["stopReason"]
            elif name == "metadata":
                usage = data["usage"]
        blocks = [blocks[index] for index in sorted(blocks)]
    for block in blocks:
        if "text" in block:
            answer.text += block["text"]
        elif "citationsContent" in block:
            answer.text += "".join(part.get("text", "") for part in block["citationsContent"].get("content") or [])
        elif "reasoningContent" in block:
            answer.thinking += block["reasoningContent"].get("reasoningText", {}).get("text", "")
        elif "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
            answer.calls.append((block["toolUse"]["name"], arguments(block["toolUse"]["input"])))
    answer.finish = {
        "max_tokens": "length", "model_context_window_exceeded": "length", "content_filtered": "filter",
        "guardrail_intervened": "filter",
    }.get(stop, "stop")
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    answer.prompt, answer.completion = usage.get("inputTokens", 0) + cached, usage.get("outputTokens", 0)
    return answer


def ollama_chat(exchange):
    answer = Answer()
    lines = [data for _, data in events(exchange)] if exchange["response"]["kind"] == "ndjson" else [exchange["response"]["body"]]
    for line in lines:
        message = line.get("message") or {}
        answer.text += message.get("content") or ""
        answer.thinking += message.get("thinking") or ""
        for call in message.get("tool_calls") or []:
            answer.calls.append((call["function"]["name"], call["function"].get("arguments") or {}))
        if line.get("done"):
            answer.finish = "length" if line.get("done_reason") == "length" else "stop"
            answer.prompt, answer.completion = line.get("prompt_eval_count", 0), line.get("eval_count", 0)
    return answer


def cohere_chat(exchange):
    answer, calls, usage = Answer(), {}, {}
    if exchange["response"]["kind"] == "json":
        body = exchange["response"]["body"]
        message, reason, usage = body["message"], body["finish_reason"], body.get("usage") or {}
        answer.text += message.get("tool_plan") or ""
        for part in message.get("content") or []:
            if part["type"] == "thinking":
                answer.thinking += part["thinking"]
            else:
                answer.text += part["text"]
        calls = {n: [call["function"]["name"], call["function"]["arguments"]] for n, call in enumerate(message.get("tool_calls") or [])}
    else:
        reason = None
        for _, data in events(exchange):
            delta = data.get("delta") or {}
            message = delta.get("message") or {}
            match data["type"]:
                case "content-start" | "content-delta":
                    answer.text += message["content"].get("text") or ""
                    answer.thinking += message["content"].get("thinking") or ""
                case "tool-plan-delta":
                    answer.text += message["tool_plan"]
                case "tool-call-start":
                    function = message["tool_calls"]["function"]
                    calls[data["index"]] = [function["name"], function.get("arguments") or ""]
                case "tool-call-delta":
                    calls[data["index"]][1] += message["tool_calls"]["function"]["arguments"]
                case "message-end":
                    reason, usage = delta["finish_reason"], delta.get("usage") or {}
    answer.calls = [(name, arguments(text)) for name, text in calls.values()]
    answer.finish = "length" if reason == "MAX_TOKENS" else "stop"
    tokens = usage.get("tokens") or {}
    answer.prompt, answer.completion = int(tokens.get("input_tokens", 0)), int(tokens.get("output_tokens", 0))
    return answer


READERS = {
    "cohere.chat": cohere_chat,
    "openai.chat": openai_chat,
    "mistral.chat": openai_chat,
    "openai.responses": openai_responses,
    "anthropic.messages": anthropic_messages,
    "gemini.generate": gemini,
    "gemini.stream": gemini,
    "bedrock.converse": bedrock_converse,
    "ollama.chat": ollama_chat,
}


def read(exchange):
    return READERS[exchange["api"]](exchange)

