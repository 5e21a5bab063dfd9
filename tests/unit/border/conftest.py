"""What tests of the border share."""

import pytest

from tests.support.border import Border


@pytest.fixture
def border() -> Border:
    """Give the readers on a transport in memory."""
    return Border.in_memory()
