"""What the hosts found, as a benchmark writes it: `python -m benchmarks.nfs.rows ROWS.jsonl FILE.json`."""

import json
import sys
from pathlib import Path

from benchmarks import written

COMPARED = (
    "Two network namespaces of a Linux kernel in user mode, each a host with its own NFS 4.2 client, and a server in "
    "the same kernel, whose lease is 10 s."
)

if __name__ == "__main__":
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    written.show("What do two hosts on one NFS do?", COMPARED, rows, Path(sys.argv[2]))
