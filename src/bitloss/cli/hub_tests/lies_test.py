#!/usr/bin/env python3
"""`bitloss pull` against hubs that contradict themselves, and worse.

usage: lies_test.py BITLOSS MODEL [unittest's arguments]
"""

import hashlib
import json

from pull_case import INDEX, WEIGHTS, PullTest, main, tiny_repo


class Lies(PullTest):
    """Hubs that contradict themselves, and worse."""

    def refuse(self, says, code=3):
        self.pull(code=code, says=says)
        self.assert_nothing_usable()
        self.assert_no_partials()
        outside = [path for path in self.home.rglob("*") if "evil" in path.name]
        self.assertEqual(outside, [])

    def alter_tree(self, path, /, **fields):
        def altered(tree):
            for entry in tree:
                if entry["path"] == path:
                    for name, value in fields.items():
                        (entry["lfs"] if "lfs" in entry and name != "path" else entry)[name] = value
            return tree
        self.hub.faults["tree"] = altered

    def test_paths_that_leave_their_folder(self):
        for path in ("../evil", "/tmp/evil", "a/../../evil", "a//evil", "./evil", "a\\evil",
                     "evil\n", "evil\0", "", ".", "a/"):
            self.alter_tree("config.json", path=path)
            self.refuse("does not stay below its folder")
        self.assertEqual(self.hub.requests(contains="resolve"), [])

    def test_hashes_that_are_none(self):
        for oid in ("", "xyz", "../../evil", "A" * 64, "a" * 63):
            self.alter_tree("model.safetensors", oid=oid)
            self.refuse("no hash of model.safetensors")

    def test_sizes_that_are_none(self):
        for size in (-1, "12", 1.5, None, 2 ** 64):
            self.alter_tree("model.safetensors", size=size)
            self.refuse("")
        self.alter_tree("model.safetensors", size=2 ** 63)
        self.refuse("add up to more than 2^63 bytes")

    def test_no_room_is_said_before_the_first_byte(self):
        self.alter_tree("model.safetensors", size=10 ** 17)
        self.refuse("100000000.00 GB are to be fetched", code=6)
        self.assertEqual(self.hub.requests(contains="resolve"), [])

    def test_a_size_that_differs_between_listing_and_file(self):
        for size in (len(WEIGHTS) - 1, len(WEIGHTS) + 1):
            self.alter_tree("model.safetensors", size=size)
            self.refuse("bytes in the listing")
        self.alter_tree("config.json", size=5)
        self.refuse("bytes in the listing")

    def test_a_body_of_another_length_than_announced(self):
        self.hub.faults["bytes"] = lambda data: data + b"x" if data == WEIGHTS else None
        self.refuse("300000 bytes in the listing, 300001 are sent")
        self.hub.faults["bytes"] = lambda data: data[:-1] if data == WEIGHTS else None
        self.refuse("300000 bytes in the listing, 299999 are sent")

    def test_a_body_without_length_that_does_not_end(self):
        def endless(handler, server, _):
            if server == "cdn":
                self.hub.send(handler, 200, WEIGHTS + b"more", announce=False)
            return server == "cdn"
        self.hub.faults["first"] = endless
        self.refuse("more than the 300000 bytes of the listing are sent")

    def test_metadata_that_contradicts_the_listing(self):
        for field, value, says in (("X-Linked-Etag", f'"{"a" * 64}"', "its hash is"),
                                   ("X-Linked-Etag", '"../../evil"', "none here"),
                                   ("X-Linked-Size", "1", "300000 bytes in the listing, 1 here"),
                                   ("X-Linked-Size", "-1", "no number here"),
                                   ("X-Repo-Commit", "3" * 40, "the hub sends another"),
                                   ("X-Repo-Commit", "", "no X-Repo-Commit")):
            self.hub.faults["metadata"] = lambda path, f=field, v=value: (
                {f: v} if path == "model.safetensors" else None)
            self.refuse(says)
        self.assertEqual(self.hub.requests("cdn"), [])

    def test_a_flipped_bit_is_fetched_once_more_then_refused(self):
        flipped = bytes([WEIGHTS[0] ^ 1]) + WEIGHTS[1:]
        sent = []
        self.hub.faults["bytes"] = lambda data: (
            flipped if data == WEIGHTS and not sent.append(1) else None)
        self.refuse(f"its hash is {hashlib.sha256(flipped).hexdigest()[:12]} and not "
                    f"{hashlib.sha256(WEIGHTS).hexdigest()[:12]}, twice")
        self.assertEqual(len(sent), 2)
        sent.clear()
        self.hub.faults["bytes"] = lambda data: (
            flipped if data == WEIGHTS and not sent and not sent.append(1) else None)
        self.pull()
        self.assert_whole()

    def test_a_flipped_bit_in_a_small_file(self):
        self.hub.faults["bytes"] = lambda data: (
            b'{"model_type": "lLama"}' if data.startswith(b'{"model') else None)
        self.refuse("config.json: its hash is")

    def test_an_index_that_names_what_it_may_not(self):
        for shard, says, code in (("../evil.safetensors", "is not the name of a safetensors file", 3),
                                  ("evil.bin", "is not the name of a safetensors file", 3),
                                  ("gone.safetensors", "there is no file gone.safetensors", 4)):
            repo = tiny_repo()
            repo.files[INDEX] = json.dumps({"weight_map": {"a": shard}}).encode()
            del repo.files["model.safetensors"]
            repo.large.remove("model.safetensors")
            self.hub.repos["owner/tiny"] = repo
            self.refuse(says, code)

    def test_what_is_no_hub(self):
        def portal(handler, *_):
            self.hub.send(handler, 200, b"<html>log in</html>")
            return True
        self.hub.faults["first"] = portal
        self.refuse("does not answer as a hub does")

    def test_a_listing_that_goes_on_elsewhere(self):
        self.hub.faults |= {"pages": 2, "next": self.hub.url("cdn") + "/api"}
        self.refuse("goes on elsewhere")
        self.assertEqual(self.hub.requests("cdn"), [])

    def test_redirects_that_lead_nowhere(self):
        for location, says in (("ftp://127.0.0.1/x", "to what is no address"),
                               ("http://user@127.0.0.1/x", "to what is no address"),
                               ("", "to what is no address"),
                               ("//elsewhere/x", "leads to another host"),
                               (None, "redirects more than 20 times")):
            def lead(handler, server, path, location=location):
                target = handler.path if location is None else location
                self.hub.send(handler, 302, b"", {"Location": target})
                return True
            self.hub.faults["first"] = lead
            self.refuse(says, code=6)

    def test_repositories_without_weights_that_bitloss_reads(self):
        repo = self.hub.repos["owner/tiny"]
        del repo.files["model.safetensors"]
        repo.large.remove("model.safetensors")
        self.refuse("weights in other formats are not read", code=5)
        repo.files["adapter_config.json"] = b"{}"
        self.refuse("an adapter, not a model", code=5)

    def test_names_that_are_none(self):
        for name in ("tiny", "a/b/c", "../evil", "owner/..", "owner/tiny@", "owner/tiny@../evil",
                     "owner/tiny@a b", "owner/tiny:", "owner/tiny:../evil", "-o/x", "owner/a--b",
                     "owner/x.gguf"):
            self.pull("--", name, code=3)
        self.assertEqual(self.hub.log, [])


if __name__ == "__main__":
    main()
