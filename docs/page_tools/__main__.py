"""Name the pages with stale generated blocks, rewrite them, or execute one page.

python -m page_tools             list the stale pages
python -m page_tools --write     rewrite them
python -m page_tools --run PAGE  execute the blocks of a page in the current, empty folder
"""

from __future__ import annotations

import sys
from pathlib import Path

from page_tools.execute import run_page
from page_tools.generated_blocks import refreshed
from page_tools.pages import ROOT, pages


def stale_pages(*, write: bool) -> list[Path]:
    """Return the pages whose generated blocks are stale; rewrite them if asked."""
    stale = []
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = refreshed(old)
        if new != old:
            stale.append(page)
            if write:
                page.write_text(new, encoding="utf-8")
    return stale


def main() -> int:
    """Return the exit code: 1 if stale pages remain."""
    if sys.argv[1:2] == ["--run"]:
        run_page(Path(sys.argv[2]), Path.cwd())
        return 0
    write = sys.argv[1:] == ["--write"]
    stale = stale_pages(write=write)
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'rewritten' if write else 'stale'}")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main())
