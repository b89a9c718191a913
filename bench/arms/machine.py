"""The machine that a comparison runs on: its cores, its name, and processes bound to cores."""

import os
import pathlib
import platform
import signal
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def install(*packages):
    """Debian packages, where they are missing."""
    missing = [p for p in packages if "install ok" not in output("dpkg-query", "-Wf", "${Status}", p)]
    if missing:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
                       check=True, stdout=subprocess.DEVNULL)


def describe():
    cpu = [line.split(":", 1)[1].strip() for line in read("/proc/cpuinfo").splitlines()
           if line.startswith("model name")]
    memory_kib = next((int(line.split()[1]) for line in read("/proc/meminfo").splitlines()
                       if line.startswith("MemTotal")), 0)
    return {
        "processor": cpu[0] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": platform.release(),
        "system": output("sh", "-c", ". /etc/os-release; echo $PRETTY_NAME"),
        "openssl": output("openssl", "version"),
        "commit": output("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"),
        "changed": bool(output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")),
        "load_at_start": os.getloadavg()[0],
    }


def start(command, core=None, **more):
    """A process on one core (None: on all), in a session of its own."""
    bound = [] if core is None else ["taskset", "-c", str(core)]
    return subprocess.Popen([*bound, *map(str, command)], start_new_session=True, **more)


def stop(process, patience_s=20):
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_seconds(pid):
    """Of all threads that live."""
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int((read(thread) or "0").split()[0]) for thread in threads) / 1e9


def children(pid):
    return [int(p) for p in read(f"/proc/{pid}/task/{pid}/children").split()]
