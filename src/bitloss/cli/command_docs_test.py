#!/usr/bin/env python3
"""What is said of the commands outside of --help is what --help says.

usage: command_docs_test.py BITLOSS

Every option of every command is in the manual page, under its command, and in the completion of
each shell; bash, and zsh and fish where they are there, complete what they should. Every help has
the exit codes, and every topic a text. --version says what it should. With NO_COLOR nothing is
coloured on a terminal, and --quiet leaves standard error empty.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BITLOSS = sys.argv.pop(1)
OPTION = re.compile(r"^  (-\S+)", re.MULTILINE)
COMMAND = re.compile(r"^  (\w+) ", re.MULTILINE)


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)


def said(*arguments):
    done = run(BITLOSS, *arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def commands():
    return COMMAND.findall(said("--help").split("Subcommands:")[1])


def options(*command):
    """The names of a command's options: ["-h", "--help", "--schemes", ...]."""
    names = [name for group in OPTION.findall(said(*command, "--help")) for name in group.split(",")]
    assert "--help" in names, names
    return names


def complete_in_bash(*words):
    """What bash offers for the last of `words`."""
    line = "COMP_WORDS=(bitloss " + " ".join(f"'{word}'" for word in words) + ")"
    script = (f'source <("{BITLOSS}" completion bash); {line}; COMP_CWORD={len(words)}; _bitloss; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = run("bash", "--norc", "-c", script)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


class CommandDocs(unittest.TestCase):
    def test_every_command_has_help_with_exit_codes(self):
        self.assertGreater(len(commands()), 10)
        for command in commands():
            text = said(command, "--help")
            self.assertIn("Exit codes: 0 ", text, command)
            self.assertIn("3 bad input", text, command)
            self.assertEqual(said("help", command), text)
        self.assertIn("0 holds, 1 harm shown, 2 cannot decide, 3 bad input", said("gate", "--help"))
        self.assertEqual(said("help"), said("--help"))

    def test_every_topic_has_a_text(self):
        topics = re.search(r"Topics of 'bitloss help': (.*)", said("--help")).group(1).split()
        self.assertIn("scheme", topics)
        self.assertFalse(set(topics) & set(commands()))
        for topic in topics:
            text = said("help", topic)
            self.assertGreater(len(text), 200, topic)
            self.assertLessEqual(max(map(len, text.splitlines())), 100, topic)
        refused = run(BITLOSS, "help", "frobnication")
        self.assertEqual(refused.returncode, 3)
        self.assertEqual(refused.stderr.count("\n"), 1)
        self.assertIn("statistics", refused.stderr)

    def test_the_manual_has_every_option_under_its_command(self):
        sections = said("man").replace("\\-", "-").split("\n.SS ")[1:]
        self.assertEqual([section.split()[1] for section in sections], commands())
        for command, section in zip(commands(), sections):
            for option in options(command):
                self.assertRegex(section, rf"\n\\fB.*{option}\b", command)
        if shutil.which("man"):
            with tempfile.NamedTemporaryFile("w", suffix=".1") as page:
                page.write(said("man"))
                page.flush()
                shown = run("man", "--warnings", "-E", "UTF-8", "-l", page.name)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertIn("EXIT STATUS", shown.stdout)

    def test_bash_offers_every_option_of_a_command(self):
        self.assertEqual(complete_in_bash("ru"), ["run"])
        self.assertLessEqual(set(commands()), set(complete_in_bash("")))
        for command in commands():
            self.assertEqual(sorted(complete_in_bash(command, "-")), sorted(options(command)), command)

    def test_bash_offers_words_of_values(self):
        self.assertEqual(complete_in_bash("report", "--format", "h"), ["html"])
        self.assertEqual(complete_in_bash("report", "--format", "=", "js"), ["json"])
        self.assertIn("awq", complete_in_bash("run", "--schemes", ""))
        self.assertEqual(complete_in_bash("run", "--schemes", "int8,aw"), ["int8,awq"])
        self.assertIn("gptq-2048", complete_in_bash("run", "--protocol", ""))
        self.assertEqual(complete_in_bash("help", "stat"), ["statistics"])
        self.assertEqual(complete_in_bash("completion", "z"), ["zsh"])
        # Files, which are bash's own affair.
        self.assertEqual(complete_in_bash("run", "--text", ""), [])

    def test_other_shells_have_every_option(self):
        zsh, fish = said("completion", "zsh"), said("completion", "fish")
        for command in commands():
            of_zsh = re.search(rf"\n    {command}\)\n(.*?)\n      ;;", zsh, re.DOTALL).group(1)
            of_fish = "\n".join(line for line in fish.splitlines() if f"from {command}'" in line)
            for option in options(command):
                self.assertIn(f"'*{option}[", of_zsh, command)
                flag = f" -l {option[2:]} " if option.startswith("--") else f" -s {option[1:]} "
                self.assertIn(flag, of_fish, command)

    def test_zsh_reads_its_script(self):
        if not shutil.which("zsh"):
            self.skipTest("no zsh")
        script = (f'autoload -U compinit; compinit -D -u; source <("{BITLOSS}" completion zsh); '
                  'echo $_comps[bitloss]')
        done = run("zsh", "-f", "-c", script, env={**os.environ, "TERM": "dumb"})
        self.assertEqual((done.stdout, done.stderr), ("_bitloss\n", ""))

    def test_fish_completes(self):
        if not shutil.which("fish"):
            self.skipTest("no fish")

        def offers(line):
            with tempfile.TemporaryDirectory() as home:
                done = run("fish", "--no-config", "-c",
                           f"{BITLOSS} completion fish | source; complete -C '{line}'",
                           env={**os.environ, "HOME": home})
            self.assertEqual(done.stderr, "")
            return [offer.split("\t")[0] for offer in done.stdout.splitlines()]

        self.assertEqual(offers("bitloss gat"), ["gate"])
        self.assertEqual(offers("bitloss run --sche"), ["--schemes"])
        self.assertEqual(offers("bitloss report --format m"), ["md"])
        self.assertIn("int8,awq", offers("bitloss run --schemes int8,aw"))

    def test_version(self):
        text = said("--version")
        self.assertRegex(text, r"^bitloss \d+\.\d+\.\d+\ncommit: ([0-9a-f]{12}(-dirty)?|unknown)\n")
        for line in ("built with: ", "instruction sets: ", "gpus: ", "mpi: "):
            self.assertRegex(text, rf"\n{line}\S")

    def test_nothing_is_coloured_and_quiet_is_quiet(self):
        with tempfile.TemporaryDirectory() as folder:
            study = (BITLOSS, "run", "--schemes", "nf4", "--suite", "none", "--control", "none",
                     "--max-samples", "2",
                     "--out", folder)
            master, terminal = pty.openpty()
            subprocess.run(study, check=True, stdout=terminal, stderr=terminal,
                           env={**os.environ, "NO_COLOR": "1", "TERM": "xterm"})
            shown = os.read(master, 1 << 20)
            os.close(terminal)
            os.close(master)
            self.assertIn(b"\r\x1b[K", shown)  # a line that is rewritten
            self.assertNotRegex(shown, rb"\x1b\[[0-9;]*m")
        with tempfile.TemporaryDirectory() as folder:
            done = run(*study[:-1], folder, "--quiet")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("nf4 ", done.stdout)


if __name__ == "__main__":
    unittest.main()
