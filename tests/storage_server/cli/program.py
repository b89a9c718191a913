"""The program as a child of a check: running a command, and a node that serves."""
import os
import subprocess
import sys
import threading

PROGRAM = os.environ["SHARESTORE_PROGRAM"]


def command(*arguments):
    """What it prints; anything but exit 0 ends the check."""
    return subprocess.run([PROGRAM, *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def serving(node):
    """The process of a node, once it serves."""
    process = subprocess.Popen([PROGRAM, "run", str(node)], stderr=subprocess.PIPE, text=True)
    log = []
    for line in process.stderr:
        log.append(line)
        if "running: " in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process
    sys.exit("the node did not start: " + "".join(log))
