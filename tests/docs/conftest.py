"""The browser, started once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for chromium.py


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    import chromium  # here: it needs Selenium, and other tests of this folder do not

    browser = chromium.start(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()
