"""The README's Python runs, and learns what it says it learns."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_example_trains():
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(compile(source, str(README), "exec"), names)
    assert names["tangents"].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert names["loss"] < 0.35, "64 random labels, learnt by heart"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (README.parent / target).exists(), target
