#!/usr/bin/env python3
"""`bitloss pull` where access is refused, connections break and hubs are busy.

usage: weather_test.py BITLOSS MODEL [unittest's arguments]
"""

import hashlib
import os
import pty
import re
import shutil
import subprocess
import threading
import time

from pull_case import BITLOSS, TOKEN, WEIGHTS, PullTest, main, tiny_repo


class Access(PullTest):
    def authorized(self, server="hub"):
        return {entry["headers"].get("Authorization") for entry in self.hub.requests(server)}

    def test_the_token_goes_to_the_hub_and_to_no_other_host(self):
        self.pull(HF_TOKEN=f" {TOKEN}\n")
        self.assertEqual(self.authorized("hub"), {f"Bearer {TOKEN}"})
        self.assertEqual(self.authorized("cdn"), {None})
        self.assert_whole()

    def test_the_token_is_read_from_its_file_and_can_be_forbidden(self):
        (self.home / "token").write_text(TOKEN + "\n")
        self.pull()
        self.assertEqual(self.authorized(), {f"Bearer {TOKEN}"})
        (self.home / "token").rename(self.home / "mine")
        self.hub.log.clear()
        self.pull(HF_TOKEN_PATH="~/mine")
        self.assertEqual(self.authorized(), {f"Bearer {TOKEN}"})
        self.hub.log.clear()
        self.pull(HF_HUB_DISABLE_IMPLICIT_TOKEN="true", HF_TOKEN_PATH="~/mine")
        self.assertEqual(self.authorized(), {None})

    def test_a_redirect_to_another_host_is_not_asked_with_the_token(self):
        def lead_away(handler, server, path):
            if server == "hub" and "/api/models" in path:
                self.hub.send(handler, 302, b"", {"Location": self.hub.url("cdn") + path})
                return True
            return False
        self.hub.faults["first"] = lead_away
        self.pull(code=6, says="leads to another host, which is not asked", HF_TOKEN=TOKEN)
        self.assertEqual(self.hub.requests("cdn"), [])

    def test_a_moved_repository_is_followed_and_keeps_its_asked_name(self):
        self.hub.repos["new/tiny"] = self.hub.repos.pop("owner/tiny")

        def moved(handler, server, path):
            if "owner/tiny" in path:
                location = handler.path.replace("owner/tiny", "new/tiny")
                self.hub.send(handler, 307, b"", {"Location": self.hub.url() + location})
            return "owner/tiny" in path
        self.hub.faults["first"] = moved
        self.pull(HF_TOKEN=TOKEN)
        self.hub.repos["owner/tiny"] = self.hub.repos["new/tiny"]
        self.assert_whole()
        self.assertEqual(self.authorized(), {f"Bearer {TOKEN}"})

    def test_missing_and_private_repositories(self):
        self.hub.repos["owner/private"] = tiny_repo(private=True)
        self.pull("owner/none", code=4, says="or private: then set HF_TOKEN")
        self.pull("owner/private", code=4, says="or private: then set HF_TOKEN")
        self.pull("owner/none", code=4, says="owner/none: not at http://", HF_TOKEN=TOKEN)
        self.pull("owner/private", HF_TOKEN=TOKEN)

    def test_a_wrong_token_is_named_by_its_place(self):
        self.pull(code=6, says="does not accept the token of HF_TOKEN", HF_TOKEN="hf_wrong")
        (self.home / "token").write_text("hf_wrong")
        self.pull(code=6, says=f"does not accept the token of {self.home}/token")

    def test_a_gated_repository_says_what_to_do(self):
        self.hub.repos["owner/tiny"] = tiny_repo(gated="manual")
        self.pull(code=6, says=f"accept its terms at {self.hub.url()}/owner/tiny")
        self.assertEqual(self.hub.requests(contains="resolve"), [])
        # This hub sends the token back in its message.
        self.pull(code=6, says="is not let in: ask for access at", HF_TOKEN=TOKEN)
        self.assert_nothing_usable()
        self.hub.repos["owner/tiny"].facts["granted"] = True
        self.pull(HF_TOKEN=TOKEN)
        self.assert_whole()

    def test_a_missing_revision_is_named(self):
        self.pull("owner/tiny@v9", code=4, says="has no revision 'v9'")

    def test_a_token_that_cannot_be_one_is_refused(self):
        self.pull(code=3, says="HF_TOKEN: holds no token", HF_TOKEN="hf_a\r\nX-Evil: 1")
        self.assertEqual(self.hub.log, [])


class Weather(PullTest):
    """Networks that fail and hubs that are busy."""

    def break_once(self, after):
        """The body of the weights ends after so many bytes, once."""
        broken = []

        def fault(handler, server, _):
            if server != "cdn" or broken:
                return False
            broken.append(True)
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(WEIGHTS)))
            handler.end_headers()
            handler.wfile.write(WEIGHTS[:after])
            handler.close_connection = True
            return True
        self.hub.faults["first"] = fault

    def ranges(self):
        return [entry["headers"].get("Range") for entry in self.hub.requests("cdn")]

    def test_a_broken_body_goes_on_where_it_broke(self):
        self.break_once(after=100_000)
        self.pull()
        self.assert_whole()
        self.assertEqual(self.ranges(), [None, "bytes=100000-"])

    def test_a_server_that_sends_all_instead_of_the_rest_is_read_from_the_start(self):
        self.break_once(after=100_000)
        first = self.hub.faults["first"]

        def no_ranges(handler, server, path):
            if server == "cdn" and "Range" in handler.headers:
                del handler.headers["Range"]
            return first(handler, server, path)
        self.hub.faults["first"] = no_ranges
        self.pull()
        self.assert_whole()

    def test_a_rest_that_begins_elsewhere_is_refused(self):
        self.break_once(after=100_000)
        first = self.hub.faults["first"]

        def shifted(handler, server, path):
            if server == "cdn" and "Range" in handler.headers:
                self.hub.send(handler, 206, WEIGHTS[99_999:], {
                    "Content-Range": f"bytes 99999-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"})
                return True
            return first(handler, server, path)
        self.hub.faults["first"] = shifted
        self.pull(code=3, says="asked for the bytes from 100000")
        self.assert_nothing_usable()

    def test_an_address_that_expired_is_asked_anew(self):
        self.break_once(after=100_000)
        first = self.hub.faults["first"]

        def expire(handler, server, path):
            if first(handler, server, path):
                self.hub.signature += 1
                return True
            return False
        self.hub.faults["first"] = expire
        self.pull()
        self.assert_whole()
        self.assertEqual(len(self.hub.requests(method="HEAD", contains="resolve/")), 4)
        self.assertEqual(self.ranges(), [None, "bytes=100000-", "bytes=100000-"])

    def test_addresses_that_never_work_are_given_up(self):
        self.hub.faults["first"] = lambda handler, server, _: (
            server == "cdn" and self.hub.send(handler, 403, b"expired") is None)
        self.pull(code=6, says="model.safetensors: the hub refuses it (status 403)")
        self.assertEqual(len(self.hub.requests("cdn")), 4)

    def test_a_partial_that_is_complete_or_too_long(self):
        blobs = self.repo / "blobs"
        blobs.mkdir(parents=True)
        etag = hashlib.sha256(WEIGHTS).hexdigest()
        for left, ranges in ((WEIGHTS, []), (WEIGHTS + b"x", [None]),
                             (b"\0" * 1000, ["bytes=1000-", None])):
            (blobs / etag).unlink(missing_ok=True)
            (blobs / f"{etag}.bitloss.incomplete").write_bytes(left)
            self.hub.log.clear()
            self.pull()
            self.assert_whole()
            self.assertEqual(self.ranges(), ranges)

    def test_another_programs_partial_is_left_alone(self):
        blobs = self.repo / "blobs"
        blobs.mkdir(parents=True)
        other = blobs / (hashlib.sha256(WEIGHTS).hexdigest() + ".incomplete")
        other.write_bytes(b"theirs")
        self.pull()
        self.assertEqual(other.read_bytes(), b"theirs")
        self.assertEqual(self.ranges(), [None])

    def test_a_blob_that_was_cut_short_is_fetched_again(self):
        self.pull()
        blob = self.repo / "blobs" / hashlib.sha256(WEIGHTS).hexdigest()
        blob.write_bytes(WEIGHTS[:10])
        self.pull()
        self.assert_whole()

    def test_a_killed_pull_goes_on(self):
        half, go_on = threading.Event(), threading.Event()

        def stall(handler, server, _):
            if server != "cdn" or half.is_set():
                return False
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(WEIGHTS)))
            handler.end_headers()
            handler.wfile.write(WEIGHTS[:150_000])
            half.set()
            go_on.wait(60)
            handler.close_connection = True
            return True
        self.hub.faults["first"] = stall
        process = subprocess.Popen([BITLOSS, "pull", "owner/tiny"], env=self.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(half.wait(60))
        partial = self.repo / "blobs" / f"{hashlib.sha256(WEIGHTS).hexdigest()}.bitloss.incomplete"
        for _ in range(600):
            if partial.exists() and partial.stat().st_size > 0:
                break
            time.sleep(0.05)
        process.kill()
        process.wait()
        go_on.set()
        self.assert_nothing_usable()
        left = partial.stat().st_size
        self.assertGreater(left, 0)
        self.hub.log.clear()
        self.pull()
        self.assert_whole()
        self.assertEqual(self.ranges(), [f"bytes={left}-"])

    def test_a_stalled_body_is_asked_again(self):
        stalled = []

        def stall(handler, server, _):
            if server != "cdn" or stalled:
                return False
            stalled.append(True)
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(WEIGHTS)))
            handler.end_headers()
            handler.wfile.write(WEIGHTS[:50_000])
            time.sleep(8)
            handler.close_connection = True
            return True
        self.hub.faults["first"] = stall
        self.pull(HF_HUB_DOWNLOAD_TIMEOUT="1")
        self.assert_whole()
        self.assertEqual(self.ranges(), [None, "bytes=50000-"])

    def test_progress_says_how_much_how_fast_and_how_long_still(self):
        def slow(handler, server, _):
            if server != "cdn":
                return False
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(WEIGHTS)))
            handler.end_headers()
            for begin in range(0, len(WEIGHTS), 50_000):
                handler.wfile.write(WEIGHTS[begin:begin + 50_000])
                handler.wfile.flush()
                time.sleep(0.4)
            return True
        self.hub.faults["first"] = slow
        shown = self.pull(HF_HUB_DISABLE_PROGRESS_BARS="0").stderr
        self.assertRegex(shown, r"owner/tiny: 0\.\d of 0\.3 MB, .+\n")

        # On a terminal the line is rewritten, and gone in the end.
        shutil.rmtree(self.cache)
        line = r"owner/tiny: 0\.\d of 0\.3 MB, \d\.\d MB/s, \d+ s left, model\.safetensors"
        ours, theirs = pty.openpty()
        subprocess.run([BITLOSS, "pull", "owner/tiny"], stderr=theirs,
                       env=self.environment(HF_HUB_DISABLE_PROGRESS_BARS="0"),
                       stdout=subprocess.DEVNULL, check=True, timeout=60)
        shown = os.read(ours, 100_000).decode()
        os.close(ours)
        os.close(theirs)
        self.assertGreater(len(re.findall(r"\r\x1b\[K" + line, shown)), 1)
        self.assertRegex(shown, r"\r\x1b\[Kowner/tiny @ 7ae5576: 3 files fetched")

        shutil.rmtree(self.cache)
        quiet = self.pull().stderr
        self.assertEqual(len(quiet.splitlines()), 1)

    def busy(self, status, times, **headers):
        """The hub answers so, as many times for each address."""
        seen = {}

        def fault(handler, _, path):
            key = (handler.command, path)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > times:
                return False
            self.hub.send(handler, status, b"busy", headers)
            return True
        self.hub.faults["first"] = fault

    def test_a_busy_hub_is_asked_again(self):
        self.busy(503, 2, **{"Retry-After": "0"})
        self.pull()
        self.assert_whole()
        self.hub.commit = "2" * 40
        self.busy(429, 1, **{"Retry-After": "0"})
        self.pull()
        self.assert_whole()

    def test_a_hub_that_stays_busy_is_given_up(self):
        self.busy(503, 1000, **{"Retry-After": "0"})
        self.pull(code=6, says="given up after 6 tries: status 503")
        self.assertEqual(len(self.hub.log), 6)

    def test_a_wait_without_end_is_refused(self):
        self.busy(429, 1, RateLimit='"resolvers";r=0;t=86400')
        self.pull(code=6, says="asks to wait 86401 s")

    def test_no_hub_at_all(self):
        self.pull(code=6, says="cannot be fetched from http://127.0.0.1:9", HF_ENDPOINT="http://127.0.0.1:9")

    def test_two_processes_fetch_every_file_once(self):
        self.hub.faults["first"] = lambda *_: time.sleep(0.1)
        environment = self.environment()
        processes = [subprocess.Popen([BITLOSS, "pull", "owner/tiny"], env=environment,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                     for _ in range(4)]
        for process in processes:
            _, said = process.communicate()
            self.assertEqual(process.returncode, 0, said)
        self.assert_whole()
        self.assertEqual(len(self.hub.requests("cdn")), 1)


if __name__ == "__main__":
    main()
