"""Runs llama.cpp's own converters, unmodified, in one process: importing what they need takes longer than they do.

Reads a JSON list of command lines [script, argument …] from stdin. Prints a JSON list of {code, output}: exit code, and what was said.
"""

import contextlib
import io
import json
import logging
import runpy
import sys
import traceback
from pathlib import Path


def converted(command):
    said = io.StringIO()
    for handler in list(logging.getLogger().handlers):  # a converter makes its own, on stderr as it is then
        logging.getLogger().removeHandler(handler)
    code = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        sys.argv = command
        try:
            runpy.run_path(command[0], run_name="__main__")
        except SystemExit as exit:
            code = exit.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
    return {"code": code, "output": said.getvalue()}


if __name__ == "__main__":
    commands = json.load(sys.stdin)
    sys.path.insert(0, str(Path(commands[0][0]).parent))  # as if each were started from its folder
    print(json.dumps([converted(command) for command in commands]))
