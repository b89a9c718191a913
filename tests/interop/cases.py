"""What a stock client does through a storage node. Each case makes what it needs and leaves it."""
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

from buckets import Bucket, copied_down
from context import Context, Skip, quoted, require, same
from grid_cases import case_grid_manager, case_introducer  # noqa: F401: in CASES by name
from nodes import Client, Failure, Node, PythonKind, SharestoreKind, run_command, wait_for

MDMF_SEGMENT_BYTES = 128 * 1024
PARALLEL_FILES = 12
REPORT_TIMEOUT_S = 30
REPAIR_TIMEOUT_S = 180


def storage_index(found):
    return found["storage-index"]


def case_immutable(c):
    for size in c.sizes:
        data = c.bytes(size)
        cap = c.put(data)
        require(cap.startswith("URI:LIT:" if size <= 55 else "URI:CHK:"), f"cap {cap[:10]}")
        c.expect(cap, data, f"{size} bytes")
        if size > 55:
            c.healthy(cap, f"{size} bytes")


def case_immutable_again(c):
    data = c.bytes(5000)
    first, second = c.put(data), c.put(data)
    require(first == second, "the same file has two caps")
    c.expect(first, data, "file uploaded twice")


def case_ranges(c):
    data = c.bytes(300 * 1000 if not c.small else 2000)
    n = len(data)
    cap = c.put(data)
    for begin, end in ((0, 0), (0, 99), (n // 2 - 7, n // 2 + 900), (n - 1, n - 1), (n - 50, n - 1)):
        got = c.client.web("GET", f"/uri/{quoted(cap)}", headers={"Range": f"bytes={begin}-{end}"})
        same(got, data[begin:end + 1], f"range {begin}-{end} of {n}")


def case_parallel(c):
    size = 100 if c.small else 100 * 1000
    files = [c.bytes(size + size * i // 30) for i in range(PARALLEL_FILES)]
    with ThreadPoolExecutor(PARALLEL_FILES) as pool:
        caps = list(pool.map(lambda d: c.client.web("PUT", "/uri", d).decode(), files))
        got = list(pool.map(lambda cap: c.client.web("GET", f"/uri/{quoted(cap)}"), caps))
    for i, (a, b) in enumerate(zip(got, files)):
        same(a, b, f"file {i} of {PARALLEL_FILES} at once")


def rewrite(c, cap, sizes):
    for size in sizes:
        data = c.bytes(size)
        c.client.cli("put", c.file(data), cap)
        c.expect(cap, data, f"after a rewrite with {size} bytes")
    return data


def case_sdmf(c):
    data = c.bytes(1000)
    cap = c.put(data, "--format=SDMF")
    require(cap.startswith("URI:SSK:"), f"cap {cap[:10]}")
    c.expect(cap, data, "new")
    data = rewrite(c, cap, (5000, 10, 0, 2500) if c.small else (50000, 10, 0, 1000 * 1000, 3000))
    c.healthy(cap, "after rewrites")


def overwrite(c, cap, data, offset, piece):
    c.client.web("PUT", f"/uri/{quoted(cap)}?offset={offset}", piece)
    data = data[:offset] + piece + data[offset + len(piece):]
    c.expect(cap, data, f"after {len(piece)} bytes at {offset}")
    return data


def case_mdmf(c):
    """Partial overwriting, growing, shrinking."""
    size = 1000 if c.small else 3 * MDMF_SEGMENT_BYTES + 1000
    data = c.bytes(size)
    cap = c.put(data, "--format=MDMF")
    require(cap.startswith("URI:MDMF:"), f"cap {cap[:10]}")
    c.expect(cap, data, "new")
    data = overwrite(c, cap, data, 10, c.bytes(50))
    data = overwrite(c, cap, data, 0, c.bytes(1))
    if not c.small:
        data = overwrite(c, cap, data, MDMF_SEGMENT_BYTES - 10, c.bytes(MDMF_SEGMENT_BYTES + 20))
    data = overwrite(c, cap, data, size - 20, c.bytes(200))
    data = overwrite(c, cap, data, len(data), c.bytes(400))
    # past a power of two segments the hash tree grows, so the whole share is laid out anew
    grown = MDMF_SEGMENT_BYTES + 500 if c.small else 5 * MDMF_SEGMENT_BYTES + 1
    data = overwrite(c, cap, data, len(data), c.bytes(grown))
    c.healthy(cap, "after growing")
    data = rewrite(c, cap, (700,))
    c.healthy(cap, "after shrinking")


def case_mdmf_large(c):
    if c.small:
        raise Skip("too large to record")
    data = c.bytes(10 * 1000 * 1000)
    cap = c.put(data, "--format=MDMF")
    c.expect(cap, data, "new")
    overwrite(c, cap, data, 5 * 1000 * 1000 - 3, c.bytes(200 * 1000))


def make_tree(c, name, files):
    top = c.path(name)
    contents = {}
    for i in range(files):
        relative = ("", "sub/", "sub/deeper/")[i % 3] + f"file {i}.bin"
        contents[relative] = c.bytes((3, 70, 2000, 20000)[i % 4] if c.small else i * 997)
        path = top / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[relative])
    return top, contents


def read_tree(top):
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


def copy_back(c, directory, contents):
    back = c.path("back")
    back.mkdir()
    c.client.cli("cp", "-r", directory, back)
    got = read_tree(back)
    # cp names the copy after its source where that has a name
    if set(got) != set(contents) and len(list(back.iterdir())) == 1:
        got = read_tree(next(back.iterdir()))
    require(set(got) == set(contents), f"names {sorted(got)}, expected {sorted(contents)}")
    for name, data in contents.items():
        same(got[name], data, name)


def listing(c, directory):
    return sorted(c.client.cli("ls", directory).decode().splitlines())


def case_directories(c):
    directory = c.client.cap("mkdir")
    require(directory.startswith("URI:DIR2:"), f"cap {directory[:12]}")
    top, contents = make_tree(c, "tree", 6 if c.small else 30)
    c.client.cli("cp", "-r", f"{top}/", f"{directory}/tree")
    names = sorted({n.split("/")[0] for n in contents})
    for where in (f"{directory}/tree", f"{directory}/tree/{top.name}"):
        try:
            found = listing(c, where)
        except Failure:
            continue
        if found == names:
            break
    else:
        raise Failure(f"ls: {found}, expected {names}")
    copy_back(c, where, contents)
    c.client.cli("mkdir", f"{directory}/other")
    c.client.cli("mv", f"{where}/file 0.bin", f"{directory}/other/moved")
    require(listing(c, f"{directory}/other") == ["moved"], "mv: not at its new place")
    require("file 0.bin" not in listing(c, where), "mv: still at its old place")
    c.expect(f"{directory}/other/moved", contents["file 0.bin"], "moved file")
    c.client.cli("unlink", f"{directory}/other/moved")
    require(listing(c, f"{directory}/other") == [], "unlink: still there")
    c.client.cli("unlink", f"{directory}/tree")
    require(listing(c, directory) == ["other"], "unlink of a directory: still there")
    for cap in (directory, f"{directory}/other"):
        c.healthy(cap, "directory")


def case_mdmf_directory(c):
    directory = c.client.cap("mkdir", "--format=MDMF")
    require(directory.startswith("URI:DIR2-MDMF:"), f"cap {directory[:14]}")
    data = c.bytes(1234)
    for i in range(3):
        c.client.cli("put", c.file(data), f"{directory}/f{i}")
    require(listing(c, directory) == ["f0", "f1", "f2"], "ls")
    c.expect(f"{directory}/f1", data, "file in it")
    c.healthy(directory, "directory")


def small_tree(c):
    """A directory with one of each kind of file in it; its cap, and path -> content."""
    directory = c.client.cap("mkdir")
    c.client.cli("mkdir", f"{directory}/sub")
    contents = {"chk": c.bytes(3000), "sub/sdmf": c.bytes(500), "sub/mdmf": c.bytes(2000),
                "lit": b"short"}
    for name, data in contents.items():
        kind = name.split("/")[-1].upper()
        arguments = [f"--format={kind}"] if kind in ("SDMF", "MDMF") else []
        c.client.cli("put", *arguments, c.file(data), f"{directory}/{name}")
    return directory, contents


def expect_tree(c, directory, contents):
    for name, data in contents.items():
        c.expect(f"{directory}/{name}", data, name)


def case_deep_check(c):
    directory, contents = small_tree(c)
    for arguments in (("--add-lease",), ("--verify",), ("--verify", "--repair", "--add-lease")):
        printed = c.client.cli("deep-check", *arguments, directory).decode()
        require(re.search(r"\b6 objects checked", printed) and "0 unhealthy" in printed
                or "pre-repair: 6 healthy, 0 unhealthy" in printed, f"deep-check says: {printed}")
    expect_tree(c, directory, contents)


def change_all(c, directory, contents):
    """Writes to every mutable thing in the tree, as its write enabler must allow."""
    contents["sub/sdmf"] = c.bytes(900)
    c.client.cli("put", c.file(contents["sub/sdmf"]), f"{directory}/sub/sdmf")
    cap = json.loads(c.client.web("GET", f"/uri/{quoted(directory)}/sub/mdmf?t=json"))[1]["rw_uri"]
    contents["sub/mdmf"] = overwrite(c, cap, contents["sub/mdmf"], 100, c.bytes(30))
    name = f"new{len(contents)}"
    contents[name] = c.bytes(777)
    c.client.cli("put", c.file(contents[name]), f"{directory}/{name}")
    expect_tree(c, directory, contents)


def check_tree(c, directory):
    printed = c.client.cli("deep-check", "--verify", "--add-lease", directory).decode()
    require(" 0 unhealthy" in printed, f"deep-check says: {printed}")


def case_restart(c):
    c.remembered()
    if c.small:
        raise Skip("a recording is of one node's life")
    directory, contents = small_tree(c)
    c.node.stop()
    c.client.wait_lost()
    c.node.start()
    c.client.wait_connected()
    expect_tree(c, directory, contents)
    change_all(c, directory, contents)
    check_tree(c, directory)


def case_second_client(c):
    """Another client with only the caps reads and writes, and its leases come beside."""
    if c.small:
        raise Skip("a recording is of one client")
    directory, contents = small_tree(c)
    first = c.client
    c.client = Client(c.tahoe, c.path("client"), c.client_entry(c.node))
    try:
        c.client.start()
        expect_tree(c, directory, contents)
        change_all(c, directory, contents)
        check_tree(c, directory)
    finally:
        try:
            c.client.stop()
        finally:
            c.client = first
    expect_tree(c, directory, contents)


def shares_of(c, cap):
    found = c.node.shares(storage_index(c.check(cap)))
    require(found, f"no share file of {cap[:30]}")
    return found


def case_share_files(c):
    """The reference's own tool reads the share files and leases."""
    c.on_disk()
    if c.small:
        raise Skip("sends nothing")
    for arguments in ((), ("--format=SDMF",), ("--format=MDMF",)):
        cap = c.put(c.bytes(4000), *arguments)
        c.client.cli("check", "--add-lease", cap)
        path, = shares_of(c, cap)
        # the node writes its leases into the files at its stop, at the latest
        c.node.restart()
        c.client.wait_connected()
        text = run_command([c.tahoe, "debug", "dump-share", path]).decode()
        leases = re.findall(r"(?m)^ Lease #\d+:", text)
        days = [int(d) for d in re.findall(r"\((\d+) days\)", text)]
        require(len(leases) == 1 and len(days) == 1 and
                all(29 <= d <= 31 for d in days), f"dump-share says: {text}")


def vanish(c, cap):
    """The first of a file's three shares goes, past the node; answers how many are still there."""
    index = storage_index(c.check(cap))
    if c.kind.name == "sharestore" and c.kind.backend == "cloud.s3":
        bucket = Bucket(c)
        there = bucket.rclone("lsf", bucket.shares(index)).split()
        bucket.rclone("deletefile", f"{bucket.shares(index)}/{there[0]}")
    else:
        there = c.node.shares(index)
        there[0].unlink()
    require(len(there) == 3, f"{len(there)} shares instead of 3")


def case_repair(c):
    """Shares that vanished are found missing and put back."""
    if not (isinstance(c.kind, SharestoreKind) and c.kind.backend == "cloud.s3"):
        c.on_disk()
    if c.small:
        raise Skip("removes files")
    first = c.client
    c.client = Client(c.tahoe, c.path("client"), c.client_entry(c.node), total=3)
    try:
        c.client.start()
        for arguments in ((), ("--format=SDMF",), ("--format=MDMF",)):
            data = c.bytes(150 * 1000)
            cap = c.put(data, *arguments)
            vanish(c, cap)
            c.node.restart()
            c.client.wait_connected()
            # A node may want to hear twice, 30 s apart, that a share is gone before it takes a new
            # one in its place; until then it answers neither "there" nor "not there".
            wait_for(lambda: c.check(cap, "--verify", "--repair").get("repair-successful"),
                     REPAIR_TIMEOUT_S, f"repair of {cap}")
            c.expect(cap, data, "after repair")
            c.healthy(cap, "after repair")
            # Three again: otherwise this one says so.
            vanish(c, cap)
    finally:
        try:
            c.client.stop()
        finally:
            c.client = first


def case_copy_down(c):
    """The bucket copied into a directory: the disk backend serves it, old caps read and write."""
    bucket = Bucket(c)
    directory, contents = small_tree(c)
    large = c.bytes(3 * 1000 * 1000)
    cap = c.put(large)
    cloud = c.node
    cloud.stop()
    c.client.wait_lost()
    try:
        c.node = copied_down(c, bucket)
        c.node.start()
        c.client.wait_connected()
        c.expect(cap, large, "3 MB that lay in the bucket")
        expect_tree(c, directory, contents)
        change_all(c, directory, contents)
        check_tree(c, directory)
    finally:
        if c.node is not cloud:
            c.node.stop()
        c.node = cloud
        cloud.start()
        c.client.wait_connected()


def flip_bit(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ 1]))


def case_corruption(c):
    """A damaged share is found and reported, and the report is kept."""
    c.on_disk()
    if c.small:
        raise Skip("damages files")
    advisories = c.node.directory / "storage/corruption-advisories"
    for kind, arguments in (("immutable", ()), ("mutable", ("--format=SDMF",))):
        cap = c.put(c.bytes(50 * 1000), *arguments)
        path, = shares_of(c, cap)
        c.node.stop()
        flip_bit(path, 20000)
        c.node.start()
        c.client.wait_connected()
        results = c.check(cap, "--verify")["results"]
        require(results["count-corrupt-shares"] == 1 and not results["healthy"], f"{results}")
        try:
            c.get(cap)
        except Failure:
            pass
        else:
            raise Failure("a file whose only share is damaged was read")
        name = f"*--{path.parent.name}-0"
        # the client sends its report beside the answer to us
        wait_for(lambda: list(advisories.glob(name)), REPORT_TIMEOUT_S, "corruption advisory")
        text = max(advisories.glob(name), key=os.path.getmtime).read_text()
        require(text.startswith(f"report: Share Corruption\ntype: {kind}\nstorage_index: "
                                f"{path.parent.name}\nshare_number: 0\n\n"), text)


def swap(c, kinds):
    """One node directory, made by kinds[0], then served by each of the others in turn."""
    node = Node(kinds[0], c.path("swapped"))
    run = Context(c.tahoe, kinds[0], c.work)
    run.serial = c.serial + 500 if c.serial < 500 else c.serial * 2
    run.node = node
    try:
        node.start()
        entry = node.entry()
        run.client = Client(c.tahoe, run.path("client"), entry)
        run.client.start()
        directory, contents = small_tree(run)
        for kind in kinds[1:]:
            node.restart(kind)
            run.client.wait_connected()
            require(entries_agree(entry, node.entry()),
                    f"the {kind.name} node's servers.yaml differs:\n{node.entry()}\n{entry}")
            expect_tree(run, directory, contents)
            check_tree(run, directory)
            change_all(run, directory, contents)
            more = run.bytes(60 * 1000)
            run.expect(run.put(more), more, "new file")
    finally:
        run.stop()
        c.serial = max(c.serial, run.serial)


def entries_agree(a, b):
    """Same FURL tub and swissnum, NURL, permutation seed and server id."""
    def facts(text):
        return [re.findall(p, text) for p in
                (r"v0-[a-z2-7]{52}", r"pb://[A-Za-z0-9_-]{43}@[^#\"']*#v=1",
                 r"pb://([a-z2-7]{32})@\S*/([a-z2-7]+)", r"seed-base32:\s*\"?([a-z2-7]+)")]
    return facts(a) == facts(b) and all(facts(a))


def both_kinds(c):
    c.on_disk()
    if c.small:
        raise Skip("two nodes cannot be one recording")
    if isinstance(c.kind, PythonKind) or c.other_kind is None:
        raise Skip("needs sharestore as the server")
    return c.other_kind, c.kind


def case_swap_python_made(c):
    python, sharestore = both_kinds(c)
    swap(c, (python, sharestore, python, sharestore))


def case_swap_sharestore_made(c):
    python, sharestore = both_kinds(c)
    swap(c, (sharestore, python, sharestore, python))


CASES = {name.removeprefix("case_").replace("_", "-"): function
         for name, function in list(globals().items()) if name.startswith("case_")}
# Last, because they bring nodes and clients of their own.
CASES.update({"introducer": CASES.pop("introducer"), "grid-manager": CASES.pop("grid-manager")})
