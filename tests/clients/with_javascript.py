"""The SDK for JavaScript, version 3: its actions are in javascript/actions.mjs."""

import shutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "javascript"


def missing():
    if not shutil.which("node"):
        return "Node.js"
    if not (FOLDER / "node_modules").is_dir():
        return f"`npm ci` in {FOLDER}"
    return None


def actions(server):
    names = server.run("node", str(FOLDER / "actions.mjs"), "--list").splitlines()

    def action(name):
        return lambda: server.run("node", str(FOLDER / "actions.mjs"), name)

    return [(name, action(name)) for name in names]
