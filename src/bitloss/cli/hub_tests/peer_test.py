#!/usr/bin/env python3
"""One cache for bitloss and huggingface_hub: what one fetched the other finds, without a request.

usage: hub_peer_test.py BITLOSS MODEL

Exits with 77 where Python has no huggingface_hub.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import fake_hub

try:
    import huggingface_hub
except ImportError:
    print("hub_peer_test: skipped: this Python has no huggingface_hub")
    sys.exit(77)

BITLOSS, MODEL = sys.argv[1], pathlib.Path(sys.argv[2])
THEIRS = """
import sys
from huggingface_hub import snapshot_download, hf_hub_download
local = sys.argv[1] == "local"
if sys.argv[2] == "text":
    print(hf_hub_download("owner/texts", "raw/a.txt", repo_type="dataset", local_files_only=local))
else:
    patterns = sys.argv[3:] or None
    print(snapshot_download("owner/model", local_files_only=local, allow_patterns=patterns))
"""


def tree_of(folder):
    """Every file and link below it, but for locks and what only huggingface_hub keeps."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "/trees/" in name or "/.no_exist/" in name or path.is_dir():
            continue
        entries[name] = f"-> {os.readlink(path)}" if path.is_symlink() else path.read_bytes()
    return entries


def asked(hub):
    """The requests for models and data sets; huggingface_hub has others, which nothing depends on."""
    return [entry["url"] for entry in hub.log if "agent-harnesses" not in entry["path"]]


class Machine:
    """A home of its own, with the hub in reach."""

    def __init__(self, hub):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "no_proxy": "*",
                            "HF_HOME": str(self.home), "HF_ENDPOINT": hub.url(),
                            "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment,
                              timeout=120)
        if done.returncode:
            sys.exit(f"{command[:4]}: {done.stderr}")
        return done.stdout.strip().splitlines()[-1]

    def ours(self, *arguments):
        return self.run(BITLOSS, "pull", *arguments)

    def theirs(self, *arguments):
        return self.run(sys.executable, "-c", THEIRS, *arguments)

    def tree(self):
        return tree_of(self.home / "hub")


def main():
    hub = fake_hub.Hub()
    files = {path.name: path.read_bytes() for path in MODEL.iterdir()
             if path.suffix in {".json", ".safetensors"}}
    hub.repos["owner/model"] = fake_hub.Repo(files, ["model.safetensors"])
    hub.repos["owner/texts"] = fake_hub.Repo({"raw/a.txt": b"a text\n"}, ["raw/a.txt"], "datasets")

    # What bitloss fetched.
    first = Machine(hub)
    model, text = first.ours("owner/model"), first.ours("--text", "owner/texts:raw/a.txt")
    hub.log.clear()
    assert first.theirs("local", "model") == model
    assert first.theirs("local", "text") == text
    assert not asked(hub), asked(hub)
    # Online too it finds every blob there.
    assert first.theirs("online", "model") == model
    assert not hub.requests("cdn"), hub.requests("cdn")

    # What huggingface_hub fetched.
    second = Machine(hub)
    assert pathlib.Path(second.theirs("online", "model")).name == hub.commit
    second.theirs("online", "text")
    hub.log.clear()
    second.environment["HF_HUB_OFFLINE"] = "1"
    assert pathlib.Path(second.ours("owner/model")).name == hub.commit
    assert second.ours("--text", "owner/texts:raw/a.txt").endswith("raw/a.txt")
    assert not asked(hub), asked(hub)
    del second.environment["HF_HUB_OFFLINE"]
    second.ours("owner/model")
    assert not hub.requests(method="GET", contains="resolve"), hub.log

    ours, theirs = first.tree(), second.tree()
    assert ours == theirs, sorted(ours.keys() ^ theirs.keys()) or "contents differ"
    hub.close()
    print(f"huggingface_hub {huggingface_hub.__version__}: {len(ours)} files and links, the same")


if __name__ == "__main__":
    main()
