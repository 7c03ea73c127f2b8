"""Tools, streamed tools and typed answers through OpenAI's own Python client, against a server that is running.

Usage: openai_client.py BASE_URL. The server has two models: "light" has learned when to call set_light, "noise" has learned nothing, so that
whatever it writes in the right form was required of it. Fails at the first answer that is wrong, otherwise prints one JSON object of answers.

Needs openai, which brings pydantic: the judge of every typed answer. Shares nothing with the package but the requests.
"""

import asyncio
import json
import sys
from typing import Annotated, Literal, Optional

import openai
from pydantic import BaseModel, ConfigDict, Field

options = {"base_url": sys.argv[1], "api_key": "none", "max_retries": 0, "timeout": 60}
client = openai.OpenAI(**options)
chat = client.chat.completions

LIGHT = {"model": "light", "temperature": 0, "max_tokens": 40}
# more tokens than the longest value of the types below has characters, escapes included
NOISE = {"model": "noise", "temperature": 1, "seed": 3, "max_tokens": 200}


def user(content):
    return [{"role": "user", "content": content}]


class SetLight(BaseModel):
    """Switches the light."""

    on: bool


class Count(BaseModel):
    n: int = Field(ge=2, le=5)


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    row: int = Field(ge=0, le=99)


class Judgement(BaseModel):
    model_config = ConfigDict(extra="forbid")
    label: Literal["good", "bad"]
    words: list[Annotated[str, Field(max_length=3)]] = Field(max_length=2)
    place: Place
    score: Optional[int] = Field(ge=0, le=10)


set_light = {"type": "function", "function": {"name": "set_light", "parameters": SetLight.model_json_schema()}}
count = {"type": "function", "function": {"name": "count", "parameters": Count.model_json_schema()}}
typed_light = openai.pydantic_function_tool(SetLight, name="set_light")
typed_count = openai.pydantic_function_tool(Count, name="count")
json_schema = {"type": "json_schema", "json_schema": {"name": "judgement", "schema": Judgement.model_json_schema()}}


def judged(text):
    """The value in a text; raises where the text is not JSON of the type, number for number and key for key."""
    return Judgement.model_validate_json(text, strict=True).model_dump()


def only(items):
    assert items is not None and len(items) == 1, items
    return items[0]


def call_and_answer():
    """A call, its result, and the answer after it."""
    messages = user("light on")
    first = only(chat.create(**LIGHT, messages=messages, tools=[set_light]).choices)
    call = only(first.message.tool_calls)
    result = {"role": "tool", "tool_call_id": call.id, "content": "ok"}
    second = only(chat.create(**LIGHT, messages=[*messages, first.message, result], tools=[set_light]).choices)
    plain = only(chat.create(**LIGHT, messages=user("hi"), tools=[set_light]).choices)
    return {
        "call": [first.finish_reason, first.message.content, call.type, call.function.name, call.function.arguments],
        "id": call.id,
        "answer": [second.finish_reason, second.message.content, second.message.tool_calls],
        "plain": [plain.finish_reason, plain.message.content, plain.message.tool_calls],
    }


def assemble(chunks):
    """The kinds of a stream's deltas, in their order, and the call that they assemble to."""
    order, call = [], {"name": "", "arguments": ""}
    for chunk in chunks:
        choice = only(chunk.choices)
        for delta in choice.delta.tool_calls or []:
            assert delta.index == 0, delta
            if delta.function.name:
                assert delta.id and delta.type == "function", delta
                order.append("name")
                call["name"] += delta.function.name
            if delta.function.arguments:
                order.append("arguments")
                call["arguments"] += delta.function.arguments
        if choice.delta.content:
            order.append("content")
        if choice.finish_reason:
            order.append(choice.finish_reason)
    return {"order": order, **call}


def streamed_call():
    """By hand, and by the client's own assembly, which decodes the arguments."""
    deltas = assemble(chat.create(**LIGHT, messages=user("light off"), tools=[set_light], stream=True))
    with chat.stream(**LIGHT, messages=user("light off"), tools=[typed_light]) as stream:
        done = only([event for event in stream if event.type == "tool_calls.function.arguments.done"])
        final = only(stream.get_final_completion().choices)
    assert done.name == "set_light" and done.parsed_arguments == SetLight(on=False), done
    assert only(final.message.tool_calls).function.parsed_arguments == SetLight(on=False), final
    return {**deltas, "final": final.finish_reason}


def chosen(tool_choice):
    """The tools that are called by a model that has learned nothing, each with arguments of its type."""
    completion = chat.parse(
        **NOISE,
        messages=user("x"),
        tools=[typed_light, typed_count],
        tool_choice=tool_choice,
        parallel_tool_calls=False,
    )
    choice = only(completion.choices)
    function = only(choice.message.tool_calls).function
    assert isinstance(function.parsed_arguments, {"set_light": SetLight, "count": Count}[function.name]), function
    return [choice.finish_reason, function.name]


def typed_answer():
    """A schema written out, whole and streamed, and the client's own decoding of a pydantic model."""
    whole = only(chat.create(**NOISE, messages=user("x"), response_format=json_schema).choices)
    value = judged(whole.message.content)
    chunks = chat.create(**NOISE, messages=user("x"), response_format=json_schema, stream=True)
    pieces = [only(chunk.choices) for chunk in chunks]
    text = "".join(piece.delta.content or "" for piece in pieces)
    assert text == whole.message.content, (text, whole)
    assert len([piece for piece in pieces if piece.delta.content]) > 1, pieces
    parsed = only(chat.parse(**NOISE, messages=user("x"), response_format=Judgement).choices)
    assert isinstance(parsed.message.parsed, Judgement), parsed
    with chat.stream(**NOISE, messages=user("x"), response_format=Judgement) as stream:
        final = only(stream.get_final_completion().choices)
    assert final.message.parsed == parsed.message.parsed, (final, parsed)
    return {
        "reasons": [whole.finish_reason, pieces[-1].finish_reason, parsed.finish_reason, final.finish_reason],
        "values": [value, judged(parsed.message.content)],
    }


async def asynchronous():
    """Two requests at once: a typed answer and a streamed call."""
    async with openai.AsyncOpenAI(**options) as other:
        typed = other.chat.completions.parse(**NOISE, messages=user("x"), response_format=Judgement)
        streamed = other.chat.completions.create(**LIGHT, messages=user("light on"), tools=[set_light], stream=True)
        completion, stream = await asyncio.gather(typed, streamed)
        call = assemble([chunk async for chunk in stream])
    return {"value": judged(only(completion.choices).message.content), "call": call}


def rejected():
    """A wrong request, as the client reports it."""
    try:
        chat.create(**LIGHT, messages=user("x"), tool_choice="required")
    except openai.BadRequestError as error:
        return [error.status_code, error.param, error.type]
    raise AssertionError("a required call without tools was accepted")


print(
    json.dumps(
        {
            "version": openai.__version__,
            "models": [model.id for model in client.models.list()],
            "tools": call_and_answer(),
            "streamed": streamed_call(),
            "required": chosen("required"),
            "named": [chosen({"type": "function", "function": {"name": name}}) for name in ("count", "set_light")],
            "typed": typed_answer(),
            "asynchronous": asyncio.run(asynchronous()),
            "rejected": rejected(),
        }
    )
)
