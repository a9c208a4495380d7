#!/usr/bin/env python3
"""`bitloss pull`, and commands that fetch what they name, against a hub that behaves.

usage: pull_test.py BITLOSS MODEL [unittest's arguments]
"""

import json
import os
import pathlib
import shutil
import subprocess

import fake_hub
import split_gguf
from pull_case import BITLOSS, INDEX, MODEL, WEIGHTS, PullTest, main


class Fetching(PullTest):
    def test_a_model_lies_in_the_cache_as_the_hub_has_it(self):
        done = self.pull()
        self.assert_whole()
        snapshot = self.repo / "snapshots" / self.hub.commit
        self.assertEqual(done.stdout, f"{snapshot}\n")
        self.assertIn("owner/tiny @ 7ae5576: 3 files fetched", done.stderr)
        self.assertEqual(sorted(path.name for path in snapshot.iterdir()),
                         ["config.json", "model.safetensors", "tokenizer.json"])
        self.assertTrue((self.cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f59"))
        locks = self.cache / ".locks/models--owner--tiny"
        self.assertEqual(len(list(locks.glob("*.lock"))), 3)

    def test_what_is_there_is_not_fetched_again(self):
        self.pull()
        self.hub.log.clear()
        self.assertIn("0 files fetched", self.pull().stderr)
        self.assertEqual({entry["path"].split("/")[1] for entry in self.hub.log}, {"api"})

    def test_a_branch_that_moved_is_fetched_and_the_old_commit_stays(self):
        self.pull()
        self.hub.commit = "1" * 40
        self.hub.repos["owner/tiny"].files["config.json"] = b'{"model_type": "qwen2"}'
        self.assertIn("@ 1111111: 1 file fetched", self.pull().stderr)
        self.assert_whole()
        old = self.repo / "snapshots" / fake_hub.COMMIT / "config.json"
        self.assertEqual(old.read_bytes(), b'{"model_type": "llama"}')

    def test_a_revision_becomes_a_ref_and_a_commit_does_not(self):
        self.hub.repos["owner/tiny"].facts["revisions"] = ["refs/pr/1"]
        self.pull("owner/tiny@refs/pr/1")
        self.assertEqual((self.repo / "refs/refs/pr/1").read_text(), self.hub.commit)
        self.assertIn("/revision/refs%2Fpr%2F1", self.hub.requests()[0]["url"])
        self.pull(f"owner/tiny@{self.hub.commit}")
        self.assertEqual([path.name for path in (self.repo / "refs").iterdir()], ["refs"])

    def test_addresses_of_the_site_are_names_too(self):
        self.pull("https://huggingface.co/owner/tiny/tree/main")
        self.pull("hf.co/owner/tiny")
        self.assert_whole()

    def test_shards_come_as_the_index_names_them(self):
        shards = {f"model-0000{n}-of-00002.safetensors": WEIGHTS[:n * 1000] for n in (1, 2)}
        index = {"weight_map": {str(n): name for n, name in enumerate(shards)}}
        files = {"config.json": b"{}", "tokenizer.json": b"{}", INDEX: json.dumps(index).encode(),
                 "consolidated.safetensors": b"twice", **shards}
        self.hub.repos["owner/tiny"] = fake_hub.Repo(files, shards)
        snapshot = pathlib.Path(self.pull().stdout.strip())
        self.assertEqual(sorted(path.name for path in snapshot.iterdir()),
                         sorted({*files} - {"consolidated.safetensors"}))

    def test_a_listing_of_several_pages_is_read_to_its_end(self):
        self.hub.faults["pages"] = 3
        self.pull()
        self.assert_whole()

    def test_an_empty_file_is_a_file(self):
        self.hub.repos["owner/tiny"].files["merges.txt"] = b""
        snapshot = pathlib.Path(self.pull().stdout.strip())
        self.assertEqual((snapshot / "merges.txt").read_bytes(), b"")

    def test_copies_where_links_are_not_wanted(self):
        snapshot = pathlib.Path(self.pull(HF_HUB_DISABLE_SYMLINKS="yes").stdout.strip())
        self.assertFalse((snapshot / "config.json").is_symlink())
        self.assertEqual((snapshot / "model.safetensors").read_bytes(), WEIGHTS)

    def test_the_cache_is_where_the_environment_says(self):
        there = self.home / "elsewhere"
        self.pull(HF_HUB_CACHE="$HF_HOME/elsewhere/a")
        self.pull(HF_HOME="", XDG_CACHE_HOME=f"{there}/b")
        self.pull(HF_HOME="~/elsewhere/c")
        self.pull(HF_HOME="")
        for folder in (there / "a", there / "b/huggingface/hub", there / "c/hub",
                       self.home / ".cache/huggingface/hub"):
            self.assertTrue((folder / "models--owner--tiny/refs/main").exists(), folder)

    def test_a_tokenizer_comes_without_weights_and_weights_later(self):
        self.assertIn("2 files fetched", self.pull("owner/tiny", "--tokenizer").stderr)
        self.assertIn("1 file fetched", self.pull().stderr)
        self.assert_whole()


class Gguf(PullTest):
    def setUp(self):
        super().setUp()
        parts = [f"Q8_0/m-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
        self.files = ["m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-IQ4_XS.gguf", "mmproj-m-f16.gguf", *parts]
        self.hub.repos["owner/tiny"] = fake_hub.Repo(
            {path: path.encode() for path in self.files} | {"config.json": b"{}"}, self.files)

    def test_the_quantization_is_chosen_in_any_letter_case(self):
        for name in ("Q4_K_M", "q4_k_m"):
            done = self.pull(f"owner/tiny:{name}")
            self.assertTrue(done.stdout.endswith("/m-Q4_K_M.gguf\n"))
        self.assertEqual(len(self.hub.requests("cdn")), 1)

    def test_all_parts_of_a_split_file_come(self):
        first = pathlib.Path(self.pull("owner/tiny:q8_0").stdout.strip())
        self.assertEqual(first.name, "m-Q8_0-00001-of-00003.gguf")
        self.assertEqual(os.readlink(first).count("../"), 3)
        self.assertEqual(sorted(path.name for path in first.parent.iterdir()),
                         [path.split("/")[1] for path in self.files[-3:]])

    def test_what_is_not_said_is_not_guessed(self):
        self.pull("owner/tiny", code=4, says="4 GGUF models; name one of them")
        self.pull("owner/tiny:Q4_K", code=4, says="no GGUF file is called 'Q4_K'")
        self.pull("owner/tiny:4_XS", code=4, says="m-IQ4_XS.gguf")
        self.pull("owner/tiny:f16", code=4, says="no GGUF file is called 'f16'")
        self.assertEqual(self.hub.requests("cdn"), [])

    def test_a_missing_part_is_said(self):
        del self.hub.repos["owner/tiny"].files[self.files[-2]]
        self.pull("owner/tiny:Q8_0", code=4, says="part 2 of 3 is missing")

    def test_it_is_found_again_offline(self):
        fetched = self.pull("owner/tiny:q8_0").stdout
        self.assertEqual(self.pull("owner/tiny:Q8_0", HF_HUB_OFFLINE="1").stdout, fetched)
        self.pull("owner/tiny:Q4_K_M", code=4, says="no GGUF file is called", HF_HUB_OFFLINE="1")


class WholeProgram(PullTest):
    """Commands that take a model or a text."""

    def setUp(self):
        super().setUp()
        files = {path.name: path.read_bytes() for path in MODEL.iterdir() if path.is_file()}
        self.hub.repos["owner/tiny"] = fake_hub.Repo(files, ["model.safetensors"])
        self.text = files["eval.txt"]
        self.hub.repos["owner/texts"] = fake_hub.Repo({"raw/wiki.txt": self.text, "b.txt": b"b"},
                                                      ["raw/wiki.txt"], kind="datasets")

    def ok(self, *arguments, **environment):
        done = self.bitloss(*arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def score(self, model, *arguments, **environment):
        (self.home / "ids").write_text("[1,2,3,4,5,6,7,8]\n")
        return self.ok("score", model, "--ids", "ids", "--json", *arguments, **environment)

    def test_a_name_that_is_not_there_is_fetched_and_then_is(self):
        scores = self.score("owner/tiny")
        self.assertEqual(scores, self.score(str(MODEL)))
        self.hub.log.clear()
        self.assertEqual(scores, self.score("owner/tiny"))
        self.assertEqual(self.hub.log, [])

    def test_half_a_model_is_made_whole(self):
        self.pull("owner/tiny", "--tokenizer")
        self.score("owner/tiny")
        self.assert_whole()

    def test_a_study_of_a_model_and_a_text_on_a_hub(self):
        study = ("run", "owner/tiny", "--text", "owner/texts:raw/wiki.txt", "--schemes", "nf4",
                 "--suite", "none", "--max-samples", "4", "--out", "study")
        self.ok(*study)
        report = json.loads((self.home / "study/report.json").read_text())
        self.assertEqual(report["model"]["name"], "owner/tiny")
        protocol = report["lanes"][0]["protocols"][0]
        self.assertEqual(protocol["text"], "wiki.txt")
        self.assertTrue((self.cache / "datasets--owner--texts/refs/main").exists())
        self.hub.log.clear()
        self.ok(*study, "--offline")
        self.assertEqual(self.hub.log, [])

    def test_a_gguf_file_on_a_hub_is_the_file(self):
        made = self.home / "made"
        self.ok("quantize", str(MODEL), "--scheme", "q8_0", "--out", str(made))
        data = (made / "model.gguf").read_bytes()
        files = {"t-Q8_0.gguf": data, "t-Q4_0.gguf": b"another"}
        self.hub.repos["owner/gguf"] = fake_hub.Repo(files, files)
        self.assertEqual(self.score("owner/gguf:q8_0"), self.score(str(made / "model.gguf")))
        done = self.bitloss("inspect", "owner/gguf")
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (4, 1))
        self.assertIn("2 GGUF models; name one of them", done.stderr)

    def test_a_split_gguf_file_on_a_hub_is_the_whole_one(self):
        made = self.home / "made"
        self.ok("quantize", str(MODEL), "--scheme", "q8_0", "--out", str(made))
        names = [f"Q8_0/t-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
        files = dict(zip(names, split_gguf.split((made / "model.gguf").read_bytes(), 3)))
        self.hub.repos["owner/gguf"] = fake_hub.Repo(files, files)
        self.ok("run", "owner/gguf:q8_0", "--text", str(MODEL / "eval.txt"), "--schemes", "nf4",
                "--suite", "none", "--max-samples", "2", "--out", "study")
        whole = self.score(str(made / "model.gguf"))
        self.assertEqual(self.score("owner/gguf:Q8_0"), whole)
        first = pathlib.Path(self.pull("owner/gguf:q8_0").stdout.strip())
        last = first.with_name("t-Q8_0-00003-of-00003.gguf")
        for path in (last, first.parent):  # any part, or the folder
            self.assertEqual(self.score(str(path)), whole)
        self.assertEqual(json.loads(self.ok("inspect", str(last), "--json"))["parts"], 3)
        last.unlink()
        done = self.bitloss("score", str(first), "--ids", "ids", "--json")
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (4, 1))
        self.assertIn("part 3 of 3 is missing; put all parts into one folder", done.stderr)

    def test_tokenizing_fetches_no_weights(self):
        done = subprocess.run([BITLOSS, "tokenize", "owner/tiny"], input="a b", capture_output=True,
                              text=True, env=self.environment(), cwd=self.home)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.hub.requests("cdn"), [])

    def test_a_local_path_wins(self):
        shutil.copytree(MODEL, self.home / "owner/tiny")
        self.score("owner/tiny")
        self.assertEqual(self.hub.log, [])

    def test_offline_nothing_is_asked(self):
        for arguments, environment in ((["--offline"], {}), ([], {"HF_HUB_OFFLINE": "ON"}),
                                       ([], {"TRANSFORMERS_OFFLINE": "1"})):
            done = self.bitloss("inspect", "owner/tiny", *arguments, **environment)
            self.assertEqual(done.returncode, 4)
            self.assertIn("no model 'owner/tiny'", done.stderr)
            self.pull("owner/tiny", *arguments, code=4, says="nothing is fetched offline",
                      **environment)
            done = self.bitloss("run", "--text", "owner/texts:b.txt", *arguments, **environment)
            self.assertEqual(done.returncode, 4)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual(self.hub.log, [])

    def test_what_is_no_name_is_not_looked_for_on_a_hub(self):
        for model in ("none", "./owner/tiny", "models/x.gguf", "a/b/c", "/owner/tiny"):
            done = self.bitloss("inspect", model)
            self.assertEqual(done.returncode, 4, model)
            self.assertIn("there is no such folder or file", done.stderr)
        self.assertEqual(self.hub.log, [])

    def test_texts_that_are_not_there(self):
        self.pull("--text", "owner/texts:none.txt", code=4, says="there is no file none.txt")
        self.pull("--text", "owner/texts", code=3, says="the path of a file")
        self.assertTrue(self.pull("--text", "owner/texts:b.txt").stdout.endswith("/b.txt\n"))

    def test_without_libcurl_everything_local_works(self):
        broken = self.home / "lib"
        broken.mkdir()
        (broken / "libcurl.so.4").write_text("not a library")
        self.score(str(MODEL), LD_LIBRARY_PATH=str(broken))
        self.pull(code=5, says="install libcurl4", LD_LIBRARY_PATH=str(broken))


if __name__ == "__main__":
    main()
