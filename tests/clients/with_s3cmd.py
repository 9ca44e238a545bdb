"""s3cmd, which signs and lists in its own way."""

import shutil
from urllib.parse import urlsplit

from clients import same

S3 = "s3://throughline"
MIB = 1 << 20


def missing():
    return None if shutil.which("s3cmd") else "the program s3cmd (a Python package)"


def actions(server):
    host = urlsplit(server.endpoint).netloc
    settings = server.folder / "s3cfg"
    settings.write_text(
        f"[default]\naccess_key = {server.environment['AWS_ACCESS_KEY_ID']}\nsecret_key = {server.environment['AWS_SECRET_ACCESS_KEY']}\n"
        f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\nbucket_location = us-east-1\n"
    )

    def s3cmd(*args):
        return server.run("s3cmd", "--config", str(settings), "--no-progress", *args)

    big = server.file("big.bin", 20 * MIB)
    folder = server.folder / "tree"
    for at in range(20):
        server.file(f"tree/{at % 2}/file {at}.txt", at * 10 + 1)

    def put_and_get():
        s3cmd("put", str(big), f"{S3}/big.bin", "--multipart-chunk-size-mb=8", "--add-header=x-amz-meta-k:v")
        s3cmd("get", f"{S3}/big.bin", "copy.bin")
        same((server.folder / "copy.bin").read_bytes(), big.read_bytes())
        assert "x-amz-meta-k" in s3cmd("info", f"{S3}/big.bin")

    def sync():
        s3cmd("sync", f"{folder}/", f"{S3}/tree/")
        s3cmd("sync", f"{S3}/tree/", "back/")
        for path in sorted(folder.rglob("*.txt")):
            same((server.folder / "back" / path.relative_to(folder)).read_bytes(), path.read_bytes())

    def lists():
        assert S3 in s3cmd("ls")
        same(len(s3cmd("ls", "--recursive", f"{S3}/tree/").splitlines()), 20)
        assert "DIR" in s3cmd("ls", f"{S3}/tree/")
        s3cmd("du", f"{S3}/tree/")

    def copies():
        s3cmd("cp", f"{S3}/tree/1/file 1.txt", f"{S3}/copied.txt")
        s3cmd("mv", f"{S3}/copied.txt", f"{S3}/moved.txt")
        s3cmd("modify", "--add-header=Content-Type:text/x-own", f"{S3}/moved.txt")
        assert "text/x-own" in s3cmd("info", f"{S3}/moved.txt")

    def deletes():
        s3cmd("del", f"{S3}/moved.txt")
        s3cmd("del", "--recursive", f"{S3}/tree/")
        same(s3cmd("ls", "--recursive", f"{S3}/tree/"), "")

    def buckets():
        s3cmd("mb", "s3://more")
        s3cmd("rb", "s3://more")

    return [
        ("put, get: in parts, metadata, info", put_and_get),
        ("sync both ways", sync),
        ("ls, du", lists),
        ("cp, mv, modify", copies),
        ("del, del --recursive", deletes),
        ("mb, rb", buckets),
    ]
