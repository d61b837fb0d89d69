"""The list of kernels in docs/kernels.md, between ``<!-- kernels -->`` and ``<!-- end -->``, from their rows.

python docs/kernels.py            write it
python docs/kernels.py --check    change nothing; exit 1 where the page differs
"""

import re
import sys
from pathlib import Path

from fwdad.kernels import KERNELS

PAGE = Path(__file__).with_name("kernels.md")


def page(text: str) -> str:
    """Return the page's text with the list as it should be."""
    rows = [f"| `{row.name}` | {row.computes} | {row.contract} |\n" for row in KERNELS.values()]
    table = "".join(["| kernel | computes | arguments -> results |\n|---|---|---|\n", *rows])
    return re.sub(r"(?<=<!-- kernels -->\n).*?(?=<!-- end -->)", lambda _: table, text, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8")
    if "--check" not in sys.argv:
        PAGE.write_text(page(written), encoding="utf-8")
    elif page(written) != written:
        sys.exit("docs/kernels.md differs from the rows of the kernels; run: python docs/kernels.py")
