"""`kvision data cache`: what is kept on disk to save time."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any

from kvision.core import disk_cache, paths, words


def run(*, clear: bool, json_lines: bool) -> None:
    """Prints what each kind takes and the limit, or removes all that no process uses.

    Args:
        clear: Whether to remove.
        json_lines: One JSON object a line instead of text.
    """
    if clear:
        removed = disk_cache.shrink(0)
        held = disk_cache.entries()
        told = f"{paths.cache_folder('')}: {len(removed)} removed, {len(held)} in use"
        print(json.dumps({"removed": len(removed), "in_use": len(held)}) if json_lines else told)
        return
    kinds: defaultdict[str, list[disk_cache.Entry]] = defaultdict(list)
    for entry in disk_cache.entries():
        kinds[entry.path.parent.name].append(entry)
    rows: list[dict[str, Any]] = [
        {"kind": kind, "entries": len(found), "bytes": sum(one.size for one in found), "unused_s": time.time() - found[0].used_s}
        for kind, found in sorted(kinds.items())
    ]
    most = disk_cache.limit()
    if json_lines:
        print("\n".join(json.dumps(row) for row in [*rows, {"limit_bytes": most}]))
        return
    for row in rows:
        print(f"{row['kind']:10} {row['entries']:6}  {words.size(row['bytes']):>8}  the first to go was used {words.duration(row['unused_s'])} ago")
    total = sum(row["bytes"] for row in rows)
    print(f"{paths.cache_folder('')}: {words.size(total)} of {words.size(most)}; {disk_cache.LIMIT} sets the limit")
