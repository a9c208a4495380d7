"""For tests: the program, a home of its own, and a hub on this machine."""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import fake_hub

BITLOSS, MODEL = sys.argv[1], pathlib.Path(sys.argv[2])
TOKEN = "hf_right"
INDEX = "model.safetensors.index.json"
WEIGHTS = random.Random(1).randbytes(300_000)


def tiny_repo(**facts):
    files = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}",
             "README.md": b"# read me", "pytorch_model.bin": b"pickled", "onnx/model.onnx": b"onnx",
             "model.safetensors": WEIGHTS}
    return fake_hub.Repo(files, ["model.safetensors", "pytorch_model.bin"], **facts)


class PullTest(unittest.TestCase):
    def setUp(self):
        self.hub = fake_hub.Hub()
        self.addCleanup(self.hub.close)
        self.hub.repos["owner/tiny"] = tiny_repo()
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        self.cache = self.home / "hub"
        self.repo = self.cache / "models--owner--tiny"

    def environment(self, **more):
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        # Patient: a busy machine is no failure.
        return kept | {"HOME": str(self.home), "HF_HOME": str(self.home), "no_proxy": "*",
                       "HF_HUB_ETAG_TIMEOUT": "100", "HF_HUB_DOWNLOAD_TIMEOUT": "100",
                       "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_ENDPOINT": self.hub.url()} | more

    def bitloss(self, *arguments, **environment):
        return subprocess.run([BITLOSS, *arguments], capture_output=True, text=True, timeout=120,
                              env=self.environment(**environment), cwd=self.home)

    def pull(self, *arguments, code=0, says="", **environment):
        """`bitloss pull`, its exit code and message looked at."""
        done = self.bitloss("pull", *(arguments or ["owner/tiny"]), **environment)
        self.assertEqual(done.returncode, code, done.stderr)
        if code:
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(says, done.stderr)
        for text in (done.stdout, done.stderr):
            for secret in (TOKEN, "hf_wrong", "sig="):
                self.assertNotIn(secret, text)
        return done

    def assert_whole(self, repo="owner/tiny"):
        """What was fetched lies where other programs look for it, with the right bytes."""
        folder = self.cache / ("models--" + repo.replace("/", "--"))
        commit = (folder / "refs/main").read_text()
        self.assertEqual(commit, self.hub.commit)
        for path in ("config.json", "tokenizer.json", "model.safetensors"):
            link = folder / "snapshots" / commit / path
            etag = self.hub.repos[repo].etag(path)
            self.assertEqual(os.readlink(link), f"../../blobs/{etag}")
            self.assertEqual(link.read_bytes(), self.hub.repos[repo].files[path])
        self.assert_no_partials()

    def assert_no_partials(self):
        self.assertEqual(list(self.home.rglob("*incomplete*")), [])

    def assert_nothing_usable(self):
        self.assertFalse((self.repo / "refs/main").exists())
        self.assertEqual([path for path in self.repo.rglob("model.safetensors")], [])


def main():
    unittest.main(module="__main__", argv=sys.argv[:1] + sys.argv[3:])
