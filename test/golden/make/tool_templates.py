"""What transformers writes with the text templates that TRL ships, over conversations with tools, reasoning and odd contents.

    python tool_templates.py        (transformers 5.24.0, jinja2 3.1.6, tokenizers 0.23.3; templates of trl 1.16.0, unchanged)

Reads ../chat-templates/templates/*.jinja and ../chat-templates/conversations.json, which is by hand. Writes ../chat-templates/texts.json.gz
and ../chat-templates/tokens.json.gz.

Everything goes the way of `apply_chat_template`: fields that are null are left out, and reasoning is given as `reasoning_content` and, before
the message's other fields, as `thinking`. `weight` is not given to templates. `strftime_now` writes 2026-11-30.

texts.json.gz     {"specialTokens", "expressions": {"given", "cases": [[template, its text or {"error"}], …]},
                  "templates": {template: {"marked", "cases": {conversation: case}}}}; a case is {"error"} or {"text", …} with
                  of a template with generation tags "spans" [[start, end], …], what is between them, and of all templates
                  "turns" [{"message", "full", "prompt"}, …] for every message of the assistant: all messages up to it, and those before it
                  with add_generation_prompt. A number stands for that many first characters, of "full" those of "text", of "prompt"
                  those of "full"; "prompt" is absent of a first message. Characters are UTF-16 code units. {"error"} in place of any text: what
                  the template raises.
tokens.json.gz    templates with generation tags with the tokenizer of ../tokenizers/smollm2: {"specialTokens", "templates": {template: {conversation:
                  {"error"} or {"count", "sha256" of the ids as int32 (little endian), "first" and "last" three ids, "mask" [[start, end], …] the
                  runs of ones in assistant_masks}}}}
"""
import gzip
import hashlib
import json
import re
from datetime import datetime
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

GOLDEN = Path(__file__).parent.parent
FOLDER = GOLDEN / "chat-templates"
TEMPLATES = {path.stem: path.read_bytes().decode() for path in sorted((FOLDER / "templates").glob("*.jinja"))}
CONVERSATIONS = json.loads((FOLDER / "conversations.json").read_text())
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


# What Jinja in Python makes of values that no template above prints, with these variables.
GIVEN = {"text": " .a'b\n", "name": "größe 👍", "no": None, "yes": True, "f": 1e-7, "n": 3, "half": 2.5, "list": [1, "a", None, [True]], "empty": [],
         "map": {"b": 1, "a": {"c": 'x"\'y'}, "Z": [0.5, "é\n"]}, "words": ["b", "A", "c"]}
EXPRESSIONS = [
    *["{{ %s }}" % each for each in ["yes", "no", "nowhere", "f", "half", "n", "list", "map", "words", "empty", "(1, 2)", "[text, name]",
        "-half", "n / 2", "n * 2.0"]],
    *["{{ %s|string }}" % each for each in ["yes", "no", "nowhere", "f", "list", "map"]],
    *["{{ %s|tojson }}" % each for each in ["map", "no", "nowhere", "f", "text", "[1, nowhere]", "(1, 2)"]],
    *["{{ map|tojson(%s) }}" % each for each in ["indent=2", "indent=0", "sort_keys=true", "ensure_ascii=true", "separators=(',', ':')",
        "true, 1", "indent=4, separators=('; ', '=')"]],
    *["[{{ %s }}]" % each for each in [
        "text.strip()", "text.strip(' \n.')", "text.lstrip('. ')", "text.rstrip('\n')", "'xaxbx'.strip('x')", "'abc'.strip('')", "text|trim",
        "text|trim('\n')", "nowhere|trim", "no|trim",
        "'a\u0085'.strip()", "'\ufeffa'.strip()", "'heLLo wORLD'|capitalize", "'heLLo'.capitalize()", "words|upper", "no|upper", "n|upper",
        "map|lower", "nowhere|upper",
        "name|length", "nowhere|length", "empty|length", "map|length", "nowhere|first", "nowhere|join(',')", "list|join('-')",
        "words|join(', ')", "list|join", "nowhere|list", "map|list", "'ab'|list", "nowhere|items|list",
        "nowhere|map(attribute='x')|list", "words|sort|join", "words|sort(case_sensitive=true)|join", "map|dictsort", "nowhere|default('d')",
        "no|default('d')", "no|default('d', true)", "yes|int", "n|replace('3', '4')", "'a\nb'|indent(2)",
        "'a' ~ no ~ yes ~ n ~ list ~ nowhere", "'a' + n", "'a' + no", "'a' + nowhere", "'a' + list", "n + 1", "list + [2]", "nowhere + 'a'",
        "empty == []", "list == [1, 'a', none, [true]]", "map == {}", "no == nowhere", "no == none", "nowhere == elsewhere", "'' == 0",
        "0 == false", "'1' == 1", "n == 3.0", "empty != []", "map.a == {'c': 'x'}", "yes == 1", "'a' == 'a'",
        "nowhere is iterable", "map is iterable", "no is iterable", "n is iterable", "'a' is iterable", "nowhere is sequence",
        "map is sequence", "yes is number", "n is number", "no is not sequence", "half is not number",
        "'a' in list", "none in list", "'b' in map", "'z' in nowhere", "1 if nowhere", "(1 if no) is defined", "text is string",
        "map.items()|list", "map.get('q')", "map.get('q', 'd')", "text.split(\"'\")", "'a  b'.split()", "'{{ x }}'"]],
    *["{%% for x in %s %%}{{ x }},{%% else %%}else{%% endfor %%}" % each for each in ["nowhere", "'ab'", "map", "list", "map.items()",
        "words if x != 'A'", "empty", "no"]],
    "{% for k, v in map|items %}{{ k }}={{ v }};{% endfor %}",
    "{% for x in [1, 2, 3] %}{% if x == 1 %}{% set seen = x %}{% endif %}{{ seen is defined }}{{ seen }} {% endfor %}{{ seen is defined }}",
    "{% for x in [1, 2] %}{% for y in [1, 2] %}{% if y == 1 %}{% set z = x %}{% endif %}{{ loop.index }}{{ z }}{% endfor %}{{ loop.index }}{{ z }} {% endfor %}",
    "{% set ns = namespace(a=1) %}{% for x in [1, 2] %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}",
    "{% macro m(a, b=none) %}{{ a }}{{ b }}{{ varargs }}{% endmacro %}{{ m(1) }} {{ m(no, [yes]) }} {{ m(1, 2, 3) }}",
    "{% set x %} {{ no }} {% endset %}[{{ x }}]{% if empty %}a{% elif nowhere %}b{% else %}{{ list[3] }}{% endif %}",
    "a\r\n  {% if yes %}\r\nb\r\n  {% endif %}\r\nc\r\n", "{{ strftime_now('%d %B %Y, %b %-d %y %a %A %j %H:%M:%S %I %p %e %F %T %% %m') }}",
]


class Frozen(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 30)


chat_template_utils.datetime = Frozen


def units(text):
    """The length of a text in JavaScript."""
    return len(text.encode("utf-16-le")) // 2


def messages_of(conversation):
    return [{key: value for key, value in message.items() if key != "weight"} for message in conversation["messages"]]


def is_marked(template):
    return re.search(r"\{%[-+]?\s*generation\s*[-+]?%\}", template) is not None


def refusal(cause):
    return {"error": f"{type(cause).__name__}: {cause}"}


def render(template, conversation, messages, prompt=False):
    """The text and its spans, or what was raised."""
    try:
        texts, spans = render_jinja_template(
            [_normalize_chat_messages(messages)], tools=conversation.get("tools"), chat_template=template,
            return_assistant_tokens_mask=is_marked(template), add_generation_prompt=prompt, **TOKENS, **conversation.get("values", {}))
        return texts[0], spans[0] if spans else []
    except Exception as cause:
        return refusal(cause), None


def from_start(text, of):
    return units(text) if isinstance(text, str) and isinstance(of, str) and of.startswith(text) else text


def case(template, conversation):
    messages = messages_of(conversation)
    text, spans = render(template, conversation, messages)
    turns = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        full, _ = render(template, conversation, messages[: i + 1])
        turn = {"message": i, "full": from_start(full, text)}
        if i > 0:
            turn["prompt"] = from_start(render(template, conversation, messages[:i], prompt=True)[0], full)
        turns.append(turn)
    if not isinstance(text, str):
        return {**text, "turns": turns}
    marks = {"spans": [[units(text[:start]), units(text[:end])] for start, end in spans]} if is_marked(template) else {}
    return {"text": text, **marks, "turns": turns}


def runs(mask):
    """[start, end) of every run of ones."""
    edges = np.flatnonzero(np.diff([0, *mask, 0]))
    return edges.reshape(-1, 2).tolist()


def expression(template):
    try:
        return render_jinja_template([[{"role": "user", "content": ""}]], chat_template=template, **GIVEN)[0][0]
    except Exception as cause:
        return refusal(cause)


def tokens(tokenizer, template, conversation):
    try:
        out = tokenizer.apply_chat_template(
            messages_of(conversation), tools=conversation.get("tools"), chat_template=template, return_dict=True,
            return_assistant_tokens_mask=True, **conversation.get("values", {}))
    except Exception as cause:
        return refusal(cause)
    ids = out["input_ids"]
    digest = hashlib.sha256(np.array(ids, dtype="<i4").tobytes()).hexdigest()
    return {"count": len(ids), "sha256": digest, "first": ids[:3], "last": ids[-3:], "mask": runs(out["assistant_masks"])}


def write(name, content):
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"
    (FOLDER / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


config = json.loads((GOLDEN / "tokenizers/smollm2/tokenizer_config.json").read_text())
special = {name: config[name] for name in ["bos_token", "eos_token", "unk_token", "pad_token"]}
smollm2 = PreTrainedTokenizerFast(tokenizer_file=str(GOLDEN / "tokenizers/smollm2/tokenizer.json"), **special)

expressions = {"given": GIVEN, "cases": [[each, expression(each)] for each in EXPRESSIONS]}
write("texts.json.gz", {"specialTokens": TOKENS, "expressions": expressions, "templates": {
    name: {"marked": is_marked(template), "cases": {each["name"]: case(template, each) for each in CONVERSATIONS}}
    for name, template in TEMPLATES.items()}})
write("tokens.json.gz", {"specialTokens": special, "templates": {
    name: {each["name"]: tokens(smollm2, template, each) for each in CONVERSATIONS}
    for name, template in TEMPLATES.items() if is_marked(template)}})
