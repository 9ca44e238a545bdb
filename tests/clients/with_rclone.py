"""rclone, which compares times that it keeps in the metadata."""

import shutil

from clients import same

MIB = 1 << 20


def missing():
    return None if shutil.which("rclone") else "the program rclone (a package of the system)"


def actions(server):
    server.environment.update(
        RCLONE_CONFIG_TL_TYPE="s3",
        RCLONE_CONFIG_TL_PROVIDER="Other",
        RCLONE_CONFIG_TL_ENV_AUTH="true",
        RCLONE_CONFIG_TL_ENDPOINT=server.endpoint,
        RCLONE_CONFIG_TL_REGION="us-east-1",
    )
    folder = server.folder / "tree"
    for at in range(40):
        server.file(f"tree/{at % 4}/file {at}.txt", at * 10)
    server.file("tree/big.bin", 30 * MIB)

    def rclone(*args):
        return server.run("rclone", *args)

    def sync():
        rclone("sync", str(folder), "tl:throughline/tree", "--s3-upload-cutoff", "10M", "--s3-chunk-size", "5M")
        rclone("sync", "tl:throughline/tree", str(server.folder / "back"))
        for path in sorted(folder.rglob("*.*")):
            same((server.folder / "back" / path.relative_to(folder)).read_bytes(), path.read_bytes())

    def nothing_again():
        log = server.folder / "log"
        rclone("sync", str(folder), "tl:throughline/tree", "--log-file", str(log), "-v", "--stats", "0")
        written = log.read_text()
        assert "Copied" not in written and "Updated" not in written, written

    def check():
        rclone("check", str(folder), "tl:throughline/tree", "--size-only")
        rclone("check", "--download", str(folder), "tl:throughline/tree")

    def lists():
        same(len(rclone("lsf", "-R", "--files-only", "tl:throughline/tree").splitlines()), 41)
        same(rclone("lsf", "--dirs-only", "tl:throughline/tree"), "0/\n1/\n2/\n3/\n")
        assert "throughline" in rclone("lsd", "tl:")

    def changes():
        rclone("moveto", "tl:throughline/tree/0/file 0.txt", "tl:throughline/moved.txt")
        rclone("copyto", "tl:throughline/moved.txt", "tl:throughline/copied.txt")
        same(rclone("cat", "tl:throughline/copied.txt"), "")
        rclone("purge", "tl:throughline/tree")
        same(rclone("lsf", "-R", "--files-only", "tl:throughline/tree") if "tree/" in rclone("lsf", "tl:throughline") else "", "")

    def buckets():
        rclone("mkdir", "tl:more")
        rclone("rmdir", "tl:more")

    return [
        ("sync both ways, in parts", sync),
        ("a second sync copies nothing (times)", nothing_again),
        ("check", check),
        ("lsf, lsd", lists),
        ("moveto, copyto, purge", changes),
        ("mkdir, rmdir", buckets),
    ]
