"""The bucket of a run's node, seen from beside the node: with rclone."""
import os
import re
import shutil

from context import Skip, require
from nodes import Node, SharestoreKind, run_command

SETTINGS = ("url", "bucket", "region", "access_key_id")


class Bucket:
    """What the node's tahoe.cfg and private/ say of its bucket."""

    def __init__(self, c):
        if not isinstance(c.kind, SharestoreKind) or c.kind.backend != "cloud.s3":
            raise Skip("the shares lie in no S3 bucket")
        if not shutil.which("rclone"):
            raise Skip("rclone is not installed")
        text = (c.node.directory / "tahoe.cfg").read_text()
        self.settings = dict(re.findall(r"(?m)^s3\.(\w+)\s*=\s*(.*?)\s*$", text))
        require(all(self.settings.get(name) for name in SETTINGS),
                f"tahoe.cfg does not name {SETTINGS}")
        self.secret = (c.node.directory / "private/s3secret").read_text().strip()

    def rclone(self, *arguments):
        s = self.settings
        remote = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": s["url"], "REGION": s["region"],
                  "ACCESS_KEY_ID": s["access_key_id"], "SECRET_ACCESS_KEY": self.secret}
        # Settings for Amazon's own tools, such as AWS_CA_BUNDLE, are not meant for this store.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        environment["RCLONE_CONFIG"] = os.devnull
        environment.update({f"RCLONE_CONFIG_STORE_{k}": v for k, v in remote.items()})
        trusted = ["--ca-cert", s["ca_file"]] if s.get("ca_file") else []
        return run_command(["rclone", *trusted, *arguments], environment=environment).decode()

    def shares(self, storage_index=None):
        """The path of all shares, or of those of one storage index."""
        top = f"store:{self.settings['bucket']}/{self.settings.get('prefix', '')}shares"
        return f"{top}/{storage_index[:2]}/{storage_index}" if storage_index else top


class LeavingKind(SharestoreKind):
    """The same node, its shares on disk from now on."""

    def create(self, directory):
        path = directory / "tahoe.cfg"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("s3.")]
        path.write_text("\n".join(lines).replace("backend = cloud.s3", "backend = disk") + "\n")


def copied_down(c, bucket):
    """The node's directory once more, with the bucket's shares in it."""
    directory = c.path("copied")
    shutil.copytree(c.node.directory, directory,
                    ignore=shutil.ignore_patterns("*.sock", "running.process"))
    bucket.rclone("copy", bucket.shares(), directory / "storage/shares")
    return Node(LeavingKind(c.kind.binary), directory)
