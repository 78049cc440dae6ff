"""What tools/canaries and tools/mutants share: a copy of the sources to plant bugs in, kept between runs."""
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(command, **kw):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **kw)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def sync(source, tree):
    """Makes `tree` equal to `source`.  Writes only what differs, as new: a file that the last run harmed has to be compiled again, and
    one copied with its old time would not be."""
    skip = {"build", ".git", "node_modules", "artefacts"}
    wanted = set()
    for folder, dirs, files in os.walk(source):
        dirs[:] = [d for d in dirs if d not in skip]
        here = os.path.join(tree, os.path.relpath(folder, source))
        os.makedirs(here, exist_ok=True)
        for name in files:
            if name in skip:
                continue
            new, old = os.path.join(folder, name), os.path.normpath(os.path.join(here, name))
            wanted.add(old)
            if not os.path.exists(old) or read(old) != read(new):
                shutil.copy(new, old)
    for folder, _, files in os.walk(tree):
        for name in files:
            if os.path.normpath(os.path.join(folder, name)) not in wanted:
                os.unlink(os.path.join(folder, name))


def prepare(work, touched):
    """A copy of the sources and a build of it below `work`; `touched` may have been left harmed by a run that was killed, or
    their objects by an older one of these tools.  Returns (tree, build); raises SystemExit with what meson said."""
    tree, build = os.path.join(work, "tree"), os.path.join(work, "build")
    sync(ROOT, tree)
    if not os.path.exists(os.path.join(build, "build.ninja")):
        r = run(["meson", "setup", build, tree, "--buildtype=debug", "-Doptimization=1", "-Dwerror=false", "-Dweb=disabled"])
        if r.returncode:
            raise SystemExit(r.stdout)
    for path in touched:
        os.utime(os.path.join(tree, path))
    return tree, build
