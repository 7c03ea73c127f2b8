"""Chat templates of several families, as their tokenizer_config.json have them (the last one shortened to what matters here), and what
transformers writes with them. The turns are by hand.

Run in this folder with transformers (made with 5.24.0): python chat_templates.py
"""
import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
)
TEMPLATES = {
    "llama-2": (
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
        "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
        "{% for message in loop_messages %}" + ALTERNATE +
        "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
        "{% else %}{% set content = message['content'] %}{% endif %}"
        "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        [" First. </s>", " Second. </s>"],
    ),
    "llama-3": (
        "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
        "'<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
        "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        ["First.<|eot_id|>", "Second.<|eot_id|>"],
    ),
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for message in messages %}" + ALTERNATE +
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
        ["First.<end_of_turn>", "Second.<end_of_turn>"],
    ),
    "zephyr": (
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
        [" First. </s>", "Second.</s>"],
    ),
    "phi-3": (
        "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
        "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
        "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
        [" First. <|end|>", "Second.<|end|>"],
    ),
    "harmony": (
        "{%- for message in messages -%}\n    <|start|>{{ message.role }}<|message|>{{ message.content }}\n"
        "    {%- if loop.last and not add_generation_prompt %}<|return|>{% else %}<|end|>{% endif -%}\n{%- endfor -%}\n"
        "{%- if add_generation_prompt -%}<|start|>assistant<|message|>{%- endif -%}",
        [" First. <|return|>", "Second.<|return|>"],
    ),
}
MESSAGES = [
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": " First. "},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Second."},
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
SPECIAL = ["<s>", "</s>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>", "<end_of_turn>", "<|end|>",
           "<|user|>", "<|assistant|>", "<|system|>", "<|start|>", "<|message|>", "<|return|>"]

def render(template, messages, prompt):
    return render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt, **TOKENS)[0][0]

rows = [
    {"name": name, "template": template, "specialTokens": TOKENS, "special": SPECIAL, "messages": MESSAGES, "turns": turns,
     "text": render(template, MESSAGES, False), "prompt": render(template, MESSAGES[:1], True)}
    for name, (template, turns) in TEMPLATES.items()
]
target = Path(__file__).parent.parent / "tokenizers" / "chat_templates.json"
target.write_text(json.dumps(rows, indent=1) + "\n")
