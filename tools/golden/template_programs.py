#!/usr/bin/env python3
"""Small Jinja programs as transformers' environment for chat templates answers them:
src/bitloss/templates/testdata/programs.json.

usage: template_programs.py > programs.json

Needs jinja2 and transformers (no torch). Made with transformers 5.24.0, Jinja2 3.1.6, Python 3.11.
"""
import datetime
import json
import os
import sys

os.environ["LC_ALL"] = "C"

from transformers.utils import chat_template_utils  # noqa: E402

NOW = datetime.datetime(2024, 2, 29, 9, 5, 3)

VARIABLES = {
    "name": "Zoë", "blank": "", "count": 7, "ratio": 0.25, "yes": True, "nothing": None, "big": 10**20,
    "words": ["pear", "Fig", "apple"], "empty": [], "pairs": {"one": 1, "two": 2, "keys": "k"},
    "people": [{"id": 1, "role": "user", "at": {"home": "Bern"}}, {"id": 2, "role": "tool"}, {"id": 3, "role": "user"}],
    "padded": "\u00a0 two  words\t\n", "marked": "<a href=\"x\">'&'</a>",
}

CHAT = """{#- A template with what most have: system message, roles, thinking, tools. -#}
{%- macro part(content) -%}
    {%- if content is string -%}{{ content | trim }}
    {%- else -%}{% for p in content if p.type == 'text' %}{{ p['text'] }}{% endfor %}{%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(last=-1) -%}
{%- for m in messages -%}{%- if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif -%}{%- endfor -%}
{{- bos_token -}}
{%- if tools %}[tools]
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
{% endif %}
{%- for m in messages %}
    {%- if m.role not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('no role ' ~ m.role) }}
    {%- endif %}
    {%- if m.role == 'assistant' and m.reasoning_content is defined and loop.index0 > ns.last %}
<think>{{ m.reasoning_content }}</think>
    {%- endif %}
<{{ m.role }}>
{{ part(m.content) }}
    {%- if not loop.last %} / {% endif %}
{%- endfor %}
{% if add_generation_prompt %}<assistant>
{%- if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}
{% endif %}
"""

PROGRAMS = [
    # white space
    "a\n  {% if yes %}\n  b\n  {% endif %}\n  c\n", "a \n {%- if yes -%} \n b {%- endif %} \n c", "{%+ if yes +%}\nx{% endif %}",
    "x {# c #}\n y\n{#- c -#}\n z", "{% raw %} {{ x }} {%- endraw -%}  y", "\r\n{{ '\r' }}\r", "{{ 1 -}}\u3000\u2003x\u200b",
    # literals, operators
    "{{ 0x_ff }}{{ 1_0 }}{{ 1e2 }}{{ 1.5E-3 }}{{ 'a' \"b\" '\\x41\\u00e9\\q' }}", "{{ big }} {{ 3.0 }} {{ 1e22 }} {{ 123456.789e-12 }}",
    "{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 // 2 }} {{ 7 / 7 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}",
    "{{ 1 < 2 < 3 != 4 }} {{ 'a' in 'abc' and 'd' not in 'abc' }} {{ not yes or 3 }} {{ blank or nothing }}",
    "{{ [1, (2,), {'k': [none, true, \"it's\", '\"', '\\n']}] }}", "{{ 'ab' * 2 ~ count + 'c' }}", "{{ 'ab' * 2 ~ count }} {{ [0] * 2 + [1] }}",
    "{{ 1 if yes }}{{ 1 if not yes }}{{ 'a' if blank else 'b' if blank else 'c' }}", "{{ 'x' + 1 }}", "{{ 1 // 0 }}", "{{ {} < {} }}",
    "{{ '%s is %d of %x, %.2f%%' % (name, count, 255, ratio) }} {{ '%-4s|%4d|%+d' % ('a', 5, 6) }}", "{{ 1 is odd + 1 }}", "{{ (1, 2) == [1, 2] }} {{ 1 == true }} {{ 1 == 1.0 }}",
    # undefined
    "[{{ x }}{{ x ~ 1 }}{{ pairs.x }}{{ words[9] }}{{ name.x }}]", "{{ x.y }}", "{{ pairs.x.y is defined }}", "{{ x + 1 }}", "{{ x() }}", "{{ [x] }} {{ x | length }} {{ x | list }}",
    "{{ x | default('d') }} {{ blank | d('e', true) }} {{ nothing | default('d') }}", "{% for i in x %}a{% else %}none{% endfor %}", "{{ x | tojson }}",
    # access
    "{{ words[-1] }}{{ words[1:] }}{{ words[::-1] }}{{ name[2] }}{{ name[::-1] }}{{ name[-2:] }}{{ words.0 }}", "{{ pairs.keys is defined }} {{ pairs['keys'] }} {{ pairs.keys() | list }}",
    "{{ words.append('x') }}", "{{ pairs.get('x') }} {{ pairs.get('x', 3) }} {{ pairs.items() }}", "{{ name.__class__ }}|{{ name.__len__() }}", "{{ words[::0] }}", "{{ words['0'] is defined }}",
    # statements
    "{% for k, v in pairs.items() %}{{ loop.index }}/{{ loop.length }}{{ k }}{{ v }}{{ ', ' if not loop.last }}{% endfor %}", "{% for w in words if w != 'Fig' %}{{ loop.index0 }}{{ w }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% set x = 1 %}{% for i in words %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% elif i > 4 %}{% break %}{% endif %}{{ i }}{% else %}x{% endfor %}", "{% for i in [] recursive %}{% else %}e{% endfor %}{% for i in [[1], [2, [3]]] recursive %}<{{ loop(i) if i is iterable else i }}>{% endfor %}",
    "{% macro m(a, b=a) %}[{{ a }}{{ b }}{{ caller() if caller is defined }}]{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}{% call m(3) %}c{{ count }}{% endcall %}", "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }}", "{% set a, b = words %}", "{% set x %} {{ name }} {% endset %}[{{ x }}]", "{% filter upper | replace('O', '0') %}{{ name }} no{% endfilter %}",
    "{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% generation %}\n {{ name }}\n{% endgeneration %}\nx", "{% set pairs.x = 1 %}", "{% for i in 5 %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}",
    "{% if no %}{{ name | nosuch }}{% endif %}ok", "{{ (name | nosuch) if no else 'ok' }}", "{{ name | nosuch }}", "{{ name is nosuch }}", "{% nosuch %}", "{% include 'x' %}", "{% if yes %}", "{{ (1 }}", "{{ 'a }}", "{# a", "{{ 1 + }}",
    "{% break %}", "{% for loop in words %}{% endfor %}", "{% set none = 1 %}", "{{ raise_exception('stop at ' ~ count) }}",
    # filters, tests, methods
    "{{ words | sort }} {{ words | sort(true, true) }} {{ pairs | dictsort(by='value', reverse=true) }} {{ words | map('lower') | sort | join('-') }}", "{{ people | selectattr('role', 'equalto', 'user') | map(attribute='id') | list }} {{ people | rejectattr('at') | list | length }}",
    "{{ people | map(attribute='at.home', default='?') | join(',') }} {{ [3, 1, 3] | unique | list }} {{ [1, 2] | sum }} {{ words | min }} {{ words | last }}", "{{ words | map('upper') | length }}", "{{ [0, 1, 2] | select('odd') | list }} {{ [0, 1, ''] | reject | list }}",
    "{{ padded | trim }}|{{ padded.lstrip() }}|{{ padded.split() }}|{{ 'a,b,,c'.split(',', 2) }}|{{ 'aXbXc'.rsplit('X', 1) }}|{{ 'xxaxx'.strip('x') }}", "{{ name | upper }} {{ 'STRAßE' | lower }} {{ 'ß' | upper }} {{ \"o'neil mc-x\" | title }} {{ \"o'neil\".title() }} {{ 'éA' | capitalize }}",
    "{{ 'a\nb\n\nc' | indent(2) }}|{{ 'a\nb' | indent('> ', true) }}", "{{ '12' | int }}{{ 'x' | int(3) }}{{ '0x1f' | int(base=16) }}{{ '1.9' | int }}{{ 'x' | float }}{{ 2.5 | round }}{{ 2.675 | round(2) }}{{ -3 | abs }}",
    "{{ marked | e }} {{ marked | safe + '<' }} {{ ('<' | safe | upper) + '>' }} {{ ('<' | safe ~ '') + '>' }}", "{{ 'a{}b{x}'.format(1, x=[2]) }} {{ '{0}{0}'.format('a') }} {{ '{:>5}|{:.1f}'.format('a', 0.25) }}", "{{ 'abc'.find('c') }}{{ 'abc'.index('z') }}",
    "{{ 'a-b-c'.partition('-') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abab'.count('ab') }} {{ 'abc'.replace('', '.') }} {{ 'a1'.isalnum() }}", "{{ ', '.join(words) }} {{ ','.join([1]) }}",
    "{{ yes is number }}{{ yes is integer }}{{ pairs is sequence }}{{ pairs is mapping }}{{ x is iterable }}{{ nothing is none }}{{ 4 is divisibleby 2 }}{{ 'a' is in words }}", "{{ name is string is none }}",
    # tojson
    "{{ people | tojson }}", "{{ people | tojson(indent=2) }}", "{{ [1.0, 1e20, big, true, none, (1,), {}, []] | tojson(indent=1) }}", "{{ [name, marked, '\\u2028\\x7f\\x01'] | tojson }} {{ name | tojson(ensure_ascii=true) }}", "{{ pairs | tojson(separators=(',', ':'), sort_keys=true) }}", "{{ range(2) | tojson }}",
    # functions
    "{{ strftime_now('%d %B %Y, %H:%M:%S %j %a %-d %p %I') }}", "{{ range(5, 0, -2) | list }} {{ range(3) }} {{ dict(a=1) }} {{ namespace(a=1).a }}", "{{ range(200000) }}", "{{ namespace(_a=1) }}",
]

HELLO = [{"role": "user", "content": " Hi "}]
LONG = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Zoë?"}, {"type": "image"}]},
        {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}]
CHATS = [
    {"messages": HELLO, "add_generation_prompt": True}, {"messages": HELLO, "add_generation_prompt": True, "enable_thinking": False},
    {"messages": LONG, "add_generation_prompt": False, "bos_token": "<s>", "tools": [{"name": "f", "n": 1.0}]},
    {"messages": [{"role": "critic", "content": ""}], "add_generation_prompt": False},
]


class FixedDateTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def answer(template, variables):
    chat_template_utils._compile_jinja_template.cache_clear()
    try:
        return {"text": chat_template_utils._compile_jinja_template(template).render(**variables)}
    except Exception as error:  # of any kind: what matters is that there is one
        return {"error": str(error)}


def main():
    chat_template_utils.datetime = FixedDateTime
    programs = [{"template": template, **answer(template, VARIABLES)} for template in PROGRAMS]
    chats = [{"variables": {"tools": None, "documents": None, **chat}, **answer(CHAT, {"tools": None, "documents": None, **chat})} for chat in CHATS]
    json.dump({"now": NOW.isoformat(), "variables": json.dumps(VARIABLES, ensure_ascii=False), "programs": programs, "chat_template": CHAT, "chats": chats},
              sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
