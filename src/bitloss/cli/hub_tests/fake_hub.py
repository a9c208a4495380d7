"""For tests: a Hugging Face hub on this machine, and a second server that holds its large files.

What it answers is what the real one answers (status, headers, redirects), and every request is kept
in `log`. `faults` says where it misbehaves; a fault is a function that is asked when its moment
comes, or a value.
"""

import hashlib
import http.server
import json
import sys
import threading
import urllib.parse

COMMIT = "7ae557604adf67be50417f59c2c2f167def9a775"


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repo:
    """Files by path; those in `large` are kept in large-file storage."""

    def __init__(self, files, large=(), kind="models", **facts):
        self.files, self.large, self.kind, self.facts = files, set(large), kind, facts

    def etag(self, path):
        data = self.files[path]
        return hashlib.sha256(data).hexdigest() if path in self.large else git_hash(data)

    def tree(self, folder=""):
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "onnx"}]
        for path, data in self.files.items():
            if not path.startswith(folder):
                continue
            entry = {"type": "file", "oid": git_hash(data), "size": len(data), "path": path}
            if path in self.large:
                entry["lfs"] = {"oid": self.etag(path), "size": len(data), "pointerSize": 135}
            entries.append(entry)
        return entries


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients may go when they like
            super().handle_error(request, client_address)


class Hub:
    def __init__(self):
        self.repos, self.log, self.faults, self.signature = {}, [], {}, 1
        self.commit = COMMIT
        self.servers = {name: self._serve(name) for name in ("hub", "cdn")}

    def _serve(self, name):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.handle(self, name)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def url(self, name="hub"):
        return f"http://127.0.0.1:{self.servers[name].server_port}"

    def close(self):
        for server in self.servers.values():
            server.shutdown()
            server.server_close()

    def requests(self, server="hub", method=None, contains=""):
        return [entry for entry in self.log if entry["server"] == server and
                method in (None, entry["method"]) and contains in entry["path"]]

    def fault(self, name, *arguments):
        """What the fault of that name says now; None if there is none."""
        value = self.faults.get(name)
        return value(*arguments) if callable(value) else value

    # Answers

    def send(self, handler, status, body=b"", headers=(), announce=True):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        handler.send_response(status)
        headers = dict(headers)
        if announce:
            headers.setdefault("Content-Length", str(len(body)))
        else:
            headers["Connection"] = "close"
            handler.close_connection = True
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body)

    def error(self, handler, status, code="", message="", **headers):
        named = {"X-Error-Code": code, "X-Error-Message": message, **headers}
        self.send(handler, status, {"error": message}, {k: v for k, v in named.items() if v})

    def handle(self, handler, server):
        path = urllib.parse.unquote(handler.path.split("?")[0])
        self.log.append({"server": server, "method": handler.command, "path": path,
                         "url": handler.path, "headers": dict(handler.headers)})
        try:
            if self.fault("first", handler, server, path):
                return
            self.cdn(handler, path) if server == "cdn" else self.hub(handler, path)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    def cdn(self, handler, path):
        if "Authorization" in handler.headers:
            return self.send(handler, 400, b"only one way to sign in")
        if f"sig={self.signature}" not in handler.path:
            return self.send(handler, 403, b"expired")
        data = next((repo.files[name] for repo in self.repos.values() for name in repo.large
                     if path.endswith(repo.etag(name))), None)
        if data is None:
            return self.send(handler, 404)
        self.send_bytes(handler, data)

    def send_bytes(self, handler, data, headers=()):
        data = self.fault("bytes", data) or data
        begin = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        if begin >= len(data) > 0:
            return self.send(handler, 416)
        if begin == 0:
            return self.send(handler, 200, data, headers)
        self.send(handler, 206, data[begin:],
                  {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} | dict(headers))

    def hub(self, handler, path):
        parts = path.strip("/").split("/")
        if parts[0] == "api" and parts[1] == "resolve-cache":
            repo = self.repos["/".join(parts[3:5])]
            return self.send_file(handler, repo, "/".join(parts[6:]))
        if parts[0] == "api":
            return self.api(handler, "/".join(parts[2:4]), parts[4:])
        if parts[0] == "datasets":
            parts = parts[1:]
        self.resolve(handler, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))

    def repo(self, handler, name):
        """The repository; None if the request was refused."""
        repo = self.repos.get(name)
        token = handler.headers.get("Authorization", "")
        if token and token != "Bearer hf_right":
            return self.error(handler, 401, message="Invalid credentials in Authorization header")
        if repo is None or (repo.facts.get("private") and not token):
            if token:
                return self.error(handler, 404, "RepoNotFound", "Repository not found")
            return self.error(handler, 401, message="Invalid username or password.")
        return repo

    def api(self, handler, name, rest):
        repo = self.repo(handler, name)
        if repo is None:
            return
        if rest[0] == "revision":
            revision = "/".join(rest[1:])
            if revision not in ("main", self.commit, *repo.facts.get("revisions", ())):
                return self.error(handler, 404, "RevisionNotFound", "Invalid rev id")
            return self.send(handler, 200, {
                "id": name, "sha": self.commit, "private": False, "disabled": False,
                "gated": repo.facts.get("gated", False), "tags": [], "downloads": 0,
                "siblings": [{"rfilename": path} for path in repo.files]})
        tree = self.fault("tree", repo.tree()) or repo.tree("/".join(rest[2:]))
        page, pages = int(handler.path.partition("cursor=")[2] or 0), self.faults.get("pages", 1)
        headers = {}
        if page + 1 < pages:
            address = f"{self.url()}{handler.path.split('&cursor=')[0]}&cursor={page + 1}"
            headers["Link"] = f'<{self.fault("next") or address}>; rel="next"'
        self.send(handler, 200, tree[page::pages], headers)

    def resolve(self, handler, name, commit, path):
        repo = self.repo(handler, name)
        if repo is None:
            return
        if repo.facts.get("gated"):
            token = handler.headers.get("Authorization")
            if not (token and repo.facts.get("granted")):
                return self.error(handler, 403 if token else 401, "GatedRepo",
                                  f"Access to model {name} is restricted. {token}")
        if path not in repo.files:
            return self.error(handler, 404, "EntryNotFound", "Entry not found",
                              **{"X-Repo-Commit": self.commit})
        if path not in repo.large:
            return self.send(handler, 307, b"", {
                "Location": f"/api/resolve-cache/models/{name}/{commit}/{path}?etag=x"})
        headers = {"X-Repo-Commit": self.commit, "X-Linked-Etag": f'"{repo.etag(path)}"',
                   "X-Linked-Size": str(len(repo.files[path])), "ETag": f'"{"e" * 64}"',
                   "Location": f"{self.url('cdn')}/blob/{repo.etag(path)}?sig={self.signature}"}
        headers |= self.fault("metadata", path) or {}
        self.send(handler, 302, b"", {name: value for name, value in headers.items() if value})

    def send_file(self, handler, repo, path):
        headers = {"X-Repo-Commit": self.commit, "ETag": f'W/"{repo.etag(path)}"'}
        headers |= self.fault("metadata", path) or {}
        self.send_bytes(handler, repo.files[path],
                        {name: value for name, value in headers.items() if value})
