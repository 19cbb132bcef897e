from collections.abc import Iterator

import pytest
from hypothesis import settings

# A busy machine is no failure; the rest stays as Hypothesis chose it (reproducible where CI is set).
settings.register_profile("unhurried", settings(deadline=None))
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--other-rounding", action="store_true", help="round sums of floats as another machine might")


@pytest.fixture(autouse=True)
def _rounding(request: pytest.FixtureRequest) -> Iterator[None]:
    if not request.config.getoption("--other-rounding"):
        yield
        return
    from other_rounding import OtherRounding

    with OtherRounding():
        yield


@pytest.fixture
def torch_compiles(request: pytest.FixtureRequest) -> None:
    """For tests that call ``torch.compile``: it compiles nothing under a dispatch mode, such as the one above."""
    if request.config.getoption("--other-rounding"):
        pytest.skip("torch compiles nothing under a dispatch mode, which rounds otherwise")
