// Templates that do not mean well end in a refusal with its place: never in a crash, a hang or cut
// output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "bitloss/templates/meter.h"
#include "bitloss/templates/program.h"

namespace bitloss::templates {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

Result<std::string> Render(const std::string& source) {
  auto program = Program::Parse(source, "hostile");
  if (!program.ok()) return program.error();
  Dict variables;
  variables.Set("s", Value::String("a text"));
  variables.Set("l", Value::List({Value::Int(3), Value::Int(1), Value::Int(2)}));
  return program.value().Render(variables, {});
}

void ExpectRefused(const std::string& source, const std::string& why) {
  const auto text = Render(source);
  ASSERT_FALSE(text.ok()) << source.substr(0, 200);
  EXPECT_EQ(text.error().kind, ErrorKind::kBadInput);
  EXPECT_THAT(text.error().message, HasSubstr(why));
  EXPECT_THAT(text.error().message, MatchesRegex("hostile [0-9]+:[0-9]+: .*"));
}

std::string Repeated(const std::string& part, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

TEST(HostileTemplates, CannotLoopForever) {
  const std::string loop = "{% for i in range(100000) %}";
  ExpectRefused(loop + loop + loop + Repeated("{% endfor %}", 3), "steps");
  ExpectRefused("{% for i in range(100001) %}{% endfor %}", "range");
  ExpectRefused("{% set x = range(-9223372036854775807, 9223372036854775807) %}", "range");
}

TEST(HostileTemplates, CannotBuildGigabytes) {
  ExpectRefused("{{ 'a' * 10000000000 }}", "MiB");
  ExpectRefused(
      "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(60) %}"
      "{% set n.x = n.x ~ n.x %}{% endfor %}",
      "MiB");
  ExpectRefused("{{ '%999999999d' % 1 }}", "MiB");
  ExpectRefused("{{ 'a'.center(9999999999) }}", "MiB");
  ExpectRefused("{{ 'a' | indent(9999999999, true) }}", "MiB");
  ExpectRefused("{% set b = 'a' * 10000 %}{{ b.replace('', b) }}", "MiB");
  ExpectRefused("{% set b = 'a' * 10000 %}{{ (b.split('x') * 10000) | join(b) }}", "MiB");
  ExpectRefused("{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}", "MiB");
  ExpectRefused("{{ [0] * 1000000000 }}", "items");
  ExpectRefused("{{ [1, 2] | batch(1000000000, 0) | list }}", "items");
  ExpectRefused(
      "{% set n = namespace(x=[1]) %}{% for i in range(60) %}"
      "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
      "");
  ExpectRefused("{{ 2 ** 64 }}", "64 bits");
  ExpectRefused("{{ 9223372036854775807 + 1 }}", "64 bits");
}

TEST(HonestTemplates, MayMakeLongTexts) {
  EXPECT_EQ(Render("{{ range(100000) | join(', ') | length }}").value(), "688888");
  EXPECT_EQ(Render("{{ ', '.join(['a'] * 100000) | length }}").value(), "299998");
  EXPECT_EQ(Render("{{ ('a\n' * 100000) | indent(2) | length }}").value(), "399998");
  EXPECT_EQ(Render("{% for i in range(100000) %}{{ i }}{% endfor %}").value().size(), 488890u);
}

TEST(HostileTemplates, CannotOverflowTheStack) {
  ExpectRefused("{{ " + Repeated("(", 100000) + "1" + Repeated(")", 100000) + " }}", "deep");
  ExpectRefused("{{ " + Repeated("[", 100000) + Repeated("]", 100000) + " }}", "deep");
  ExpectRefused("{{ " + Repeated("not ", 100000) + "1 }}", "deep");
  ExpectRefused("{{ " + Repeated("- ", 100000) + "1 }}", "deep");
  ExpectRefused("{{ 1" + Repeated(" + 1", 100000) + " }}", "deep");
  ExpectRefused("{{ s" + Repeated("[0]", 100000) + " }}", "deep");
  ExpectRefused("{{ s" + Repeated(" | trim", 100000) + " }}", "deep");
  ExpectRefused("{% if s %}" + Repeated("{% elif s %}", 20000) + "{% endif %}", "deep");
  ExpectRefused(Repeated("{% if s %}", 20000) + Repeated("{% endif %}", 20000), "deep");
  ExpectRefused("{% set " + Repeated("(", 100000) + "x" + Repeated(")", 100000) + " = 1 %}",
                "deep");
  ExpectRefused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep");
  ExpectRefused("{% macro a() %}{{ " + Repeated("(", 150) + "b()" + Repeated(")", 150) +
                    " }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
                "deep");
  ExpectRefused(
      "{% macro m() %}{{ m()" + Repeated(" ~ '' + 'a'", 450) + " }}{% endmacro %}{{ m() }}",
      "deep");
  ExpectRefused("{% for i in l recursive %}{{ loop(l) }}{% endfor %}", "deep");
  ExpectRefused(
      "{% set n = namespace(x=[]) %}{% for i in range(1000) %}{% set n.x = [n.x] %}"
      "{% endfor %}{{ n.x }}",
      "deep");
}

TEST(HostileTemplates, CannotMakeValuesThatHoldThemselves) {
  ExpectRefused("{% set n = namespace() %}{% set n.x = n %}", "namespace");
  ExpectRefused("{% set n = namespace() %}{% set n.x = [n] %}", "namespace");
  ExpectRefused("{% for i in l %}{% set x = [loop] %}{% endfor %}", "loop");
}

TEST(HostileTemplates, CannotMakeKeysThatNeverEnd) {
  ExpectRefused(
      "{% set n = namespace(x=(1,)) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}"
      "{% endfor %}{{ {n.x: 1} }}",
      "key");
}

TEST(HostileTemplates, AreRefusedIfTheyAreNotTextOrTooLong) {
  EXPECT_FALSE(Program::Parse("a\xFF", "x").ok());
  EXPECT_FALSE(Program::Parse(std::string(kMaxSourceBytes + 1, 'a'), "x").ok());
  EXPECT_TRUE(Program::Parse(std::string(kMaxSourceBytes, 'a'), "x").ok());
}

constexpr const char* kSeed =
    "{%- macro m(a, b='x') -%}{{ a ~ b }}{%- endmacro %}{% set ns = namespace(x=0, y=[1, 'é']) %}"
    "{%- for i, j in {'a': [1, 2.5], \"b\": none}.items() if i is not none %}{{ loop.index }}"
    "{% if not j is defined and i in s or loop.last %}{{ m(i, b=j) | trim | upper }}{% elif j %}"
    "{{ j[::-1] }}{% else %}{% set ns.x = ns.x + 1 %}{% break %}{% endif %}{% endfor %}"
    "{# c #}{% raw %}{{ {% endraw %}{{ '%s' % s.split(' ', 1)[-1] }}{{ l | map('string') | list }}"
    "{% call(q) m(1) %}{{ q }}{% endcall %}{{ ns.y | tojson(indent=2) }}{{ '\\u00e9\\n' }}"
    "{% generation %}{{ l | selectattr('a', 'eq', 1) | list | length }}{% endgeneration %}"
    "{{ 'a' if s else 'b' }}{{ (1, 2)[0:1] }}{% set x %}{{ -1 // 2 * 3 ** 2 }}{% endset %}";

// Whatever comes of it is a text or a refusal, and soon.
void ExpectAnEnd(const std::string& source) {
  const auto text = Render(source);
  if (text.ok()) return;
  EXPECT_THAT(text.error().message, HasSubstr("hostile")) << source;
}

TEST(HostileTemplates, EndWhenTheyAreCutAnywhere) {
  const std::string seed = kSeed;
  for (size_t size = 0; size <= seed.size(); ++size) ExpectAnEnd(seed.substr(0, size));
  for (size_t at = 0; at < seed.size(); ++at) ExpectAnEnd(seed.substr(at));
}

TEST(HostileTemplates, EndWhenTheyAreMutated) {
  const std::vector<std::string> pieces = {
      "{{",   "}}",       "{%",       "%}",     "{#",    "#}",  "-",    "+",    "(",
      ")",    "[",        "]",        "{",      "}",     "'",   "\"",   "\\",   "|",
      ".",    ":",        ",",        "~",      "*",     "**",  " is ", " in ", " not ",
      " if ", "else",     "for",      "endfor", "endif", "set", "loop", "ns",   "s",
      "l",    "caller()", "range(9)", "1e400",  "0x",    "é",   "\n",   "0"};
  std::mt19937 random(1);
  for (int round = 0; round < 4000; ++round) {
    std::string source = kSeed;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % source.size();
      switch (random() % 3) {
        case 0:
          source.erase(at, 1 + random() % 8);
          break;
        case 1:
          source.insert(at, pieces[random() % pieces.size()]);
          break;
        default:
          source.insert(at, source.substr(random() % source.size(), random() % 60));
      }
      if (source.empty()) source = " ";
    }
    ExpectAnEnd(source);
  }
}

}  // namespace
}  // namespace bitloss::templates
